/** Observers that look at no data. */
import { ArgumentError } from '../../errors'
import { checkOptions } from '../../ops/options'
import { checkQDType, type QDType } from '../../tensor/dtype'
import { checkScale, checkZeroPoint, type PerTensorQParams } from '../../tensor/qparams'
import { Observer } from './observer'
import { defaultEps, observerOptionNames, resolveSettings, type ObserverOptions } from './settings'

const schemes = ['perTensorAffine', 'perTensorSymmetric'] as const

/** Options of {@link FixedQParamsObserver}. */
export interface FixedQParamsOptions {
  /** Real size of one step. */
  readonly scale: number
  /** Code of 0.0. */
  readonly zeroPoint: number
  /** @defaultValue 'quint8' */
  readonly dtype?: QDType
}

/**
 * Has parameters that are known beforehand, such as 1/256 and 0 behind a sigmoid, and ignores data. PyTorch:
 * `FixedQParamsObserver`.
 */
export class FixedQParamsObserver extends Observer {
  readonly scale: number
  readonly zeroPoint: number

  constructor(options: FixedQParamsOptions) {
    const op = 'quantization.FixedQParamsObserver'
    checkOptions(op, options, ['scale', 'zeroPoint', 'dtype'])
    const { dtype = 'quint8' } = options
    checkQDType(op, dtype, ['quint8', 'qint8', 'qint32'] as const)
    super('FixedQParamsObserver', resolveSettings(op, { dtype, eps: defaultEps }, schemes))
    this.scale = checkScale(op, options.scale, 'options.scale')
    this.zeroPoint = checkZeroPoint(op, options.zeroPoint, dtype, 'options.zeroPoint')
  }

  override get observed(): boolean {
    return true
  }

  override calculateQParams(): PerTensorQParams {
    return { kind: 'perTensor', scale: this.scale, zeroPoint: this.zeroPoint }
  }

  protected override observe(): void {
    return
  }

  protected override clear(): void {
    return
  }

  protected override mergeSame(): void {
    return
  }

  protected override saveState(): [] {
    return []
  }

  protected override readState(): () => void {
    return () => undefined
  }

  protected override describe(): string {
    return `${super.describe()} scale ${String(this.scale)} zeroPoint ${String(this.zeroPoint)}`
  }
}

/**
 * Only says which dtype is meant, for quantization whose activations have no parameters of their own (dynamic). PyTorch:
 * `PlaceholderObserver`.
 */
export class PlaceholderObserver extends Observer {
  constructor(options: ObserverOptions = {}) {
    const op = 'quantization.PlaceholderObserver'
    checkOptions(op, options, observerOptionNames)
    super('PlaceholderObserver', resolveSettings(op, options, schemes))
  }

  override get observed(): boolean {
    return false
  }

  override calculateQParams(): never {
    throw new ArgumentError({
      op: this.op('calculateQParams'),
      message: 'a placeholder watches nothing and has no parameters',
      hint: 'Static quantization needs an observer that does, such as HistogramObserver.',
    })
  }

  protected override observe(): void {
    return
  }

  protected override clear(): void {
    return
  }

  protected override mergeSame(): void {
    return
  }

  protected override saveState(): [] {
    return []
  }

  protected override readState(): () => void {
    return () => undefined
  }
}
