/** From real values to codes. */
import { runAsync, runSync, step, type Steps } from '../backend/steps'
import { ArgumentError, QParamsError, ShapeError, show } from '../errors'
import { allocateCodes, checkQDType, codeRange, type QDType, type QDType8 } from './dtype'
import { checkChannelParams, QTensor } from './qtensor'
import { checkScale, checkZeroPoint, type QParams } from './qparams'
import { rne } from './rounding'
import { channelSplit } from './split'
import { checkTensor, type Tensor } from './tensor'

const allTypes = ['quint8', 'qint8', 'qint32'] as const
const types8 = ['quint8', 'qint8'] as const

/** Steps that quantize with parameters already checked; the memory format stays. */
export function* quantizeSteps<D extends QDType>(
  x: Tensor,
  qparams: QParams,
  dtype: D,
  divide = false,
): Steps<QTensor<D>> {
  const y = allocateCodes(dtype, x.size)
  const [qmin, qmax] = codeRange[dtype]
  const { split, scales, zeroPoints } = channelSplit(x.shape, x.memoryFormat, qparams)
  yield step('quantize', { x: x.storage, y, split, scales, zeroPoints, qmin, qmax, divide })
  return new QTensor(dtype, x.shape, y, qparams, x.memoryFormat)
}

function* perTensorSteps<D extends QDType>(x: Tensor, scale: number, zeroPoint: number, dtype: D): Steps<QTensor<D>> {
  const op = 'quantizePerTensor'
  checkTensor(op, x, 'x')
  checkQDType(op, dtype, allTypes)
  const qparams = {
    kind: 'perTensor',
    scale: checkScale(op, scale),
    zeroPoint: checkZeroPoint(op, zeroPoint, dtype),
  } as const
  return yield* quantizeSteps(x, qparams, dtype)
}

/**
 * Quantizes with one scale and zero point: `code = clamp(round(x * f(1/scale)) + zeroPoint)`, halves to even
 * (numerics.md 2). PyTorch: `torch.quantize_per_tensor`.
 *
 * NaN becomes the zero point, infinities the ends of the type's range.
 *
 * @param x - Float tensor of any shape.
 * @param scale - Real size of one step; finite, positive, rounded to float32.
 * @param zeroPoint - Code of 0.0; a whole number in the dtype's range.
 * @param dtype - `quint8` (0..255), `qint8` (-128..127) or `qint32`.
 * @throws DTypeError, QParamsError
 * @example
 * quantizePerTensor(tensor([0, 1, 2]), 0.5, 10, 'quint8').intRepr().data // 10, 12, 14
 */
export function quantizePerTensor<D extends QDType>(x: Tensor, scale: number, zeroPoint: number, dtype: D): QTensor<D> {
  return runSync(perTensorSteps(x, scale, zeroPoint, dtype))
}

/** {@link quantizePerTensor} off the event loop. */
export function quantizePerTensorAsync<D extends QDType>(
  x: Tensor,
  scale: number,
  zeroPoint: number,
  dtype: D,
): Promise<QTensor<D>> {
  return runAsync(perTensorSteps(x, scale, zeroPoint, dtype))
}

function* perChannelSteps<D extends QDType>(
  x: Tensor,
  scales: ArrayLike<number>,
  zeroPoints: ArrayLike<number>,
  axis: number,
  dtype: D,
): Steps<QTensor<D>> {
  const op = 'quantizePerChannel'
  checkTensor(op, x, 'x')
  checkQDType(op, dtype, allTypes)
  return yield* quantizeSteps(x, checkChannelParams(op, { scales, zeroPoints, axis }, x.shape, dtype), dtype)
}

/**
 * Quantizes with one scale and zero point per index along an axis (numerics.md 2). PyTorch:
 * `torch.quantize_per_channel`; unlike there, a negative axis counts from the end, and scales are float32.
 *
 * @param x - Float tensor of rank 1 or more.
 * @param scales - One per index of `axis`.
 * @param zeroPoints - One per index of `axis`.
 * @param axis - The axis; output channels of a convolution's weight are axis 0.
 * @param dtype - Type of the codes.
 * @throws DTypeError, QParamsError, ShapeError
 */
export function quantizePerChannel<D extends QDType>(
  x: Tensor,
  scales: ArrayLike<number>,
  zeroPoints: ArrayLike<number>,
  axis: number,
  dtype: D,
): QTensor<D> {
  return runSync(perChannelSteps(x, scales, zeroPoints, axis, dtype))
}

