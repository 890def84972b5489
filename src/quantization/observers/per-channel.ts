/** Observers of one range per index along an axis. */
import { ArgumentError, QParamsError, ShapeError, show } from '../../errors'
import { checkOptions } from '../../ops/options'
import type { DType } from '../../tensor/dtype'
import type { PerChannelQParams } from '../../tensor/qparams'
import { maxRank } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import { channelExtents } from './extent'
import { floatParametersOf, parametersOf, type Range } from './formulas'
import { average, averagingConstantOf, refuseAverageMerge, type MovingAverageOptions } from './min-max'
import { Observer, type StateReader } from './observer'
import { observerOptionNames, resolveSettings, type ObserverOptions, type Settings } from './settings'

const schemes = ['perChannelAffine', 'perChannelSymmetric', 'perChannelAffineFloatQParams'] as const

/** Options of the observers per channel. */
export interface PerChannelOptions extends ObserverOptions {
  /** Axis of the channels, from 0. @defaultValue 0: output channels of a weight */
  readonly chAxis?: number
}

/** One scale and zero point per channel, of which the zero points need not be whole (embeddings). */
export interface FloatChannelQParams {
  readonly kind: 'perChannelFloat'
  readonly scales: Float32Array
  readonly zeroPoints: Float32Array
  readonly axis: number
}

/** Ranges per channel; a channel of +Infinity to -Infinity has had no finite value yet. */
interface ChannelRanges {
  readonly min: Float32Array
  readonly max: Float32Array
}

/** What the two observers of this file share. */
abstract class ChannelObserver extends Observer {
  /** Axis of the channels. PyTorch: `ch_axis`. */
  readonly chAxis: number
  private ranges: ChannelRanges | undefined = undefined

  protected constructor(kind: string, settings: Settings, chAxis: number) {
    super(kind, settings)
    this.chAxis = chAxis
  }

  override get observed(): boolean {
    return this.ranges !== undefined
  }

  /** Smallest value seen per channel, empty before any. PyTorch: `min_val`. */
  get minVal(): Float32Array {
    return this.ranges?.min.slice() ?? new Float32Array(0)
  }

  /** Largest value seen per channel, empty before any. PyTorch: `max_val`. */
  get maxVal(): Float32Array {
    return this.ranges?.max.slice() ?? new Float32Array(0)
  }

  override calculateQParams(): PerChannelQParams {
    if (this.qscheme === 'perChannelAffineFloatQParams')
      throw new QParamsError({
        op: this.op('calculateQParams'),
        message: 'the zero points of perChannelAffineFloatQParams are not whole numbers',
        hint: 'Call calculateFloatQParams.',
      })
    const { scales, zeroPoints } = this.parameters(parametersOf)
    return { kind: 'perChannel', scales, zeroPoints: Int32Array.from(zeroPoints), axis: this.chAxis }
  }

  /**
   * Scales and zero points of the scheme `perChannelAffineFloatQParams`, whose code c stands for `(c - zp) * scale` with
   * a zero point that is not whole.
   *
   * @throws NotCalibratedError, QParamsError where the scheme is another
   */
  calculateFloatQParams(): FloatChannelQParams {
    if (this.qscheme !== 'perChannelAffineFloatQParams')
      throw new QParamsError({
        op: this.op('calculateFloatQParams'),
        message: `the scheme is ${this.qscheme}, whose zero points are whole numbers`,
        hint: 'Call calculateQParams.',
      })
    return { kind: 'perChannelFloat', ...this.parameters(floatParametersOf), axis: this.chAxis }
  }

  private parameters(formula: typeof parametersOf): {
    readonly scales: Float32Array
    readonly zeroPoints: Float32Array
  } {
    const { ranges } = this
    if (ranges === undefined) throw this.notCalibrated()
    const scales = new Float32Array(ranges.min.length)
    const zeroPoints = new Float32Array(ranges.min.length)
    for (const [c, { min, max }] of channelsOf(ranges).entries()) {
      // A channel without a finite value counts as all zero: the least scale.
      const { scale, zeroPoint } = formula(min > max ? { min: 0, max: 0 } : { min, max }, this.settings)
      scales[c] = scale
      zeroPoints[c] = zeroPoint
    }
    return { scales, zeroPoints }
  }

  /** The range of a channel after a batch. */
  protected abstract update(range: Range, batch: Range): Range

