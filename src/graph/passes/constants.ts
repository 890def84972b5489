/** Turns Constant nodes into constants, and quantizes float weights whose QuantizeLinear node stands in the graph. */
import type { Backend } from '../../backend/contract'
import { operatorOf } from '../../onnx/ops'
import { evaluate } from '../../runtime/steps'
import type { Graph, GraphNode } from '../graph'

/** Such nodes say what the weights are; islands are found between them. */
export function readConstants(backend: Backend, graph: Graph): void {
  graph.nodes = graph.nodes.filter((node) => {
    if (node.domain !== '' || !(node.op === 'Constant' || isWeight(graph, node))) return true
    const inputs = node.inputs.map((name) => graph.constants.get(name))
    const [value] = evaluate(backend, operatorOf(node)(node, inputs))
    const [name = ''] = node.outputs
    if (value !== undefined) graph.constants.set(name, { ...value, known: true })
    return false
  })
}

function isWeight(graph: Graph, { op, inputs }: GraphNode): boolean {
  return op === 'QuantizeLinear' && inputs.every((name) => name === '' || graph.constants.has(name))
}
