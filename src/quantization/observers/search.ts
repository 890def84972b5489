/** The range of a histogram that loses least in 8 bits: what PyTorch calls the non-linear parameter search. */

/** A histogram of bins of equal width. */
export interface Histogram {
  /** Number of values in each bin, >= 0; not all 0. */
  readonly counts: ArrayLike<number>
  /** Running sums of the counts, `cumulative[i] = counts[0] + … + counts[i]`. */
  readonly cumulative: ArrayLike<number>
  /** Real width of a bin. */
  readonly binWidth: number
}

/** First and last bin that are kept. */
export interface Bins {
  readonly first: number
  readonly last: number
}

/** Levels of the quantization that the error is computed for; PyTorch takes 256 also where the observer has fewer. */
const levels = 256
/** Share of all values by which a side moves in one round. */
const share = 1e-5

/**
 * The bins to keep. In each round either end may move inwards, to where another 1e-5 of the values is left out; the end
 * that moves further does (at a tie the right one). The search stops when the expected error grows.
 */
export function searchBins(histogram: Histogram): Bins {
  const { cumulative } = histogram
  const bins = cumulative.length
  const total = cumulative[bins - 1] ?? 0
  let first = 0
  let last = bins - 1
  let least = Infinity
  let alpha = 0
  let beta = 1
  while (alpha < beta) {
    const nextAlpha = alpha + share
    const nextBeta = beta - share
    let left = first
    while (left < last && (cumulative[left] ?? 0) < nextAlpha * total) left++
    let right = last
    while (right > first && (cumulative[right] ?? 0) > nextBeta * total) right--
    const fromLeft = left - first > last - right
    if (fromLeft) alpha = nextAlpha
    else beta = nextBeta
    const kept = fromLeft ? { first: left, last } : { first, last: right }
    if (kept.first === first && kept.last === last) continue
    const error = quantizationError(histogram, kept)
    if (error > least) break
    least = error
    ;({ first, last } = kept)
  }
  return { first, last }
}

/**
 * Expected squared error, up to a factor, of quantizing the histogram to 256 levels that span the kept bins. Inside a bin
 * values are taken as uniform, so a stretch from a to b around a level costs `density * (b^3 - a^3) / 3`: the cut level
 * at the bin's begin, the whole ones, and the cut one at its end. What lies outside goes to the first or last level.
 */
export function quantizationError({ counts, binWidth }: Histogram, { first, last }: Bins): number {
  const width = (binWidth * (last - first + 1)) / levels
  if (width === 0) return 0
  const half = width / 2
  const halfCubed = half * half * half
  let sum = 0
  for (let bin = 0; bin < counts.length; bin++) {
    const count = counts[bin] ?? 0
    if (count === 0) continue
    const begin = (bin - first) * binWidth
    const end = begin + binWidth
    const beginLevel = clampLevel(Math.floor(begin / width))
    const endLevel = clampLevel(Math.floor(end / width))
    const a = begin - (beginLevel + 0.5) * width
    const b = end - (endLevel + 0.5) * width
    const stretches = halfCubed - a * a * a + (endLevel - beginLevel - 1) * 2 * halfCubed + b * b * b + halfCubed
    sum += count * stretches
  }
  return sum
}

function clampLevel(level: number): number {
  return Math.min(Math.max(level, 0), levels - 1)
}
