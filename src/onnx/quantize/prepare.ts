/** Reads a float model in the form that is quantized. */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { currentBackend } from '../../backend/current'
import { ArgumentError, show, UnsupportedOperatorError } from '../../errors'
import type { Graph, GraphNode } from '../../graph/graph'
import { prepareFloat } from '../../graph/passes'
import { checkOperators } from '../ops'
import { parseModel, type Model } from '../read'
import { serializeModel } from '../write'
import { leastOpset, upgradeGraph } from './upgrade'

/** A float model: constants read, batch norms folded, what is constant computed, operator set 13 or later. */
export interface FloatModel {
  readonly model: Model
  readonly opset: number
  /** Size of the file. */
  readonly bytes: number
  readonly isExcluded: (node: GraphNode) => boolean
}

/** Reads a model from a path or bytes. `exclude` names nodes, `excludeTypes` operators that stay float. */
export async function readFloatModel(
  op: string,
  source: string | Uint8Array,
  exclude: readonly string[],
  excludeTypes: readonly string[],
): Promise<FloatModel> {
  const bytes = typeof source === 'string' ? await readFile(source) : new Uint8Array(source)
  const float = parseModel(bytes, typeof source === 'string' ? dirname(source) : undefined)
  checkOperators(float.graph)
  prepareFloat(currentBackend(), float.graph)
  const names = new Set(float.graph.nodes.map(({ name }) => name))
  const unknown = exclude.filter((name) => !names.has(name))
  if (unknown.length > 0)
    throw new ArgumentError({
      op,
      argument: 'options.exclude',
      expected: 'names of nodes of the model',
      received: show(unknown),
    })
  const given = opsetOf(op, float)
  const { graph, opset } = upgradeGraph(float.graph, given)
  const [nodes, types] = [new Set(exclude), new Set(excludeTypes)]
  return {
    model: { ...float, graph, opsets: new Map([...float.opsets, ['', opset]]) },
    opset,
    bytes: bytes.length,
    isExcluded: ({ name, op: type }) => nodes.has(name) || types.has(type),
  }
}

/** The version of ONNX's operator set that all nodes have: a model's functions may import others. */
function opsetOf(op: string, { graph, opsets }: Model): number {
  const versions = new Set(graph.nodes.flatMap(({ domain, opset }) => (domain === '' ? [opset] : [])))
  const given = opsets.get('') ?? [...versions][0] ?? leastOpset
  versions.add(given)
  if (versions.size > 1)
    throw new UnsupportedOperatorError({
      op,
      message: `the model mixes operator sets ${[...versions].sort((a, b) => a - b).join(' and ')}`,
      hint: 'Its functions have another one than its graph: inline them by onnx.inliner, which brings them to one.',
    })
  return given
}

/** The bytes of a quantized graph that was made of this model. */
export function writeQuantized({ model }: FloatModel, graph: Graph): Uint8Array {
  const { irVersion, opsets, metadata } = model
  return serializeModel(graph, { irVersion: Math.max(7, irVersion), opsets, metadata })
}
