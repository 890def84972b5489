/**
 * Steps of a graph: kernels of the backend, and host steps, which are functions in JavaScript for what has no kernel
 * (rare types, sorting, scattering). Operators are written once, as generators of steps, and driven in two ways: run
 * at once (`evaluate`) or recorded (`src/runtime/trace.ts`).
 */
import type { Backend } from '../backend/contract'
import type { Step } from '../backend/steps'
import type { NumericArray } from '../onnx/types'

/** Arrays that host steps read and write. */
export type HostArray = NumericArray

/** A step that JavaScript computes. It may touch nothing but the arrays that it is handed. */
export interface HostStep {
  readonly kernel: 'host'
  /** What it computes, for `explainPlan`. */
  readonly label: string
  readonly reads: readonly HostArray[]
  readonly writes: readonly HostArray[]
  readonly run: (reads: readonly HostArray[], writes: readonly HostArray[]) => void
}

/** A step of either kind. */
export type GraphStep = Step | HostStep

/** An operator in progress. */
export type Lowering<R> = Generator<GraphStep, R, void>

/** A host step that reads and writes arrays of known types. */
export function host<R extends readonly HostArray[], W extends readonly HostArray[]>(
  label: string,
  reads: R,
  writes: W,
  run: (reads: R, writes: W) => void,
): HostStep {
  return { kernel: 'host', label, reads, writes, run: run as unknown as HostStep['run'] }
}

/** Whether a step is computed by JavaScript. */
export function isHost(step: GraphStep): step is HostStep {
  return step.kernel === 'host'
}

/** Runs one step on its own arrays. */
export function runStep(backend: Backend, step: GraphStep): void {
  if (isHost(step)) step.run(step.reads, step.writes)
  else backend.run(step.kernel, step.operands)
}

/** Runs an operator's steps as they come. */
export function evaluate<R>(backend: Backend, lowering: Lowering<R>): R {
  let state = lowering.next()
  while (state.done !== true) {
    runStep(backend, state.value)
    state = lowering.next()
  }
  return state.value
}

/** The same off the event loop; host steps run on it. */
export async function evaluateAsync<R>(backend: Backend, lowering: Lowering<R>): Promise<R> {
  let state = lowering.next()
  while (state.done !== true) {
    const step = state.value
    if (isHost(step)) step.run(step.reads, step.writes)
    else await backend.runAsync(step.kernel, step.operands)
    state = lowering.next()
  }
  return state.value
}
