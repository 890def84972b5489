/**
 * The way through a graph: its nodes one after the other, each handed out to be computed from its operands. Control flow
 * (If, Loop, Scan) is followed here, so that whoever computes nodes, tracing or running them, never meets it.
 */
import { ModelError } from '../errors'
import { describeNode, type Graph, type GraphNode } from '../graph/graph'
import { controlOf } from '../onnx/ops'
import { NotPlannable, type Inputs } from '../onnx/ops/operator'
import type { Value } from './value'

/** A node and its operands. What is sent back is its results. */
export interface Task {
  readonly node: GraphNode
  readonly operands: Inputs
}

/** A walk that ends with R. It pauses before each turn of a loop, with nothing to be computed: a turn may have no nodes. */
export type Walk<R> = Generator<Task | undefined, R, readonly Value[]>

/** Takes the nodes that a plan cannot hold, and those that read what they compute. */
export interface Deferral {
  /** Before each node of the graph, not of those within. */
  begin(): void
  /** Instead of the node's results. `reason` is undefined where it only reads what is not there. */
  defer(node: GraphNode, reason: string | undefined): void
}

/** Goes through a graph. Returns its results, in its order. */
export function* walkGraph(graph: Graph, given: ReadonlyMap<string, Value>): Walk<readonly Value[]> {
  const values = yield* walkNodes(graph, given)
  return graph.outputs.map(({ name }) => {
    const value = values.get(name)
    if (value === undefined) throw new ModelError({ op: 'onnx', message: `nobody computes the output "${name}"` })
    return value
  })
}

/** Goes through a graph's nodes, but for those that are deferred. Returns all values. */
export function* walkNodes(
  graph: Graph,
  given: ReadonlyMap<string, Value>,
  deferral?: Deferral,
): Walk<ReadonlyMap<string, Value>> {
  const values = new Map<string, Value>([...graph.constants, ...given])
  const late = new Set<string>()
  for (const node of graph.nodes) {
    deferral?.begin()
    let reason: string | undefined
    if (!node.inputs.some((name) => late.has(name))) {
      try {
        const operands = operandsOf(node, values)
        const control = controlOf(node)
        keep(node, values, control === undefined ? yield { node, operands } : yield* control(node, operands, walkGraph))
        continue
      } catch (error) {
        if (deferral === undefined || !(error instanceof NotPlannable)) throw error
        reason = error.message
      }
    }
    deferral?.defer(node, reason)
    for (const name of node.outputs) if (name !== '') late.add(name)
  }
  return values
}

function operandsOf(node: GraphNode, values: ReadonlyMap<string, Value>): Inputs {
  return node.inputs.map((name) => {
    if (name === '') return undefined
    const value = values.get(name)
    if (value === undefined)
      throw new ModelError({
        op: node.op,
        message: `node ${describeNode(node)} reads "${name}", which nobody computes`,
      })
    return value
  })
}

function keep(node: GraphNode, values: Map<string, Value>, results: readonly Value[]): void {
  node.outputs.forEach((name, i) => {
    if (name === '') return
    const value = results[i]
    if (value === undefined)
      throw new ModelError({
        op: node.op,
        message: `node ${describeNode(node)} has no output ${String(i)} ("${name}")`,
      })
    values.set(name, value)
  })
}
