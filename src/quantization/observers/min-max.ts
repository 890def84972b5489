/** Observers of one range for the whole tensor. */
import { ArgumentError, show } from '../../errors'
import { checkOptions } from '../../ops/options'
import type { DType } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { Tensor } from '../../tensor/tensor'
import { extentOf } from './extent'
import { parametersOf, type Range } from './formulas'
import { Observer, type StateReader } from './observer'
import { observerOptionNames, resolveSettings, type ObserverOptions } from './settings'

const { fround } = Math
const schemes = ['perTensorAffine', 'perTensorSymmetric'] as const

/** A scalar of the state. */
export function scalar(value: number): Tensor {
  return new Tensor('float32', [], Float32Array.of(value))
}

/** Reads `min_val` and `max_val` of one range; undefined where they are the ends of an empty range. */
export function readRange(reader: StateReader): Range | undefined {
  const [min = 0] = reader.take('min_val', 'float32', [[]]).data
  const [max = 0] = reader.take('max_val', 'float32', [[]]).data
  if (min === Infinity && max === -Infinity) return undefined
  if (!Number.isFinite(min) || !Number.isFinite(max) || min > max)
    throw reader.fault('min_val, state.max_val', 'finite numbers in order', `${String(min)}, ${String(max)}`)
  return { min, max }
}

/** What the two observers of this file share: a range, and how a batch's range changes it. */
abstract class RangeObserver extends Observer {
  private range: Range | undefined = undefined

  override get observed(): boolean {
    return this.range !== undefined
  }

  /** Smallest value seen, +Infinity before any. PyTorch: `min_val`. */
  get minVal(): number {
    return this.range?.min ?? Infinity
  }

  /** Largest value seen, -Infinity before any. PyTorch: `max_val`. */
  get maxVal(): number {
    return this.range?.max ?? -Infinity
  }

  override calculateQParams(): PerTensorQParams {
    if (this.range === undefined) throw this.notCalibrated()
    return { kind: 'perTensor', ...parametersOf(this.range, this.settings) }
  }

  /** The range after a batch. */
  protected abstract update(range: Range, batch: Range): Range

  protected take(batch: Range): void {
    if (batch.min > batch.max) return
    this.range = this.range === undefined ? batch : this.update(this.range, batch)
  }

  protected override observe(x: Tensor): void {
    const { min, max, skipped } = extentOf(x.storage)
    this.skip(skipped)
    this.take({ min, max })
  }

  protected override clear(): void {
    this.range = undefined
  }

  protected override saveState(): [string, Tensor<DType>][] {
    return [
      ['min_val', scalar(this.minVal)],
      ['max_val', scalar(this.maxVal)],
    ]
  }

  protected override readState(reader: StateReader): () => void {
    const range = readRange(reader)
    return () => {
      this.range = range
    }
  }
}

/**
 * Keeps the smallest and the largest value of all it sees (numerics.md 3). PyTorch: `MinMaxObserver`.
 *
 * The order of batches does not matter, and {@link merge} is exact.
 *
 * @example
 * const observer = new MinMaxObserver()
 * observer.forward(tensor([-1, 0, 1.55]))
 * observer.calculateQParams() // { kind: 'perTensor', scale: 0.01, zeroPoint: 100 }
 */
export class MinMaxObserver extends RangeObserver {
  constructor(options: ObserverOptions = {}) {
    const op = 'quantization.MinMaxObserver'
    checkOptions(op, options, observerOptionNames)
    super('MinMaxObserver', resolveSettings(op, options, schemes))
  }

  protected override update(range: Range, batch: Range): Range {
    return { min: Math.min(range.min, batch.min), max: Math.max(range.max, batch.max) }
  }

  protected override mergeSame(other: this): void {
    this.take({ min: other.minVal, max: other.maxVal })
  }
}

/** Options of the moving averages. */
export interface MovingAverageOptions extends ObserverOptions {
  /** Weight of a new batch, 0 to 1. @defaultValue 0.01 */
  readonly averagingConstant?: number
}

/** Checks the weight of a new batch; rounded to float32, as it is used. */
export function averagingConstantOf(op: string, options: MovingAverageOptions): number {
  const { averagingConstant = 0.01 } = options
  if (typeof averagingConstant !== 'number' || !(averagingConstant >= 0 && averagingConstant <= 1))
    throw new ArgumentError({
      op,
      argument: 'options.averagingConstant',
      expected: 'a number from 0 to 1',
      received: show(averagingConstant),
    })
  return fround(averagingConstant)
}

/** `f(old + f(c * f(cur - old)))`; in float64 where the difference overflows float32. */
export function average(old: number, current: number, constant: number): number {
  const change = fround(current - old)
  return fround(Number.isFinite(change) ? old + fround(constant * change) : old + constant * (current - old))
}

/** Why a moving average cannot merge. */
export function refuseAverageMerge(op: string): never {
  throw new ArgumentError({
    op,
    message: 'a moving average depends on the order of its batches, so two of them have no exact merge',
    hint: 'Use MinMaxObserver or PerChannelMinMaxObserver where calibration is spread over several workers.',
  })
}

/**
 * Lets the range follow the batches: the first sets it, each later one moves both ends by `averagingConstant` of the way
 * (float32). PyTorch: `MovingAverageMinMaxObserver`.
 *
 * The result depends on the order of the batches; there is no merge.
 */
export class MovingAverageMinMaxObserver extends RangeObserver {
  readonly averagingConstant: number

  constructor(options: MovingAverageOptions = {}) {
    const op = 'quantization.MovingAverageMinMaxObserver'
    checkOptions(op, options, [...observerOptionNames, 'averagingConstant'])
    super('MovingAverageMinMaxObserver', resolveSettings(op, options, schemes))
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
