/**
 * Traces a graph: runs every operator's checks and shape arithmetic for inputs of given sizes, and records the steps
 * that it yields instead of running them. What depends on no run-time data is computed on the spot, so that constants
 * and shape arithmetic leave no steps behind.
 */
import type { Backend } from '../backend/contract'
import type { Graph, GraphNode } from '../graph/graph'
import { operatorOf } from '../onnx/ops'
import { NotPlannable } from '../onnx/ops/operator'
import { evaluateConstant } from './constant'
import { contiguous } from './format'
import { pauses, type Work } from './slices'
import { evaluate, evaluateAsync, type GraphStep, type Lowering } from './steps'
import type { Value } from './value'
import { walkGraph } from './walk'

/** A step with the node that it belongs to; undefined for those that bring outputs into their format. */
export interface TracedStep {
  readonly step: GraphStep
  readonly node: GraphNode | undefined
}

/** A graph for inputs of given sizes. */
export interface Trace {
  readonly inputs: ReadonlyMap<string, Value>
  readonly steps: readonly TracedStep[]
  /** Results, contiguous. */
  readonly outputs: ReadonlyMap<string, Value>
}

/** Nodes and turns that loops may add to a trace; where they would add more, the graph is run node by node. */
const mostLoopedNodes = 1 << 14
const none: readonly Value[] = []

/**
 * Records what the graph does with inputs of these types and sizes, whose arrays stand for their places in memory.
 * Pauses after each node.
 */
export function* traceGraph(backend: Backend, graph: Graph, inputs: ReadonlyMap<string, Value>): Work<Trace> {
  const steps: TracedStep[] = []
  const record =
    (node: GraphNode | undefined) =>
    <R>(lowering: Lowering<R>): R => {
      let state = lowering.next()
      while (state.done !== true) {
        steps.push({ step: state.value, node })
        state = lowering.next()
      }
      return state.value
    }
  const most = graph.nodes.length + mostLoopedNodes
  const walk = walkGraph(graph, inputs)
  let state = walk.next()
  for (let count = 0; state.done !== true; count++) {
    if (count > most) throw new NotPlannable('its loops are too long for a plan')
    if (state.value === undefined) {
      state = walk.next(none)
      continue
    }
    const { node, operands } = state.value
    const isKnown = operands.every((value) => value?.known !== false)
    const lower = () => operatorOf(node)(node, operands)
    const constant = isKnown ? evaluateConstant(backend, operands, lower)?.map(asKnown) : undefined
    const results = constant ?? record(node)(lower())
    yield
    state = walk.next(results)
  }
  return {
    inputs,
    steps,
    outputs: named(
      graph,
      state.value.map((value) => record(undefined)(contiguous(value))),
    ),
  }
}

/** Runs the graph node by node. For graphs with shapes that depend on data. */
export function runGraph(backend: Backend, graph: Graph, inputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const walk = walkGraph(graph, inputs)
  let state = walk.next()
  while (state.done !== true) {
    if (state.value === undefined) {
      state = walk.next(none)
      continue
    }
    const { node, operands } = state.value
    state = walk.next(evaluate(backend, operatorOf(node)(node, operands)).map(asKnown))
  }
  return named(
    graph,
    state.value.map((value) => asKnown(evaluate(backend, contiguous(value)))),
  )
}

/** {@link runGraph} off the event loop. */
export async function runGraphAsync(
  backend: Backend,
  graph: Graph,
  inputs: ReadonlyMap<string, Value>,
): Promise<Map<string, Value>> {
  const walk = walkGraph(graph, inputs)
  const pause = pauses()
  let state = walk.next()
  while (state.done !== true) {
    if (state.value === undefined) {
      const turn = pause()
      if (turn !== undefined) await turn
      state = walk.next(none)
      continue
    }
    const { node, operands } = state.value
    state = walk.next((await evaluateAsync(backend, operatorOf(node)(node, operands))).map(asKnown))
  }
  const outputs: Value[] = []
  for (const value of state.value) outputs.push(asKnown(await evaluateAsync(backend, contiguous(value))))
  return named(graph, outputs)
}

function asKnown<V extends Value>(value: V): V {
  return value.known ? value : { ...value, known: true }
}

function named({ outputs }: Graph, values: readonly Value[]): Map<string, Value> {
  return new Map(values.map((value, i) => [outputs[i]?.name ?? '', value]))
}
