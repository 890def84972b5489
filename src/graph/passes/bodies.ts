/** Brings the bodies of If, Loop and Scan into the form that is planned, as the graph around them. */
import { Attributes, type Attribute } from '../attributes'
import { Graph, GraphNode } from '../graph'

/** What is done to a body. */
export type PrepareBody = (body: Graph) => void

/**
 * Replaces nodes with bodies by nodes with prepared copies of these. Constants that a body captures become its own: passes
 * over the body see them.
 */
export function prepareBodies(graph: Graph, prepare: PrepareBody): void {
  graph.nodes = graph.nodes.map((node) => {
    const bodies = [...node.attributes.graphs()]
    if (bodies.length === 0) return node
    const own = node.inputs.slice(0, node.ownInputs)
    const around = node.captures.map((name, i) => [name, node.inputs[node.ownInputs + i] ?? ''] as const)
    const constants = new Map(
      around.flatMap(([name, outer]) => {
        const value = graph.constants.get(outer)
        return value === undefined ? [] : [[name, value] as const]
      }),
    )
    const left = around.filter(([name]) => !constants.has(name))
    const prepared = (attribute: Attribute): Attribute => {
      if (attribute.kind !== 'graph') return attribute
      const { name, inputs, outputs, nodes, constants: had, infos } = attribute.value
      const captured = [...attribute.value.captures()].flatMap((each) => {
        const value = constants.get(each)
        return value === undefined ? [] : [[each, value] as const]
      })
      const body = new Graph({ name, inputs, outputs, nodes, constants: new Map([...had, ...captured]), infos })
      prepare(body)
      return { kind: 'graph', value: body }
    }
    const attributes = [...node.attributes.entries()].map(([name, attribute]) => [name, prepared(attribute)] as const)
    return new GraphNode({
      op: node.op,
      domain: node.domain,
      opset: node.opset,
      name: node.name,
      inputs: [...own, ...left.map(([, outer]) => outer)],
      outputs: node.outputs,
      attributes: new Attributes(node.title, new Map(attributes)),
      captures: left.map(([name]) => name),
    })
  })
}
