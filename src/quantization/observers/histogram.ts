/** The observer of the default QConfig: a histogram, in which the range that loses least is searched. */
import { ArgumentError, show } from '../../errors'
import { checkOptions } from '../../ops/options'
import type { DType } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { Tensor } from '../../tensor/tensor'
import { extentOf } from './extent'
import { parametersOf, type Range } from './formulas'
import { readRange, scalar } from './min-max'
import { Observer, type StateReader } from './observer'
import { countInto, growRange, moveBins, rebin } from './rebin'
import { searchBins } from './search'
import { observerOptionNames, resolveSettings, type ObserverOptions } from './settings'

const { fround } = Math
/** Largest finite float32. */
const maxFloat32 = (2 - 2 ** -23) * 2 ** 127

/** Options of {@link HistogramObserver}. */
export interface HistogramOptions extends ObserverOptions {
  /** Number of bins, 2 to 65536. @defaultValue 2048 */
  readonly bins?: number
  /** Into how many cells a bin is cut when the range grows, 1 to 1024. @defaultValue 128 */
  readonly upsampleRate?: number
}

/** Counts over a range; where min equals max, all values seen are that one. */
interface Counted extends Range {
  readonly counts: Float32Array
}

/**
 * Counts what it sees in bins and searches the range whose quantization to 256 levels has the least expected squared
 * error: outliers are clipped where that pays. PyTorch: `HistogramObserver`, whose float32 arithmetic this follows.
 *
 * Two things are done better than in PyTorch 1.13: the histogram's bounds are not truncated to whole numbers (later
 * versions mended that), and first batches of one constant value are not forgotten. Every finite value is counted.
 *
 * Bins move when the range grows, so the result depends, a little, on the order of batches, and there is no exact merge:
 * see {@link PowerOfTwoHistogramObserver} for one that can.
 */
export class HistogramObserver extends Observer {
  readonly bins: number
  readonly upsampleRate: number
  private seen: Counted | undefined = undefined

  constructor(options: HistogramOptions = {}) {
    const op = 'quantization.HistogramObserver'
    checkOptions(op, options, [...observerOptionNames, 'bins', 'upsampleRate'])
    const settings = resolveSettings(op, options, ['perTensorAffine', 'perTensorSymmetric'], ['quint8', 'qint8'])
    super('HistogramObserver', settings)
    this.bins = wholeOption(op, 'bins', options.bins ?? 2048, 2, 65536)
    this.upsampleRate = wholeOption(op, 'upsampleRate', options.upsampleRate ?? 128, 1, 1024)
  }

  override get observed(): boolean {
    return this.seen !== undefined
  }

  /** Start of the first bin, +Infinity before any data. PyTorch: `min_val`. */
  get minVal(): number {
    return this.seen?.min ?? Infinity
  }

  /** End of the last bin, -Infinity before any data; at least the largest value seen. PyTorch: `max_val`. */
  get maxVal(): number {
    return this.seen?.max ?? -Infinity
  }

  /** Counts per bin: a copy. PyTorch: `histogram`. */
  get histogram(): Float32Array {
    return this.seen?.counts.slice() ?? new Float32Array(this.bins)
  }

  /** The range that {@link calculateQParams} uses. @throws NotCalibratedError where nothing was seen */
  searchedRange(): Range {
    if (this.seen === undefined) throw this.notCalibrated()
    const { min, max, counts } = this.seen
    if (min === max) return { min, max }
    const cumulative = new Float32Array(counts.length)
    let sum = 0
    for (const [bin, count] of counts.entries()) cumulative[bin] = sum = fround(sum + count)
    const { first, last } = searchBins({ counts, cumulative, binWidth: (max - min) / this.bins })
    const span = fround(max - min)
    const width = span < Infinity ? fround(span / fround(this.bins)) : (max - min) / this.bins
    const edge = (bin: number): number => fround(min + fround(width * fround(bin)))
    return { min: edge(first), max: Math.min(edge(last + 1), maxFloat32) }
  }

  override calculateQParams(): PerTensorQParams {
    return { kind: 'perTensor', ...parametersOf(this.searchedRange(), this.settings) }
  }

  /** Counts of a batch's finite values in the bins of a range that covers them. */
  protected count(x: Float32Array, range: Range): ArrayLike<number> {
    return countInto(x, range, this.bins)
  }

  protected override observe(x: Tensor): void {
    const { min, max, skipped } = extentOf(x.storage)
    this.skip(skipped)
    if (min > max) return
    const { range, counts } = this.makeRoom({ min, max })
    const batch = this.count(x.storage, range)
    this.seen = { ...range, counts: counts.map((count, bin) => count + (batch[bin] ?? 0)) }
  }

  /** The range that covers what was seen and a batch, and what was seen counted in its bins. */
  private makeRoom(batch: Range): { readonly range: Range; readonly counts: Float32Array } {
    const { seen, bins } = this
    if (seen === undefined) return { range: batch, counts: new Float32Array(bins) }
    const { min, max, counts } = seen
    const known = { min, max }
    if (batch.min >= min && batch.max <= max) return { range: known, counts }
    const range = { min: Math.min(min, batch.min), max: Math.max(max, batch.max) }
    const grid = min === max ? undefined : growRange(known, batch, bins, this.upsampleRate)
    if (grid === undefined) return { range, counts: moveBins(counts, known, range) }
    return { range: grid.range, counts: rebin(counts, grid) }
  }

  protected override clear(): void {
    this.seen = undefined
  }

  protected override mergeSame(): never {
    throw new ArgumentError({
      op: this.op('merge'),
      message: 'two histograms over different ranges have no exact sum',
      hint: 'Use PowerOfTwoHistogramObserver, whose bins lie on one grid, where calibration is spread over several workers.',
    })
  }

  protected override describe(): string {
    return `${super.describe()} bins ${String(this.bins)} upsampleRate ${String(this.upsampleRate)}`
  }

  protected override saveState(): [string, Tensor<DType>][] {
    return [
      ['histogram', new Tensor('float32', [this.bins], this.histogram)],
      ['min_val', scalar(this.minVal)],
      ['max_val', scalar(this.maxVal)],
    ]
  }

  protected override readState(reader: StateReader): () => void {
    const range = readRange(reader)
    const counts = reader.take('histogram', 'float32', [[this.bins]]).data.slice()
    checkCounts(reader, counts)
    return () => {
      this.seen = range === undefined ? undefined : { ...range, counts }
    }
  }
}

/** Checks an option that is a whole number between bounds. */
export function wholeOption(op: string, name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new ArgumentError({
      op,
      argument: `options.${name}`,
      expected: `a whole number from ${String(min)} to ${String(max)}`,
      received: show(value),
    })
  return value
}

function checkCounts(reader: StateReader, counts: Float32Array): void {
  const bad = counts.find((count) => !(count >= 0 && count < Infinity))
  if (bad !== undefined) throw reader.fault('histogram', 'counts: finite and not negative', String(bad))
}