/** {@link quantizePerChannel} off the event loop. */
export function quantizePerChannelAsync<D extends QDType>(
  x: Tensor,
  scales: ArrayLike<number>,
  zeroPoints: ArrayLike<number>,
  axis: number,
  dtype: D,
): Promise<QTensor<D>> {
  return runAsync(perChannelSteps(x, scales, zeroPoints, axis, dtype))
}

/** Options of {@link quantizePerTensorDynamic}. */
export interface DynamicOptions {
  /** Use 7 bits (0..127 or -64..63), as PyTorch's fbgemm engine does. @defaultValue false */
  readonly reduceRange?: boolean
}

/**
 * Range to parameters as PyTorch's dynamic quantization does it (`ChooseQuantizationParams`): in float64, with the
 * zero point taken from the end of the range that loses less; not the observers' formula.
 */
export function chooseQParams(
  min: number,
  max: number,
  dtype: QDType8,
  reduceRange: boolean,
): { readonly scale: number; readonly zeroPoint: number } {
  const [fullMin, fullMax] = codeRange[dtype]
  const qmin = reduceRange ? Math.trunc(fullMin / 2) : fullMin
  const qmax = reduceRange ? Math.trunc(fullMax / 2) : fullMax
  let lo = Math.min(min, 0)
  let hi = Math.max(max, 0)
  let scale = (hi - lo) / (qmax - qmin)
  if (Math.fround(scale) === 0 || !Number.isFinite(Math.fround(1 / Math.fround(scale)))) scale = 0.1
  const least = Math.fround(6.1e-5)
  if (scale < least) {
    const grown = least / scale
    scale = least
    if (lo === 0) hi = least * (qmax - qmin)
    else if (hi === 0) lo = -least * (qmax - qmin)
    else {
      lo *= grown
      hi *= grown
    }
  }
  const fromMin = qmin - lo / scale
  const fromMax = qmax - hi / scale
  const fromLow = Math.abs(qmin) + Math.abs(lo / scale) < Math.abs(qmax) + Math.abs(hi / scale)
  const nudged = Math.min(Math.max(rne(fromLow ? fromMin : fromMax), qmin), qmax)
  return { scale: Math.fround(scale), zeroPoint: nudged + 0 }
}

/** Steps of {@link quantizePerTensorDynamic}. */
export function* dynamicSteps<D extends QDType8>(
  op: string,
  x: Tensor,
  dtype: D,
  { reduceRange = false }: DynamicOptions,
): Steps<QTensor<D>> {
  checkTensor(op, x, 'x')
  checkQDType(op, dtype, types8)
  if (typeof reduceRange !== 'boolean')
    throw new ArgumentError({ op, argument: 'options.reduceRange', expected: 'a boolean', received: show(reduceRange) })
  if (x.size === 0)
    throw new ShapeError({
      op,
      argument: 'x',
      expected: 'a tensor with at least one element: an empty one has no range',
      received: show(x.shape),
    })
  const range = new Float32Array(2)
  yield step('minMax', { x: x.storage, y: range })
  const [min = Infinity, max = -Infinity] = range
  if (min > max)
    throw new QParamsError({
      op,
      argument: 'x',
      expected: 'at least one finite value',
      received: 'only NaN and infinities',
    })
  return yield* quantizeSteps(x, { kind: 'perTensor', ...chooseQParams(min, max, dtype, reduceRange) }, dtype)
}

/**
 * Quantizes with the scale and zero point of the tensor's own range. PyTorch: `torch.quantize_per_tensor_dynamic`.
 * NaN and infinities do not count for the range (PyTorch refuses them); they become the zero point and the ends.
 *
 * @param x - Float tensor with at least one finite element.
 * @param dtype - `quint8` or `qint8`.
 * @throws DTypeError, ShapeError, QParamsError
 */
export function quantizePerTensorDynamic<D extends QDType8>(
  x: Tensor,
  dtype: D,
  options: DynamicOptions = {},
): QTensor<D> {
  return runSync(dynamicSteps('quantizePerTensorDynamic', x, dtype, options))
}

/** {@link quantizePerTensorDynamic} off the event loop. */
export function quantizePerTensorDynamicAsync<D extends QDType8>(
  x: Tensor,
  dtype: D,
  options: DynamicOptions = {},
): Promise<QTensor<D>> {
  return runAsync(dynamicSteps('quantizePerTensorDynamic', x, dtype, options))
}
