/** Computes nodes whose inputs are all constants, once, at load. */
import type { Backend } from '../../backend/contract'
import { operatorOf } from '../../onnx/ops'
import { contiguous } from '../../runtime/format'
import { evaluate } from '../../runtime/steps'
import type { Value } from '../../runtime/value'
import { sizeOf } from '../../tensor/shape'
import type { Graph, GraphNode } from '../graph'

/** Operators whose results differ from run to run. */
const random = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
])
/** Results larger than this, and larger than what they are made of, stay computations: a small file may ask for much. */
const maxGrowth = 1 << 20

/** Replaces such nodes by their results. */
export function foldConstants(backend: Backend, graph: Graph): void {
  graph.nodes = graph.nodes.filter((node) => !fold(backend, graph, node))
}

function fold(backend: Backend, graph: Graph, node: GraphNode): boolean {
  if (random.has(node.op) || [...node.attributes.graphs()].length > 0) return false
  const inputs = node.inputs.map((name) => (name === '' ? undefined : graph.constants.get(name)))
  if (inputs.some((value, i) => value === undefined && node.inputs[i] !== '')) return false
  const results = evaluate(backend, operatorOf(node)(node, inputs)).map((value) => evaluate(backend, contiguous(value)))
  const size = (values: readonly (Value | undefined)[]): number =>
    values.reduce((sum, value) => sum + (value === undefined ? 0 : sizeOf(value.dims)), 0)
  if (size(results) > Math.max(maxGrowth, 4 * size(inputs))) return false
  if (node.outputs.some((name, i) => name !== '' && results[i] === undefined)) return false
  node.outputs.forEach((name, i) => {
    const value = results[i]
    if (name !== '' && value !== undefined) graph.constants.set(name, { ...value, known: true })
  })
  return true
}
