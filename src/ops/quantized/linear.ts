/** Quantized linear layers: plain, with ReLU, clipped, and as int32 accumulators. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { Tensor } from '../../tensor/tensor'
import { none, readClip, relu, type Activation } from './params'
import type { PackedLinear } from './prepack'
import { linearInt32Steps, linearSteps, readOutput, type ClipOptions, type OutputOptions } from './run'

function* steps<D extends QDType8>(
  op: string,
  x: QTensor<QDType8>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<D>,
  activation: Activation,
): Steps<QTensor<D>> {
  return yield* linearSteps(op, x, packed, readOutput(op, scale, zeroPoint, options), activation)
}

function* clipSteps<D extends QDType8>(
  x: QTensor<QDType8>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<D>,
): Steps<QTensor<D>> {
  const op = 'quantized.linearClip'
  const out = readOutput(op, scale, zeroPoint, options, ['min', 'max', 'dtype'])
  return yield* linearSteps(op, x, packed, out, readClip(op, options.min, options.max))
}

/**
 * Quantized linear layer over the last axis: 8-bit codes in, 8-bit codes out. PyTorch: `torch.ops.quantized.linear`.
 *
 * `acc = Σ (x - zx)(w - zw) + bias_q`, exact; `y = zy + round(clamp(f(f(acc) * M)))` with `M = f(f(sx*sw) / sy)`, halves to
 * even (numerics.md 4, 5).
 *
 * @param x - quint8 or qint8 `[..., K]`, per tensor.
 * @param packed - What {@link linearPrepack} returned.
 * @param scale - Scale of the result: finite, positive.
 * @param zeroPoint - Code of 0.0 in the result, in its type's range.
 * @param options - `dtype` of the result; x's if absent.
 * @returns `[..., N]`
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where the bias, known at x's scale, no longer fits.
 * @example
 * const qx = quantizePerTensor(tensor([1, 2], [1, 2]), 0.5, 0, 'quint8')
 * const qw = quantizePerTensor(tensor([3, 4], [1, 2]), 0.5, 0, 'qint8')
 * linear(qx, linearPrepack(qw), 0.25, 0).dequantize().item() // 11
 */
export function linear<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('quantized.linear', x, packed, scale, zeroPoint, options, none))
}

/** {@link linear} off the event loop. */
export function linearAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('quantized.linear', x, packed, scale, zeroPoint, options, none))
}

/**
 * {@link linear} with a ReLU in the same pass: no code below the zero point. PyTorch: `torch.ops.quantized.linear_relu`.
 */
export function linearRelu<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('quantized.linearRelu', x, packed, scale, zeroPoint, options, relu))
}

/** {@link linearRelu} off the event loop. */
export function linearReluAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('quantized.linearRelu', x, packed, scale, zeroPoint, options, relu))
}

/**
 * {@link linear} clipped to the real numbers `options.min` to `options.max`, quantized as any value is: `{ min: 0, max: 6 }` is
 * a fused ReLU6 (numerics.md 5). PyTorch cannot fuse it.
 */
export function linearClip<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<Y>,
): QTensor<Y> {
  return runSync(clipSteps(x, packed, scale, zeroPoint, options))
}

/** {@link linearClip} off the event loop. */
export function linearClipAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedLinear,
  scale: number,
  zeroPoint: number,
  options: ClipOptions<Y>,
): Promise<QTensor<Y>> {
  return runAsync(clipSteps(x, packed, scale, zeroPoint, options))
}

/**
 * {@link linear}'s accumulators themselves: int32 at scale `sx * sw`, bias included. ONNX: `MatMulInteger`.
 */
export function linearInt32(x: QTensor<QDType8>, packed: PackedLinear): Tensor<'int32'> {
  return runSync(linearInt32Steps('quantized.linearInt32', x, packed))
}

/** {@link linearInt32} off the event loop. */
export function linearInt32Async(x: QTensor<QDType8>, packed: PackedLinear): Promise<Tensor<'int32'>> {
  return runAsync(linearInt32Steps('quantized.linearInt32', x, packed))
}
