/** A histogram that merges exactly: its bins lie on a grid that all observers share. */
import { checkOptions } from '../../ops/options'
import type { DType } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { Tensor } from '../../tensor/tensor'
import { extentOf } from './extent'
import { parametersOf, type Range } from './formulas'
import { wholeOption } from './histogram'
import { readRange, scalar } from './min-max'
import { Observer, type StateReader } from './observer'
import { searchBins } from './search'
import { observerOptionNames, resolveSettings, type ObserverOptions } from './settings'

const { fround } = Math

/** Options of {@link PowerOfTwoHistogramObserver}. */
export interface PowerOfTwoHistogramOptions extends ObserverOptions {
  /** Number of bins at most, 2 to 65536; at least half of them span the data. @defaultValue 4096 */
  readonly bins?: number
}

/** Counts on the grid of width 2^exponent: `counts[i]` values lie in `[(first + i), (first + i + 1)) * 2^exponent`. */
interface GridCounts extends Range {
  readonly exponent: number
  readonly first: number
  readonly counts: Float64Array
}

/** Exponent of the least float32: no grid is finer. */
const leastExponent = -149
/** A bin's index stays below 2^40, so that indices and their sums are exact. */
const indexBits = 40

/**
 * Counts what it sees in bins of width 2^e, anchored at 0: bin k holds the values of `[k * 2^e, (k + 1) * 2^e)`. When the
 * range outgrows the bins, e grows and neighbouring bins are added, which moves no value across an edge. So the counts
 * depend only on which values were seen: not on their order or batches, and {@link merge} is exact.
 *
 * The range is searched as in {@link HistogramObserver}, and cut to the smallest and largest value seen. PyTorch has no
 * such observer.
 */
export class PowerOfTwoHistogramObserver extends Observer {
  readonly bins: number
  private seen: GridCounts | undefined = undefined

  constructor(options: PowerOfTwoHistogramOptions = {}) {
    const op = 'quantization.PowerOfTwoHistogramObserver'
    checkOptions(op, options, [...observerOptionNames, 'bins'])
    const settings = resolveSettings(op, options, ['perTensorAffine', 'perTensorSymmetric'], ['quint8', 'qint8'])
    super('PowerOfTwoHistogramObserver', settings)
    this.bins = wholeOption(op, 'bins', options.bins ?? 4096, 2, 65536)
  }

  override get observed(): boolean {
    return this.seen !== undefined
  }

  /** Smallest value seen, +Infinity before any. */
  get minVal(): number {
    return this.seen?.min ?? Infinity
  }

  /** Largest value seen, -Infinity before any. */
  get maxVal(): number {
    return this.seen?.max ?? -Infinity
  }

  /** The counts, with the width of a bin and the index of the first: its start is `first * width`. */
  get histogram(): { readonly counts: Float64Array; readonly width: number; readonly first: number } {
    const { counts = new Float64Array(0), exponent = 0, first = 0 } = this.seen ?? {}
    return { counts: counts.slice(), width: 2 ** exponent, first }
  }

  /** The range that {@link calculateQParams} uses. @throws NotCalibratedError where nothing was seen */
  searchedRange(): Range {
    if (this.seen === undefined) throw this.notCalibrated()
    const { min, max, first, exponent, counts } = this.seen
    if (min === max) return { min, max }
    const cumulative = new Float64Array(counts.length)
    let sum = 0
    for (const [bin, count] of counts.entries()) cumulative[bin] = sum += count
    const width = 2 ** exponent
    const kept = searchBins({ counts, cumulative, binWidth: width })
    return {
      min: Math.max(fround((first + kept.first) * width), min),
      max: Math.min(fround((first + kept.last + 1) * width), max),
    }
  }

  override calculateQParams(): PerTensorQParams {
    return { kind: 'perTensor', ...parametersOf(this.searchedRange(), this.settings) }
  }

