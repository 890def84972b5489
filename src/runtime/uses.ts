/** Which arrays steps use, and from when to when. */
import type { NumericArray } from '../onnx/types'
import type { Lifetime } from './arena'
import { isHost, type GraphStep } from './steps'
import { endsOf, type Trace, type TracedStep } from './trace'

/** Arrays that a step reads, and those that it writes (which it may read too). */
export function arraysOf(step: GraphStep): { readonly reads: NumericArray[]; readonly writes: NumericArray[] } {
  if (isHost(step)) return { reads: [...step.reads], writes: [...step.writes] }
  const reads: NumericArray[] = []
  const writes: NumericArray[] = []
  for (const [name, operand] of Object.entries(step.operands) as [string, unknown][])
    if (isArray(operand)) (name === 'y' ? writes : reads).push(operand)
  return { reads, writes }
}

/** Whether an operand is an array of numbers. */
export function isArray(value: unknown): value is NumericArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/**
 * The buffers that hold run-time data, with the steps between which they do. Entry steps come before all others, and
 * their inputs need no place.
 */
export function lifetimes(trace: Trace, entries: ReadonlyMap<string, number>): Map<ArrayBufferLike, Lifetime> {
  const { inputs, steps } = trace
  const end = steps.length
  const lives = new Map<ArrayBufferLike, { bytes: number; first: number; last: number }>()
  const live = (array: NumericArray, first: number): void => {
    if (!lives.has(array.buffer)) lives.set(array.buffer, { bytes: array.buffer.byteLength, first, last: first })
  }
  const use = (array: NumericArray, at: number): void => {
    const life = lives.get(array.buffer)
    if (life !== undefined) life.last = at
  }
  for (const [name, value] of inputs)
    if (value.type !== 'string' && !value.known && !entries.has(name)) live(value.data, -1)
  const first = new Set(entries.values())
  steps.forEach(({ step }: TracedStep, at) => {
    const { reads, writes } = arraysOf(step)
    for (const array of reads) use(array, at)
    for (const array of writes) {
      live(array, first.has(at) ? -1 : at)
      use(array, at)
    }
  })
  for (const value of endsOf(trace).values()) if (value.type !== 'string' && !value.known) use(value.data, end)
  return lives
}
