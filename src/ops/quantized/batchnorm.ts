/** Batch normalisation of codes: dequantize, scale and shift each channel in float32, quantize (numerics.md 2, 7). */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { allocate, type QDType8 } from '../../tensor/dtype'
import { QTensor, dequantizeSteps } from '../../tensor/qtensor'
import { quantizeSteps } from '../../tensor/quantize'
import { splitAt } from '../../tensor/split'
import { Tensor } from '../../tensor/tensor'
import { batchNormKeys, checkChannels, readBatchNorm, type BatchNormOptions } from '../float/arithmetic'
import { checkOptions } from '../options'
import { clampCodesSteps, codesOf } from './codes'
import { codeBounds, qparamsOf, readQTensor, readTarget, relu as reluActivation } from './params'

/** Options of {@link batchNorm}. */
export interface QuantizedBatchNormOptions extends BatchNormOptions {
  /** Scale of the result. */
  readonly scale: number
  /** Code of 0.0 in the result. */
  readonly zeroPoint: number
}

function* steps<D extends QDType8>(
  op: string,
  x: QTensor<D>,
  mean: Tensor,
  variance: Tensor,
  options: QuantizedBatchNormOptions,
  relu: boolean,
): Steps<QTensor<D>> {
  readQTensor(op, x, 'x')
  checkOptions(op, options, [...batchNormKeys, 'scale', 'zeroPoint'])
  const target = readTarget(op, options.scale, options.zeroPoint, x.dtype)
  const { scales, shifts } = readBatchNorm(op, checkChannels(op, x), mean, variance, options)
  if (x.size === 0) return new QTensor(x.dtype, x.shape, codesOf(x.dtype)(0), qparamsOf(target), x.memoryFormat)
  const real = yield* dequantizeSteps(x)
  const y = allocate('float32', x.size)
  yield step('faffine', { x: real.storage, y, split: splitAt(x.shape, x.memoryFormat, 1), scales, shifts })
  const result = new Tensor('float32', x.shape, y, x.memoryFormat)
  const codes = yield* quantizeSteps(result, qparamsOf(target), x.dtype)
  // Quantizing keeps order and takes 0 to the zero point, so a ReLU may as well follow it.
  return relu ? yield* clampCodesSteps(codes, ...codeBounds(target, reluActivation)) : codes
}

/**
 * Batch normalisation with frozen statistics, from codes to codes: dequantize, `functional.batchNorm`, quantize. PyTorch:
 * `torch.ops.quantized.batch_norm`.
 *
 * @param x - quint8 or qint8 `[N, C, ...]`, per tensor.
 * @param mean - float32 `[C]`: running mean.
 * @param variance - float32 `[C]`: running variance.
 * @param options - `scale`, `zeroPoint` of the result; `weight`, `bias`: float32 `[C]`; `eps`.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError
 */
export function batchNorm<D extends QDType8>(
  x: QTensor<D>,
  mean: Tensor,
  variance: Tensor,
  options: QuantizedBatchNormOptions,
): QTensor<D> {
  return runSync(steps('quantized.batchNorm', x, mean, variance, options, false))
}

/** {@link batchNorm} off the event loop. */
export function batchNormAsync<D extends QDType8>(
  x: QTensor<D>,
  mean: Tensor,
  variance: Tensor,
  options: QuantizedBatchNormOptions,
): Promise<QTensor<D>> {
  return runAsync(steps('quantized.batchNorm', x, mean, variance, options, false))
}

/** {@link batchNorm} with a ReLU. PyTorch: `torch.ops.quantized.batch_norm_relu`. */
export function batchNormRelu<D extends QDType8>(
  x: QTensor<D>,
  mean: Tensor,
  variance: Tensor,
  options: QuantizedBatchNormOptions,
): QTensor<D> {
  return runSync(steps('quantized.batchNormRelu', x, mean, variance, options, true))
}

/** {@link batchNormRelu} off the event loop. */
export function batchNormReluAsync<D extends QDType8>(
  x: QTensor<D>,
  mean: Tensor,
  variance: Tensor,
  options: QuantizedBatchNormOptions,
): Promise<QTensor<D>> {
  return runAsync(steps('quantized.batchNormRelu', x, mean, variance, options, true))
}
