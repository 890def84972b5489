/** Brings the bodies of If, Loop and Scan into the form that is planned, as the graph around them. */
import type { Value } from '../../runtime/value'
import type { Work } from '../../runtime/slices'
import { Attributes, type Attribute } from '../attributes'
import { Graph, GraphNode } from '../graph'

/** What is done to a body. */
export type PrepareBody = (body: Graph) => Work<void>

/**
 * Replaces nodes with bodies by nodes with prepared copies of these. Constants that a body captures become its own: passes
 * over the body see them.
 */
export function* prepareBodies(graph: Graph, prepare: PrepareBody): Work<void> {
  const nodes: GraphNode[] = []
  for (const node of graph.nodes) {
    const hasBodies = node.attributes.graphs().next().done !== true
    nodes.push(hasBodies ? yield* withBodies(graph, node, prepare) : node)
  }
  graph.nodes = nodes
}

function* withBodies(graph: Graph, node: GraphNode, prepare: PrepareBody): Work<GraphNode> {
  const around = node.captures.map((name, i) => [name, node.inputs[node.ownInputs + i] ?? ''] as const)
  const constants = new Map<string, Value>()
  for (const [name, outer] of around) {
    const value = graph.constants.get(outer)
    if (value !== undefined) constants.set(name, value)
  }
  const left = around.filter(([name]) => !constants.has(name))
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes.entries()) {
    if (attribute.kind !== 'graph') {
      attributes.set(name, attribute)
      continue
    }
    const body = copyWith(attribute.value, constants)
    yield* prepare(body)
    attributes.set(name, { kind: 'graph', value: body })
  }
  return new GraphNode({
    op: node.op,
    domain: node.domain,
    opset: node.opset,
    name: node.name,
    inputs: [...node.inputs.slice(0, node.ownInputs), ...left.map(([, outer]) => outer)],
    outputs: node.outputs,
    attributes: new Attributes(node.title, attributes),
    captures: left.map(([name]) => name),
  })
}

/** A copy of a body, with those constants that it captures. */
function copyWith(body: Graph, given: ReadonlyMap<string, Value>): Graph {
  const { name, inputs, outputs, nodes, infos } = body
  const constants = new Map(body.constants)
  for (const each of body.captures()) {
    const value = given.get(each)
    if (value !== undefined) constants.set(each, value)
  }
  return new Graph({ name, inputs, outputs, nodes, constants, infos })
}
