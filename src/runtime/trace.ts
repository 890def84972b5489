/**
 * Traces a graph: runs every operator's checks and shape arithmetic for inputs of given sizes, and records the steps
 * that it yields instead of running them. What depends on no run-time data is computed on the spot, so that constants
 * and shape arithmetic leave no steps behind.
 */
import type { Backend } from '../backend/contract'
import { ModelError } from '../errors'
import { describeNode, type Graph, type GraphNode } from '../graph/graph'
import { operatorOf } from '../onnx/ops'
import type { Inputs } from '../onnx/ops/operator'
import { evaluateConstant } from './constant'
import { contiguous } from './format'
import type { Work } from './slices'
import { evaluate, evaluateAsync, type GraphStep, type Lowering } from './steps'
import type { Value } from './value'

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
  const values = new Map<string, Value>([...graph.constants, ...inputs])
  for (const node of graph.nodes) {
    const operands = operandsOf(node, values)
    const isKnown = operands.every((value) => value?.known !== false)
    const lower = () => operatorOf(node)(node, operands)
    const constant = isKnown ? evaluateConstant(backend, operands, lower)?.map(asKnown) : undefined
    keep(node, values, constant ?? record(node)(lower()))
    yield
  }
  const outputs = new Map<string, Value>()
  for (const { name } of graph.outputs) outputs.set(name, record(undefined)(contiguous(resultOf(values, name))))
  return { inputs, steps, outputs }
}

/** Runs the graph node by node. For graphs with shapes that depend on data, and for folding constants. */
export function runGraph(backend: Backend, graph: Graph, inputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const values = new Map<string, Value>([...graph.constants, ...inputs])
  for (const node of graph.nodes) {
    const lowering = operatorOf(node)(node, operandsOf(node, values))
    keep(node, values, evaluate(backend, lowering).map(asKnown))
  }
  return new Map(
    graph.outputs.map(({ name }) => [name, asKnown(evaluate(backend, contiguous(resultOf(values, name))))]),
  )
}

/** {@link runGraph} off the event loop. */
export async function runGraphAsync(
  backend: Backend,
  graph: Graph,
  inputs: ReadonlyMap<string, Value>,
): Promise<Map<string, Value>> {
  const values = new Map<string, Value>([...graph.constants, ...inputs])
  for (const node of graph.nodes) {
    const lowering = operatorOf(node)(node, operandsOf(node, values))
    keep(node, values, (await evaluateAsync(backend, lowering)).map(asKnown))
  }
  const outputs = new Map<string, Value>()
  for (const { name } of graph.outputs)
    outputs.set(name, asKnown(await evaluateAsync(backend, contiguous(resultOf(values, name)))))
  return outputs
}

function asKnown<V extends Value>(value: V): V {
  return value.known ? value : { ...value, known: true }
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

function resultOf(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name)
  if (value === undefined) throw new ModelError({ op: 'onnx', message: `nobody computes the output "${name}"` })
  return value
}
