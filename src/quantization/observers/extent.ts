/** Smallest and largest finite value of tensors, and how many values are not finite. */
import { runSync, step, type Steps } from '../../backend/steps'
import { ShapeError } from '../../errors'
import { shapeText } from '../../tensor/shape'
import { splitAt } from '../../tensor/split'
import type { Tensor } from '../../tensor/tensor'
import type { Range } from './formulas'
import type { Skipped } from './observer'

/** A range; +Infinity to -Infinity where there was no finite value. */
export interface Extent extends Range {
  readonly skipped: Skipped
}

/** Below this many elements a plain loop is quicker than two kernel calls. */
const kernelLength = 2048
const none: Skipped = { nan: 0, inf: 0 }

function* extentSteps(x: Float32Array): Steps<Range & { readonly mean: number }> {
  const range = new Float32Array(2)
  const mean = new Float32Array(1)
  yield step('minMax', { x, y: range })
  yield step('freduce', { x, y: mean, rows: 1, length: x.length, op: 'mean' })
  const [min = Infinity, max = -Infinity] = range
  return { min, max, mean: mean[0] ?? NaN }
}

/**
 * The extent of an array. Long ones go to the backend: its minMax skips what is not finite, and a finite mean proves that
 * there was no such value to count.
 */
export function extentOf(x: Float32Array): Extent {
  if (x.length >= kernelLength) {
    const { min, max, mean } = runSync(extentSteps(x))
    return { min, max, skipped: Number.isFinite(mean) ? none : countSkipped(x) }
  }
  let min = Infinity
  let max = -Infinity
  let finite = 0
  for (const value of x) {
    if (value - value !== 0) continue
    finite++
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max, skipped: finite === x.length ? none : countSkipped(x) }
}

function countSkipped(x: Float32Array): Skipped {
  let nan = 0
  let inf = 0
  for (const value of x) {
    if (value !== value) nan++
    else if (value - value !== 0) inf++
  }
  return { nan, inf }
}

/** Ranges of channels, by index along an axis. */
export interface ChannelExtents {
  readonly min: Float32Array
  readonly max: Float32Array
  readonly skipped: Skipped
}

/** The extent of every index along an axis of x. */
export function channelExtents(op: string, x: Tensor, axis: number): ChannelExtents {
  if (x.rank < 2 || axis >= x.rank)
    throw new ShapeError({
      op,
      argument: 'x',
      expected: `a tensor of rank ${String(Math.max(2, axis + 1))} or more, with channels along axis ${String(axis)}`,
      received: shapeText(x.shape),
    })
  const { outer, channels, inner } = splitAt(x.shape, x.memoryFormat, axis)
  const min = new Float32Array(channels).fill(Infinity)
  const max = new Float32Array(channels).fill(-Infinity)
  const { storage } = x
  let at = 0
  let finite = 0
  for (let o = 0; o < outer; o++)
    for (let c = 0; c < channels; c++) {
      let lo = min[c] ?? 0
      let hi = max[c] ?? 0
      for (const end = at + inner; at < end; at++) {
        const value = storage[at] ?? 0
        if (value - value !== 0) continue
        finite++
        if (value < lo) lo = value
        if (value > hi) hi = value
      }
      min[c] = lo
      max[c] = hi
    }
  return { min, max, skipped: finite === storage.length ? none : countSkipped(storage) }
}