  protected take(op: string, batch: ChannelRanges): void {
    const known = this.ranges
    const channels = batch.min.length
    if (channelsOf(batch).every(({ min, max }) => min > max)) return
    if (known !== undefined && known.min.length !== channels && known.min.length !== 1)
      throw new ShapeError({
        op,
        argument: 'x',
        expected: `a tensor of ${String(known.min.length)} channels along axis ${String(this.chAxis)}, as before`,
        received: String(channels),
      })
    const min = new Float32Array(channels)
    const max = new Float32Array(channels)
    const before = known === undefined ? [] : channelsOf(known)
    for (const [c, range] of channelsOf(batch).entries()) {
      // One channel that grows to many stands for each of them (PyTorch's broadcast).
      const old = before.length === 1 ? before[0] : before[c]
      const next =
        old === undefined || old.min > old.max ? range : range.min > range.max ? old : this.update(old, range)
      min[c] = next.min
      max[c] = next.max
    }
    this.ranges = { min, max }
  }

  protected override observe(x: Tensor): void {
    const op = this.op('forward')
    const { min, max, skipped } = channelExtents(op, x, this.chAxis)
    this.take(op, { min, max })
    this.skip(skipped)
  }

  protected override clear(): void {
    this.ranges = undefined
  }

  protected override describe(): string {
    return `${super.describe()} chAxis ${String(this.chAxis)}`
  }

  protected override saveState(): [string, Tensor<DType>][] {
    const { minVal, maxVal } = this
    return [
      ['min_val', new Tensor('float32', [minVal.length], minVal)],
      ['max_val', new Tensor('float32', [maxVal.length], maxVal)],
    ]
  }

  protected override readState(reader: StateReader): () => void {
    const min = reader.take('min_val', 'float32')
    const max = reader.take('max_val', 'float32', [min.shape])
    if (min.rank !== 1) throw reader.fault('min_val', 'a tensor of rank 1', `rank ${String(min.rank)}`)
    const ranges = { min: min.data.slice(), max: max.data.slice() }
    const empty = ({ min: lo, max: hi }: Range): boolean => lo === Infinity && hi === -Infinity
    const usable = ({ min: lo, max: hi }: Range): boolean => Number.isFinite(hi - lo) || lo < hi
    if (!channelsOf(ranges).every((range) => empty(range) || (usable(range) && Number.isFinite(range.min))))
      throw reader.fault('min_val, state.max_val', 'finite numbers in order', 'others')
    return () => {
      this.ranges = ranges.min.length === 0 ? undefined : ranges
    }
  }
}

function channelsOf({ min, max }: ChannelRanges): Range[] {
  return Array.from(min, (lo, c) => ({ min: lo, max: max[c] ?? 0 }))
}

function axisOf(op: string, { chAxis = 0 }: PerChannelOptions): number {
  if (!Number.isInteger(chAxis) || chAxis < 0 || chAxis >= maxRank)
    throw new ArgumentError({
      op,
      argument: 'options.chAxis',
      expected: `a whole number from 0 to ${String(maxRank - 1)}`,
      received: show(chAxis),
    })
  return chAxis
}

/**
 * Keeps the smallest and the largest value of each channel (numerics.md 3): the observer of weights. PyTorch:
 * `PerChannelMinMaxObserver`.
 *
 * The order of batches does not matter, and {@link merge} is exact.
 */
export class PerChannelMinMaxObserver extends ChannelObserver {
  constructor(options: PerChannelOptions = {}) {
    const op = 'quantization.PerChannelMinMaxObserver'
    checkOptions(op, options, [...observerOptionNames, 'chAxis'])
    super('PerChannelMinMaxObserver', resolveSettings(op, options, schemes), axisOf(op, options))
  }

  protected override update(range: Range, batch: Range): Range {
    return { min: Math.min(range.min, batch.min), max: Math.max(range.max, batch.max) }
  }

  protected override mergeSame(other: this): void {
    if (other.observed) this.take(this.op('merge'), { min: other.minVal, max: other.maxVal })
  }
}

/**
 * Lets the range of each channel follow the batches, as `MovingAverageMinMaxObserver` does for one range. PyTorch:
 * `MovingAveragePerChannelMinMaxObserver`.
 */
export class MovingAveragePerChannelMinMaxObserver extends ChannelObserver {
  readonly averagingConstant: number

  constructor(options: PerChannelOptions & MovingAverageOptions = {}) {
    const op = 'quantization.MovingAveragePerChannelMinMaxObserver'
    checkOptions(op, options, [...observerOptionNames, 'chAxis', 'averagingConstant'])
    super('MovingAveragePerChannelMinMaxObserver', resolveSettings(op, options, schemes), axisOf(op, options))
    this.averagingConstant = averagingConstantOf(op, options)
  }

  protected override update(range: Range, batch: Range): Range {
    const { averagingConstant: c } = this
    return { min: average(range.min, batch.min, c), max: average(range.max, batch.max, c) }
  }

  protected override mergeSame(): never {
    return refuseAverageMerge(this.op('merge'))
  }

  protected override describe(): string {
    return `${super.describe()} averagingConstant ${String(this.averagingConstant)}`
  }
}
