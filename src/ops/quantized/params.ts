/** Parameters of quantized ops: what is read from tensors and arguments, and the multipliers between scales. */
import { QParamsError } from '../../errors'
import { checkQDType, codeRange, type QDType8 } from '../../tensor/dtype'
import { checkScale, checkZeroPoint, minScale, type PerTensorQParams } from '../../tensor/qparams'
import { checkQTensor, type QTensor } from '../../tensor/qtensor'
import { quantizeValue } from '../../tensor/rounding'
import { readRange } from '../options'

const { fround } = Math

/** The types that kernels compute with. */
export const types8 = ['quint8', 'qint8'] as const

/** What becomes of results below or above bounds: nothing, ReLU, or a clip to real numbers. */
export type Activation =
  | { readonly kind: 'none' }
  | { readonly kind: 'relu' }
  | { readonly kind: 'clip'; readonly min: number; readonly max: number }

/** No activation. */
export const none: Activation = { kind: 'none' }
/** ReLU. */
export const relu: Activation = { kind: 'relu' }

/** Parameters of an 8-bit result. */
export interface Target<D extends QDType8 = QDType8> extends PerTensorQParams {
  readonly dtype: D
}

/** The scale and zero point of an 8-bit tensor quantized per tensor; other tensors are refused. */
export function readQTensor(op: string, q: QTensor<QDType8>, argument: string): PerTensorQParams {
  checkQTensor(op, q, argument, types8)
  if (q.qparams.kind === 'perChannel')
    throw new QParamsError({
      op,
      argument,
      expected: 'quantized per tensor',
      received: `one scale per index of axis ${String(q.qparams.axis)}`,
      hint: 'Only weights are quantized per channel: use quantizePerTensor for activations.',
    })
  return q.qparams
}

/** Checks the scale, zero point and dtype that a result is to have. */
export function readTarget<D extends QDType8>(op: string, scale: number, zeroPoint: number, dtype: D): Target<D> {
  checkQDType(op, dtype, types8)
  return {
    kind: 'perTensor',
    dtype,
    scale: checkScale(op, scale),
    zeroPoint: checkZeroPoint(op, zeroPoint, dtype),
  }
}

/** A result's parameters without its dtype, as tensors hold them. */
export function qparamsOf({ scale, zeroPoint }: PerTensorQParams): PerTensorQParams {
  return { kind: 'perTensor', scale, zeroPoint }
}

/** A clip to the real numbers `min..max`. */
export function readClip(op: string, min: unknown, max: unknown): Activation {
  const [lo, hi] = readRange(op, min, max)
  return { kind: 'clip', min: lo, max: hi }
}

/** The code of a real number, in the type's range (numerics.md 2). */
export function codeOf(value: number, { dtype, scale, zeroPoint }: Target): number {
  const [min, max] = codeRange[dtype]
  return quantizeValue(value, scale, zeroPoint, min, max)
}

/** Inclusive bounds of the result's codes: the type's range, narrowed by the activation (numerics.md 5). */
export function codeBounds(target: Target, activation: Activation): readonly [lo: number, hi: number] {
  const [min, max] = codeRange[target.dtype]
  if (activation.kind === 'none') return [min, max]
  if (activation.kind === 'relu') return [target.zeroPoint, max]
  return [codeOf(activation.min, target), codeOf(activation.max, target)]
}

/** `f(sx / sy)`: from codes of one scale to codes of another. */
export function ratio(op: string, from: number, to: number): number {
  return checkMultiplier(op, fround(from / to))
}

/**
 * The multiplier of a summand: as {@link ratio}, and small enough that no code times it leaves float32: infinities of
 * both signs would meet in the sum (numerics.md 6).
 */
export function summandRatio(op: string, from: number, to: number): number {
  const multiplier = ratio(op, from, to)
  checkMultiplier(op, fround(255 * multiplier))
  return multiplier
}

/**
 * The multiplier of a product: `f(f(a*b) / y)`; where `f(a*b)` is not a normal float32, `f(a*b / y)` in float64
 * (numerics.md 5).
 */
export function productRatio(op: string, a: number, b: number, y: number): number {
  const product = fround(a * b)
  return checkMultiplier(op, product >= minScale && product < Infinity ? fround(product / y) : fround((a * b) / y))
}

/**
 * The multiplier of an average of `n` codes: `f(sx / f(sy * n))` (numerics.md 6); where `f(sy * n)` is no float32, the
 * same in float64.
 */
export function averageRatio(op: string, from: number, to: number, n: number): number {
  const divisor = fround(to * n)
  return checkMultiplier(op, fround(from / (divisor < Infinity ? divisor : to * n)))
}

function checkMultiplier(op: string, multiplier: number): number {
  if (!Number.isFinite(multiplier))
    throw new QParamsError({
      op,
      argument: 'scale',
      message: 'the output scale is so much smaller than the input scales that their ratio is no float32',
      hint: 'Give an output scale near the size of the results divided by 255.',
    })
  return multiplier
}
