/** Long work as generators that yield where they may pause: done at once, or in slices between which the event loop turns. */
import { setImmediate } from 'node:timers/promises'

/** Work that yields where it may pause. */
export type Work<R> = Generator<void, R, void>

/** How long a slice takes at least, in milliseconds; it ends with the first pause after that. */
const sliceMs = 4

/** Does the work at once. */
export function finish<R>(work: Work<R>): R {
  let state = work.next()
  while (state.done !== true) state = work.next()
  return state.value
}

/** Does the work in slices. The first one begins before this returns. */
export async function finishInSlices<R>(work: Work<R>): Promise<R> {
  const pause = pauses()
  let state = work.next()
  while (state.done !== true) {
    const turn = pause()
    if (turn !== undefined) await turn
    state = work.next()
  }
  return state.value
}

/** Told where work may pause; gives a turn of the event loop to be awaited where the slice has been long enough. */
export function pauses(): () => Promise<void> | undefined {
  let begin = performance.now()
  return () => {
    if (performance.now() - begin <= sliceMs) return undefined
    return setImmediate().then(() => {
      begin = performance.now()
    })
  }
}
