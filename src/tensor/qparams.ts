/** Quantization parameters: one scale and zero point, or one of each per index along an axis. */
import { QParamsError, show } from '../errors'
import { codeRange, type QDType } from './dtype'

/** One scale and zero point for the whole tensor; PyTorch's `per_tensor_affine`. */
export interface PerTensorQParams {
  readonly kind: 'perTensor'
  /** float32, finite, positive, normal: the real size of one step. */
  readonly scale: number
  /** The code that stands for 0.0. */
  readonly zeroPoint: number
}
/** One scale and zero point per index along `axis`; PyTorch's `per_channel_affine`. */
export interface PerChannelQParams {
  readonly kind: 'perChannel'
  readonly scales: Float32Array
  readonly zeroPoints: Int32Array
  /** The axis they belong to, not negative. */
  readonly axis: number
}
/** Quantization parameters of a tensor. */
export type QParams = PerTensorQParams | PerChannelQParams

/** Least scale: the smallest normal float32. */
export const minScale: number = 2 ** -126

/** Rounds a scale to float32 and refuses one that is not finite, positive and normal (numerics.md 1). */
export function checkScale(op: string, scale: unknown, argument = 'scale'): number {
  const rounded = typeof scale === 'number' ? Math.fround(scale) : NaN
  if (!(rounded >= minScale && rounded < Infinity))
    throw new QParamsError({
      op,
      argument,
      expected: 'a finite, positive float32 of at least 2^-126',
      received: show(scale),
      hint: 'A scale is the real size of one step: an observer computes it from data, as (max - min) / 255.',
    })
  return rounded
}

/** Refuses a zero point that is not an integer in the dtype's range. */
export function checkZeroPoint(op: string, zeroPoint: unknown, dtype: QDType, argument = 'zeroPoint'): number {
  const [min, max] = codeRange[dtype]
  if (typeof zeroPoint !== 'number' || !Number.isInteger(zeroPoint) || zeroPoint < min || zeroPoint > max)
    throw new QParamsError({
      op,
      argument,
      expected: `a whole number from ${String(min)} to ${String(max)} (${dtype})`,
      received: show(zeroPoint),
      hint: zeroPointHint(zeroPoint, dtype),
    })
  return zeroPoint + 0
}

function zeroPointHint(zeroPoint: unknown, dtype: QDType): string {
  const formula = `It is the code that stands for 0.0: zeroPoint = qmin - round(min / scale), here ${String(codeRange[dtype][0])} - round(min / scale).`
  return dtype === 'qint8' && typeof zeroPoint === 'number' && zeroPoint > 127
    ? `${formula} A value counted from 0 belongs to quint8.`
    : formula
}
