/**
 * Traces a graph: runs every operator's checks and shape arithmetic for inputs of given sizes, and records the steps
 * that it yields instead of running them. What depends on no run-time data is computed on the spot, so that constants
 * and shape arithmetic leave no steps behind. Nodes whose shapes depend on run-time data are left for the rest.
 */
import type { Backend } from '../backend/contract'
import { ModelError } from '../errors'
import { Graph, type GraphNode } from '../graph/graph'
import { operatorOf } from '../onnx/ops'
import { NotPlannable } from '../onnx/ops/operator'
import { evaluateConstant } from './constant'
import { contiguous } from './format'
import { pauses, type Work } from './slices'
import { evaluate, evaluateAsync, type GraphStep, type Lowering } from './steps'
import type { Value } from './value'
import { walkGraph, walkNodes } from './walk'

/** A step with the node that it belongs to; undefined for those that bring outputs into their format. */
export interface TracedStep {
  readonly step: GraphStep
  readonly node: GraphNode | undefined
}

/** A graph for inputs of given sizes. */
export interface Trace {
  readonly inputs: ReadonlyMap<string, Value>
  readonly steps: readonly TracedStep[]
  /** Results, contiguous; without those of the rest. */
  readonly outputs: ReadonlyMap<string, Value>
  readonly rest: Rest | undefined
}

/** What no plan can hold: it is run node by node, after the plan. */
export interface Rest {
  readonly graph: Graph
  /** What it reads of the plan's values, in their own formats. */
  readonly reads: ReadonlyMap<string, Value>
  /** Inputs of the model that it reads. */
  readonly inputNames: readonly string[]
  /** Why the first of its nodes is in it. */
  readonly reason: string
}

/** What a plan's values are needed for after its last step, by name. */
export function endsOf({ outputs, rest }: Trace): ReadonlyMap<string, Value> {
  return new Map([...(rest?.reads ?? []), ...outputs])
}

/** Nodes and turns that loops may add to a trace; where they would add more, they are run node by node. */
const mostLoopedNodes = 1 << 14
/** Steps of one node between two pauses: a recurrent layer has some for each of its own. */
const stepsAtOnce = 64
const none: readonly Value[] = []

/**
 * Records what the graph does with inputs of these types and sizes, whose arrays stand for their places in memory.
 * Pauses after each node, and within those of many steps.
 */
export function* traceGraph(backend: Backend, graph: Graph, inputs: ReadonlyMap<string, Value>): Work<Trace> {
  const steps: TracedStep[] = []
  const record = function* <R>(node: GraphNode | undefined, lowering: Lowering<R>): Work<R> {
    let state = lowering.next()
    while (state.done !== true) {
      steps.push({ step: state.value, node })
      if (steps.length % stepsAtOnce === 0) yield
      state = lowering.next()
    }
    return state.value
  }
  const late: GraphNode[] = []
  let reason = ''
  let begun = 0
  const walk = walkNodes(graph, inputs, {
    begin: () => (begun = steps.length),
    defer: (node, why) => {
      // What it recorded before it gave up.
      steps.length = begun
      late.push(node)
      reason ||= why ?? ''
    },
  })
  let state = walk.next()
  let left = graph.nodes.length + mostLoopedNodes
  for (; state.done !== true; left--) {
    if (left < 0) {
      left = graph.nodes.length
      state = walk.throw(new NotPlannable('its loops are too long for a plan'))
      continue
    }
    if (state.value === undefined) {
      state = walk.next(none)
      continue
    }
    const { node, operands } = state.value
    const isKnown = operands.every((value) => value?.known !== false)
    const lower = () => operatorOf(node)(node, operands)
    let results: readonly Value[]
    try {
      const constant = isKnown ? evaluateConstant(backend, operands, lower)?.map(asKnown) : undefined
      results = constant ?? (yield* record(node, lower()))
    } catch (error) {
      if (!(error instanceof NotPlannable)) throw error
      state = walk.throw(error)
      continue
    }
    yield
    state = walk.next(results)
  }
  const values = state.value
  const rest = late.length === 0 ? undefined : restOf(graph, inputs, values, late, reason)
  const outputs = new Map<string, Value>()
  for (const { name } of graph.outputs) {
    const value = values.get(name)
    if (value !== undefined) outputs.set(name, yield* record(undefined, contiguous(value)))
    else if (rest?.graph.outputs.every((output) => output.name !== name) !== false)
      throw new ModelError({ op: 'onnx', message: `nobody computes the output "${name}"` })
  }
  return { inputs, steps, outputs, rest }
}

/** A graph of the nodes that a trace could not hold. */
function restOf(
  graph: Graph,
  inputs: ReadonlyMap<string, Value>,
  values: ReadonlyMap<string, Value>,
  nodes: readonly GraphNode[],
  reason: string,
): Rest {
  const made = new Set(nodes.flatMap(({ outputs }) => outputs))
  const names = new Set(nodes.flatMap((node) => node.inputs))
  const reads = new Map<string, Value>()
  const constants = new Map<string, Value>()
  for (const name of names) {
    const value = values.get(name)
    if (value === undefined || inputs.has(name)) continue
    const constant = graph.constants.get(name)
    if (constant === value) constants.set(name, value)
    else reads.set(name, value)
  }
  return {
    graph: new Graph({
      name: graph.name,
      inputs: [...graph.inputs, ...[...reads].map(([name, { type, dims }]) => ({ name, type, dims }))],
      outputs: graph.outputs.filter(({ name }) => made.has(name)),
      nodes,
      constants,
      infos: graph.infos,
    }),
    reads,
    inputNames: [...inputs.keys()].filter((name) => names.has(name)),
    reason,
  }
}

/** Runs the graph node by node. For what no plan can hold. */
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
