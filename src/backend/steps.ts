/**
 * How an op meets a backend. An op is a generator: it checks its arguments, yields the kernels to run, one after the
 * other, and returns its result. It is written once and driven in two ways: now, or off the event loop.
 */
import type { KernelName, Kernels, Step } from './contract'
import { currentBackend } from './current'

export type { Step } from './contract'

/** An op in progress. */
export type Steps<R> = Generator<Step, R, void>

/** One kernel, for an op to yield: `yield step('qconv', { … })`. When the op goes on, `y` is written. */
export function step<K extends KernelName>(kernel: K, operands: Kernels[K]): Step {
  return { kernel, operands } as Step
}

/** Runs an op to its end on the calling thread (and the pool). */
export function runSync<R>(steps: Steps<R>): R {
  const backend = currentBackend()
  let state = steps.next()
  while (state.done !== true) {
    backend.run(state.value.kernel, state.value.operands)
    state = steps.next()
  }
  return state.value
}

/**
 * Runs an op's kernels off the event loop. Arguments are checked, and the first kernel's operands copied, before the
 * promise is returned; errors of either kind reject it.
 */
export async function runAsync<R>(steps: Steps<R>): Promise<R> {
  const backend = currentBackend()
  let state = steps.next()
  while (state.done !== true) {
    await backend.runAsync(state.value.kernel, state.value.operands)
    state = steps.next()
  }
  return state.value
}
