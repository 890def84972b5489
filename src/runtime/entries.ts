/**
 * Entry steps: the first things that happen to inputs, where they are cheap and happen to nobody else. Feeding an input
 * runs its entry step on the caller's array, instead of copying it for a step that reads it once.
 */
import { isHost } from './steps'
import { endsOf, type Trace } from './trace'
import { arraysOf } from './uses'

/** Kernels that take about as long as a copy. */
const cheap: ReadonlySet<string> = new Set(['quantize', 'stridedCopy'])

/** Entry steps: index of the step by name of the input. */
export function findEntries(trace: Trace): ReadonlyMap<string, number> {
  const { inputs, steps } = trace
  const readers = new Map<ArrayBufferLike, number[]>()
  const writers = new Map<ArrayBufferLike, number[]>()
  const add = (to: Map<ArrayBufferLike, number[]>, { buffer }: { buffer: ArrayBufferLike }, index: number): void => {
    const indices = to.get(buffer)
    if (indices === undefined) to.set(buffer, [index])
    else if (indices.at(-1) !== index) indices.push(index)
  }
  steps.forEach(({ step }, i) => {
    const { reads, writes } = arraysOf(step)
    for (const array of reads) add(readers, array, i)
    for (const array of writes) add(writers, array, i)
  })
  for (const value of endsOf(trace).values()) if (value.type !== 'string') add(readers, value.data, steps.length)
  const atRunTime = new Set(writers.keys())
  for (const value of inputs.values()) if (value.type !== 'string') atRunTime.add(value.data.buffer)

  const isEntry = (index: number, data: ArrayBufferView): boolean => {
    const step = steps[index]?.step
    if (step === undefined || isHost(step) || !cheap.has(step.kernel)) return false
    if ((step.operands as { readonly x?: unknown }).x !== data) return false
    const { reads, writes } = arraysOf(step)
    return (
      reads.every((array) => array === data || !atRunTime.has(array.buffer)) &&
      writes.every(({ buffer }) => writers.get(buffer)?.length === 1)
    )
  }
  const entries = new Map<string, number>()
  for (const [name, value] of inputs) {
    if (value.type === 'string') continue
    const [index = -1, ...others] = readers.get(value.data.buffer) ?? []
    if (others.length === 0 && isEntry(index, value.data)) entries.set(name, index)
  }
  return entries
}
