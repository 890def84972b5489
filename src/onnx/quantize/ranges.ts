/** Ranges that leave out a part of what a histogram has counted. */
import type { Range } from '../../quantization/observers/formulas'

/** Counts in bins of equal width; the first begins at `first * width`. */
export interface Counts {
  readonly counts: Float64Array
  readonly width: number
  readonly first: number
}

/** Levels of 8 bits. */
const levels = 256
/** Ranges that the entropy is computed for, each a part of the whole one. */
const candidates = 128

/**
 * The range between two quantiles: `percent` of the values lie in it, and as many below it as above. A bin counts as a
 * whole. TensorRT's and onnxruntime's percentile calibration.
 */
export function percentileRange({ counts, width, first }: Counts, percent: number): Range {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const out = (total * (100 - percent)) / 200
  const lastBelow = (order: Iterable<number>): number => {
    let seen = 0
    for (const bin of order) {
      seen += counts[bin] ?? 0
      if (seen > out) return bin
    }
    return 0
  }
  const low = lastBelow(counts.keys())
  const high = lastBelow([...counts.keys()].reverse())
  return { min: (first + low) * width, max: (first + high + 1) * width }
}

/**
 * The range whose 8-bit form tells least from the values' distribution, by Kullback and Leibler's divergence: the whole
 * range shrunk towards zero in equal steps, so zero stays where it is. TensorRT's entropy calibration, for affine codes.
 */
export function entropyRange({ counts: seen, width, first }: Counts): Range {
  // Zeros, of which ReLU makes many, are exact in any range: their bin counts as its larger neighbour.
  const counts = seen.slice()
  if (counts[-first] !== undefined) counts[-first] = Math.max(seen[-first - 1] ?? 0, seen[-first + 1] ?? 0)
  const histogram = { counts, width, first }
  const [lowest, highest] = [Math.min(first, 0), Math.max(first + counts.length, 0)]
  let best = { min: lowest * width, max: highest * width }
  let least = Infinity
  for (let step = candidates; step > 0; step--) {
    const low = Math.floor((lowest * step) / candidates)
    const high = Math.ceil((highest * step) / candidates)
    // Fewer bins than levels: nothing is lost by quantizing, so the divergence says nothing.
    if (high - low < levels && step < candidates) break
    const divergence = divergenceOf(histogram, low, high)
    if (!(divergence < least)) continue
    least = divergence
    best = { min: low * width, max: high * width }
  }
  return best
}

/** Divergence between the counts cut to bins `low` to `high - 1` and their 256 levels. */
function divergenceOf({ counts, first }: Counts, low: number, high: number): number {
  const bins = high - low
  const kept = new Float64Array(bins)
  let total = 0
  counts.forEach((count, i) => {
    const bin = first + i - low
    total += count
    if (bin >= 0 && bin < bins) kept[bin] = count
  })
  const quantized = spreadOverLevels(kept)
  // What lies outside becomes the first or last level.
  const clipped = kept.slice()
  counts.forEach((count, i) => {
    const bin = first + i - low
    if (bin < 0) clipped[0] = (clipped[0] ?? 0) + count
    else if (bin >= bins) clipped[bins - 1] = (clipped[bins - 1] ?? 0) + count
  })
  const inside = kept.reduce((sum, count) => sum + count, 0)
  let sum = 0
  for (let bin = 0; bin < bins; bin++) {
    const p = (clipped[bin] ?? 0) / total
    if (p === 0) continue
    // A bin that is empty but for what was clipped has no level of its own: it costs, but not without bounds.
    const q = Math.max((quantized[bin] ?? 0) / inside, 1e-9)
    sum += p * Math.log(p / q)
  }
  return sum
}

/** Counts after each level's values are spread evenly over its bins that are not empty. */
function spreadOverLevels(counts: Float64Array): Float64Array {
  const result = new Float64Array(counts.length)
  for (let level = 0; level < levels; level++) {
    const begin = Math.floor((level * counts.length) / levels)
    const end = Math.floor(((level + 1) * counts.length) / levels)
    const part = counts.subarray(begin, end)
    const filled = part.reduce((n, count) => n + Number(count > 0), 0)
    const mean = part.reduce((sum, count) => sum + count, 0) / Math.max(1, filled)
    part.forEach((count, i) => {
      if (count > 0) result[begin + i] = mean
    })
  }
  return result
}
