/** Computes nodes whose inputs are all constants, once, at load. */
import type { Backend } from '../../backend/contract'
import { operatorOf } from '../../onnx/ops'
import { evaluateConstant } from '../../runtime/constant'
import { contiguous } from '../../runtime/format'
import type { Value } from '../../runtime/value'
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

/** Replaces such nodes by their results. */
export function foldConstants(backend: Backend, graph: Graph): void {
  graph.nodes = graph.nodes.filter((node) => !fold(backend, graph, node))
}

function fold(backend: Backend, graph: Graph, node: GraphNode): boolean {
  if (random.has(node.op) || [...node.attributes.graphs()].length > 0) return false
  const inputs = node.inputs.map((name) => (name === '' ? undefined : graph.constants.get(name)))
  if (inputs.some((value, i) => value === undefined && node.inputs[i] !== '')) return false
  const results = evaluateConstant(backend, inputs, function* () {
    const values = yield* operatorOf(node)(node, inputs)
    const rows: Value[] = []
    for (const value of values) rows.push(yield* contiguous(value))
    return rows
  })
  if (results === undefined) return false
  if (node.outputs.some((name, i) => name !== '' && results[i] === undefined)) return false
  node.outputs.forEach((name, i) => {
    const value = results[i]
    if (name !== '' && value !== undefined) graph.constants.set(name, { ...value, known: true })
  })
  return true
}