  protected override observe(x: Tensor): void {
    const { min, max, skipped } = extentOf(x.storage)
    this.skip(skipped)
    if (min > max) return
    const grown = this.makeRoom({ min, max })
    const { counts, first } = grown
    // Two factors: 2^-exponent alone may not be a finite number.
    const half = Math.trunc(-grown.exponent / 2)
    const a = 2 ** half
    const b = 2 ** (-grown.exponent - half)
    for (const value of x.storage)
      if (value - value === 0) {
        const bin = Math.floor(value * a * b) - first
        counts[bin] = (counts[bin] ?? 0) + 1
      }
    this.seen = grown
  }

  /** What was seen, on the grid that also holds a range, in counts of its own. */
  private makeRoom(batch: Range): GridCounts {
    const { seen, bins } = this
    const range =
      seen === undefined ? batch : { min: Math.min(seen.min, batch.min), max: Math.max(seen.max, batch.max) }
    const exponent = exponentFor(range, bins)
    const first = indexOf(range.min, exponent)
    const counts = new Float64Array(indexOf(range.max, exponent) - first + 1)
    if (seen !== undefined) addCounts({ ...range, exponent, first, counts }, seen)
    return { ...range, exponent, first, counts }
  }

  protected override clear(): void {
    this.seen = undefined
  }

  protected override mergeSame(other: this): void {
    const { seen } = other
    if (seen === undefined) return
    const grown = this.makeRoom(seen)
    addCounts(grown, seen)
    this.seen = grown
  }

  protected override describe(): string {
    return `${super.describe()} bins ${String(this.bins)}`
  }

  protected override saveState(): [string, Tensor<DType>][] {
    const { exponent = 0, first = 0, counts = new Float64Array(0) } = this.seen ?? {}
    return [
      ['histogram', new Tensor('int64', [counts.length], BigInt64Array.from(counts, BigInt))],
      ['first', new Tensor('int64', [], BigInt64Array.of(BigInt(first)))],
      ['exponent', new Tensor('int32', [], Int32Array.of(exponent))],
      ['min_val', scalar(this.minVal)],
      ['max_val', scalar(this.maxVal)],
    ]
  }

  protected override readState(reader: StateReader): () => void {
    const range = readRange(reader)
    const [first = 0n] = reader.take('first', 'int64', [[]]).data
    const [exponent = 0] = reader.take('exponent', 'int32', [[]]).data
    const counts = reader.take('histogram', 'int64').data
    if (range === undefined) {
      if (counts.length > 0) throw reader.fault('histogram', 'empty where no value was seen', String(counts.length))
      return () => {
        this.seen = undefined
      }
    }
    const due = exponentFor(range, this.bins)
    const start = indexOf(range.min, due)
    const length = indexOf(range.max, due) - start + 1
    if (exponent !== due || Number(first) !== start || counts.length !== length || counts.some((count) => count < 0n))
      throw reader.fault(
        'histogram, state.first, state.exponent',
        `${String(length)} counts from index ${String(start)} of the grid 2^${String(due)}, which the range gives`,
        `${String(counts.length)} from ${first.toString()} of 2^${String(exponent)}`,
      )
    return () => {
      this.seen = { ...range, exponent, first: start, counts: Float64Array.from(counts, Number) }
    }
  }
}

/** Index of the bin of width 2^exponent that holds a value; exact, since a power of two only shifts. */
function indexOf(value: number, exponent: number): number {
  const half = Math.trunc(-exponent / 2)
  return Math.floor(value * 2 ** half * 2 ** (-exponent - half))
}

/** The finest grid on which a range takes at most `bins` bins: a function of the range alone, growing with it. */
function exponentFor({ min, max }: Range, bins: number): number {
  const largest = Math.max(Math.abs(min), Math.abs(max))
  const ceiling = largest === 0 ? leastExponent : Math.floor(Math.log2(largest)) + 1
  let exponent = Math.max(leastExponent, ceiling - indexBits)
  while (indexOf(max, exponent) - indexOf(min, exponent) >= bins) exponent++
  return exponent
}

/** Adds counts of a grid that is as fine or finer, and whose range lies inside. */
function addCounts(to: GridCounts, from: GridCounts): void {
  const step = 2 ** (to.exponent - from.exponent)
  for (const [i, count] of from.counts.entries()) {
    const bin = Math.floor((from.first + i) / step) - to.first
    to.counts[bin] = (to.counts[bin] ?? 0) + count
  }
}
