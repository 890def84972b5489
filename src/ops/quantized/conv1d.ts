/** Quantized 1-D convolutions: plain, with ReLU, clipped, and as int32 accumulators. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { Tensor } from '../../tensor/tensor'
import { none, readClip, relu, type Activation } from './params'
import type { PackedConv } from './prepack'
import { convInt32Steps, convSteps, readOutput, type ClipOptions, type OutputOptions } from './run'

function* steps<D extends QDType8>(
  op: string,
  x: QTensor<QDType8>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<D>,
  activation: Activation,
): Steps<QTensor<D>> {
  return yield* convSteps(op, 1, x, packed, readOutput(op, scale, zeroPoint, options), activation)
}

function* clipSteps<D extends QDType8>(
  x: QTensor<QDType8>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<D>,
): Steps<QTensor<D>> {
  const op = 'quantized.conv1dClip'
  const out = readOutput(op, scale, zeroPoint, options, ['min', 'max', 'dtype'])
  return yield* convSteps(op, 1, x, packed, out, readClip(op, options.min, options.max))
}

/**
 * Quantized one-dimensional convolution: 8-bit codes in, 8-bit codes out. PyTorch: `torch.ops.quantized.conv1d`.
 *
 * `acc = Σ (x - zx)(w - zw) + bias_q`, exact; `y = zy + round(clamp(f(f(acc) * M)))` with `M = f(f(sx*sw) / sy)`, halves to
 * even (numerics.md 4, 5). Padding is the input's zero point. The result is channels-last in memory, whatever x is.
 *
 * @param x - quint8 or qint8 `[N, C, L]`, per tensor.
 * @param packed - What {@link conv1dPrepack} returned.
 * @param scale - Scale of the result: finite, positive.
 * @param zeroPoint - Code of 0.0 in the result, in its type's range.
 * @param options - `dtype` of the result; x's if absent.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where the bias, known at x's scale, no longer fits.
 */
export function conv1d<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('quantized.conv1d', x, packed, scale, zeroPoint, options, none))
}

/** {@link conv1d} off the event loop. */
export function conv1dAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('quantized.conv1d', x, packed, scale, zeroPoint, options, none))
}

/**
 * {@link conv1d} with a ReLU in the same pass: no code below the zero point. PyTorch: `torch.ops.quantized.conv1d_relu`.
 */
export function conv1dRelu<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('quantized.conv1dRelu', x, packed, scale, zeroPoint, options, relu))
}

/** {@link conv1dRelu} off the event loop. */
export function conv1dReluAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('quantized.conv1dRelu', x, packed, scale, zeroPoint, options, relu))
}

/**
 * {@link conv1d} clipped to the real numbers `options.min` to `options.max`, quantized as any value is: `{ min: 0, max: 6 }` is
 * a fused ReLU6 (numerics.md 5). PyTorch cannot fuse it.
 */
export function conv1dClip<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<Y>,
): QTensor<Y> {
  return runSync(clipSteps(x, packed, scale, zeroPoint, options))
}

/** {@link conv1dClip} off the event loop. */
export function conv1dClipAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConv<1>,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<Y>,
): Promise<QTensor<Y>> {
  return runAsync(clipSteps(x, packed, scale, zeroPoint, options))
}

/**
 * {@link conv1d}'s accumulators themselves: int32 at scale `sx * sw`, bias included. ONNX: `ConvInteger`.
 */
export function conv1dInt32(x: QTensor<QDType8>, packed: PackedConv<1>): Tensor<'int32'> {
  return runSync(convInt32Steps('quantized.conv1dInt32', 1, x, packed))
}

/** {@link conv1dInt32} off the event loop. */
export function conv1dInt32Async(x: QTensor<QDType8>, packed: PackedConv<1>): Promise<Tensor<'int32'>> {
  return runAsync(convInt32Steps('quantized.conv1dInt32', 1, x, packed))
}
