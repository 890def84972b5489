/** How a histogram moves to a wider range, as PyTorch's HistogramObserver does it, in O(bins) memory. */
import { rne } from '../../tensor/rounding'
import type { Range } from './formulas'

const { fround } = Math
/** Up to this many cells their indices are exact, with room for sums. */
const mostCells = 2 ** 52

/** The grid of fine cells on which old bins are laid: each old bin is `upsample` cells, each new one `downsample`. */
export interface Grid {
  readonly range: Range
  readonly upsample: number
  readonly downsample: number
  /** First cell of the old bins. */
  readonly start: number
}

/**
 * The range that the histogram gets so that it covers `from` and `batch`, in float32 as PyTorch computes it: a cell is
 * `w = f(f(max - min) / (bins * upsample))` wide, a new bin is a whole number of cells, and the range's maximum is moved up
 * until the new bins fit.
 *
 * Undefined where there is no such grid: cells too narrow to be counted, or a maximum beyond float32.
 */
export function growRange(from: Range, batch: Range, bins: number, upsample: number): Grid | undefined {
  const min = Math.min(from.min, batch.min)
  const max = Math.max(from.max, batch.max)
  const cell = fround(fround(from.max - from.min) / fround(bins * upsample))
  const oldBin = fround(fround(bins) * cell)
  const span = fround(max - min)
  const downsample = Math.ceil(fround(span / oldBin))
  const extra = fround(fround(fround(downsample) * oldBin) - span)
  const start = rne(fround(fround(from.min - min) / cell))
  const grown = fround(max + extra)
  if (!(bins * downsample <= mostCells) || !Number.isFinite(start) || !Number.isFinite(grown)) return undefined
  const room = Math.max(bins * downsample - bins * upsample, 0)
  return { range: { min, max: grown }, upsample, downsample, start: Math.min(start, room) }
}

/**
 * The counts of the new bins: differences of the cumulative sums over the cells, divided by `upsample`. The cells are
 * walked, not stored: their sums are added one after the other in float64, as a stored grid's would be.
 */
export function rebin(counts: Float32Array, { upsample, downsample, start }: Grid): Float32Array {
  const bins = counts.length
  const moved = new Float32Array(bins)
  let sum = 0
  let before = 0
  let bin = Math.floor(start / downsample)
  let cell = start
  for (const count of counts) {
    const end = cell + upsample
    while (cell < end) {
      const next = Math.min(end, (bin + 1) * downsample)
      if (count !== 0) for (let n = next - cell; n > 0; n--) sum += count
      cell = next
      if (cell < (bin + 1) * downsample) break
      moved[Math.min(bin, bins - 1)] = (sum - before) / upsample
      before = sum
      bin++
    }
  }
  if (sum > before) moved[Math.min(bin, bins - 1)] = (sum - before) / upsample
  return moved
}

/** The counts moved without a grid: each old bin goes to the new bin that holds its middle. */
export function moveBins(counts: Float32Array, from: Range, to: Range): Float32Array {
  const moved = new Float32Array(counts.length)
  for (const [old, count] of counts.entries()) {
    const along = (old + 0.5) / counts.length
    const bin = binOf(from.min * (1 - along) + from.max * along, to, counts.length)
    moved[bin] = (moved[bin] ?? 0) + count
  }
  return moved
}

/** The bin of a value in a range: `floor(f(f(f(v - min) / f(max - min)) * bins))`, kept inside. */
export function binOf(value: number, { min, max }: Range, bins: number): number {
  const span = fround(max - min)
  const place =
    span < Infinity ? fround(fround(fround(value - min) / span) * fround(bins)) : ((value - min) / (max - min)) * bins
  return Math.min(Math.max(Math.trunc(place), 0), bins - 1)
}

/** Counts the finite values of x in the bins of a range. */
export function countInto(x: Float32Array, range: Range, bins: number): Float64Array {
  const counts = new Float64Array(bins)
  const { min, max } = range
  const span = fround(max - min)
  if (!(span > 0) || span === Infinity) {
    const middle = bins >> 1
    for (const value of x)
      if (value - value === 0) {
        const bin = span > 0 ? binOf(value, range, bins) : middle
        counts[bin] = (counts[bin] ?? 0) + 1
      }
    return counts
  }
  const scale = fround(bins)
  const last = bins - 1
  for (const value of x) {
    if (value - value !== 0) continue
    const place = Math.trunc(fround(fround(fround(value - min) / span) * scale))
    const bin = place > last ? last : place < 0 ? 0 : place
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts
}
