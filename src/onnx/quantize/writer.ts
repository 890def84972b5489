/** Makes a graph out of another: names, constants and nodes that the other one does not have. */
import { Attributes, type Attribute } from '../../graph/attributes'
import { Graph, GraphNode } from '../../graph/graph'
import type { Value } from '../../runtime/value'

/** A graph while it is written. */
export class GraphWriter {
  readonly nodes: GraphNode[] = []
  private readonly source: Graph
  private readonly opset: number
  private readonly constants: Map<string, Value>
  private readonly taken: Set<string>

  /** @param opset - Version of ONNX's operator set that new nodes have. */
  constructor(source: Graph, opset: number) {
    this.source = source
    this.opset = opset
    this.constants = new Map(source.constants)
    this.taken = new Set(source.names())
  }

  /** A name that no value has: this one, or one like it. */
  fresh(near: string): string {
    let name = near
    for (let i = 1; this.taken.has(name); i++) name = `${near}_${String(i)}`
    this.taken.add(name)
    return name
  }

  /** Adds a constant. Returns its name. */
  constant(near: string, value: Value): string {
    const name = this.fresh(near)
    this.constants.set(name, value)
    return name
  }

  /** Adds a node behind those that are there. */
  add(
    op: string,
    near: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> | Attributes = {},
  ): void {
    this.nodes.push(
      new GraphNode({
        op,
        domain: '',
        opset: this.opset,
        name: this.fresh(`${near}_${op}`),
        inputs,
        outputs,
        attributes: attributes instanceof Attributes ? attributes : Attributes.of(attributes),
      }),
    )
  }

  /** Adds a node of the source with other inputs and outputs. */
  copy(node: GraphNode, inputs: readonly string[], outputs: readonly string[]): void {
    const { op, domain, name, attributes, captures } = node
    this.nodes.push(new GraphNode({ op, domain, opset: this.opset, name, inputs, outputs, attributes, captures }))
  }

  /** The graph, without what no result depends on. */
  finish(): Graph {
    const { name, inputs, outputs } = this.source
    const graph = new Graph({ name, inputs, outputs, nodes: this.nodes, constants: this.constants, infos: new Map() })
    graph.prune()
    return graph
  }
}
