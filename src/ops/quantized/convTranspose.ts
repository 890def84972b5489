/** Quantized transposed convolutions: plain, with ReLU, and as int32 accumulators. */
import { currentBackend } from '../../backend/current'
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import type { Codes, ConvGeometry } from '../../backend/contract'
import { allocate, allocateCodes, type QDType8 } from '../../tensor/dtype'
import { reformatSteps } from '../../tensor/movement'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import type { SpatialAxes } from '../shapes/axes'
import { convTransposeGeometry } from '../shapes/convTranspose'
import { codesOf } from './codes'
import { checkPackedConvTranspose, type PackedConvTranspose } from './convTransposePrepack'
import { bindCodes, bindInt32 } from './epilogue'
import { none, qparamsOf, readQTensor, readTarget, relu, type Activation } from './params'
import { readOutput, zeroCodes, type OutputOptions } from './run'

/** x as the kernel reads it: channels-last. */
function* imageSteps(x: QTensor<QDType8>, { packed }: PackedConvTranspose, geometry: ConvGeometry): Steps<Codes> {
  if (!packed.empty) return yield* reformatSteps<Codes>(x, 'channelsLast', codesOf(x.dtype))
  return zeroCodes(x, geometry.batch * geometry.inChannels * sizeOf(geometry.input))
}

/** A transposed convolution with an 8-bit result. */
export function* convTransposeSteps<D extends QDType8>(
  op: string,
  axes: SpatialAxes,
  x: QTensor<QDType8>,
  packed: PackedConvTranspose,
  out: { readonly scale: number; readonly zeroPoint: number; readonly dtype: D | undefined },
  activation: Activation,
): Steps<QTensor<D>> {
  readQTensor(op, x, 'x')
  checkPackedConvTranspose(op, packed, axes)
  const target = readTarget<D>(op, out.scale, out.zeroPoint, out.dtype ?? (x.dtype as D))
  const { geometry, shape } = convTransposeGeometry(op, x.shape, packed.params)
  const y = allocateCodes(target.dtype, sizeOf(shape))
  if (y.length > 0) {
    const bound = bindCodes(op, packed.packed, currentBackend(), x, target, activation)
    yield step('qconvTransposed', { op: bound, x: yield* imageSteps(x, packed, geometry), y, geometry })
  }
  return new QTensor(target.dtype, shape, y, qparamsOf(target), 'channelsLast')
}

function* int32Steps(axes: SpatialAxes, x: QTensor<QDType8>, packed: PackedConvTranspose): Steps<Tensor<'int32'>> {
  const op = `quantized.convTranspose${String(axes)}dInt32`
  readQTensor(op, x, 'x')
  checkPackedConvTranspose(op, packed, axes)
  const { geometry, shape } = convTransposeGeometry(op, x.shape, packed.params)
  const y = allocate('int32', sizeOf(shape))
  if (y.length > 0) {
    const bound = bindInt32(op, packed.packed, currentBackend(), x)
    yield step('qconvTransposed', { op: bound, x: yield* imageSteps(x, packed, geometry), y, geometry })
  }
  return new Tensor('int32', shape, y, 'channelsLast')
}

function* steps<D extends QDType8>(
  name: string,
  axes: SpatialAxes,
  x: QTensor<QDType8>,
  packed: PackedConvTranspose,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<D>,
  activation: Activation,
): Steps<QTensor<D>> {
  const op = `quantized.${name}`
  return yield* convTransposeSteps(op, axes, x, packed, readOutput(op, scale, zeroPoint, options), activation)
}

/**
 * Quantized two-dimensional transposed convolution: 8-bit codes in, 8-bit codes out. PyTorch:
 * `torch.ops.quantized.conv_transpose2d`.
 *
 * Each input pixel adds `(x - zx)(w - zw)` for every kernel position; sums, bias and requantization are those of
 * {@link conv2d} (numerics.md 4, 5). The result is channels-last in memory, whatever x is.
 *
 * @param x - quint8 or qint8 `[N, C, H, W]`, per tensor.
 * @param packed - What {@link convTranspose2dPrepack} returned.
 * @param scale - Scale of the result: finite, positive.
 * @param zeroPoint - Code of 0.0 in the result, in its type's range.
 * @param options - `dtype` of the result; x's if absent.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where the bias, known at x's scale, no longer fits.
 * @example
 * const qx = quantizePerTensor(tensor([2, 3], [1, 1, 1, 2]), 0.5, 0, 'quint8')
 * const qw = quantizePerTensor(tensor([1, 2], [1, 1, 1, 2]), 0.5, 0, 'qint8')
 * convTranspose2d(qx, convTranspose2dPrepack(qw), 0.25, 0).dequantize().data // 2, 7, 6
 */
export function convTranspose2d<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<2>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose2d', 2, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose2d} off the event loop. */
export function convTranspose2dAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<2>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose2d', 2, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose2d} with a ReLU in the same pass: no code below the zero point. */
export function convTranspose2dRelu<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<2>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose2dRelu', 2, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose2dRelu} off the event loop. */
export function convTranspose2dReluAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<2>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose2dRelu', 2, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose2d}'s accumulators themselves: int32 at scale `sx * sw`, bias included. */
export function convTranspose2dInt32(x: QTensor<QDType8>, packed: PackedConvTranspose<2>): Tensor<'int32'> {
  return runSync(int32Steps(2, x, packed))
}

/** {@link convTranspose2dInt32} off the event loop. */
export function convTranspose2dInt32Async(
  x: QTensor<QDType8>,
  packed: PackedConvTranspose<2>,
): Promise<Tensor<'int32'>> {
  return runAsync(int32Steps(2, x, packed))
}

/** {@link convTranspose2d} over one spatial axis: x `[N, C, L]`. */
export function convTranspose1d<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose1d', 1, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose1d} off the event loop. */
export function convTranspose1dAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose1d', 1, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose1d} with a ReLU in the same pass: no code below the zero point. */
export function convTranspose1dRelu<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose1dRelu', 1, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose1dRelu} off the event loop. */
export function convTranspose1dReluAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<1>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose1dRelu', 1, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose1d}'s accumulators themselves: int32 at scale `sx * sw`, bias included. */
export function convTranspose1dInt32(x: QTensor<QDType8>, packed: PackedConvTranspose<1>): Tensor<'int32'> {
  return runSync(int32Steps(1, x, packed))
}

/** {@link convTranspose1dInt32} off the event loop. */
export function convTranspose1dInt32Async(
  x: QTensor<QDType8>,
  packed: PackedConvTranspose<1>,
): Promise<Tensor<'int32'>> {
  return runAsync(int32Steps(1, x, packed))
}

/** {@link convTranspose2d} over three spatial axes: x `[N, C, D, H, W]`. */
export function convTranspose3d<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<3>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose3d', 3, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose3d} off the event loop. */
export function convTranspose3dAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<3>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose3d', 3, x, packed, scale, zeroPoint, options, none))
}

/** {@link convTranspose3d} with a ReLU in the same pass: no code below the zero point. */
export function convTranspose3dRelu<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<3>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): QTensor<Y> {
  return runSync(steps('convTranspose3dRelu', 3, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose3dRelu} off the event loop. */
export function convTranspose3dReluAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  packed: PackedConvTranspose<3>,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(steps('convTranspose3dRelu', 3, x, packed, scale, zeroPoint, options, relu))
}

/** {@link convTranspose3d}'s accumulators themselves: int32 at scale `sx * sw`, bias included. */
export function convTranspose3dInt32(x: QTensor<QDType8>, packed: PackedConvTranspose<3>): Tensor<'int32'> {
  return runSync(int32Steps(3, x, packed))
}

/** {@link convTranspose3dInt32} off the event loop. */
export function convTranspose3dInt32Async(
  x: QTensor<QDType8>,
  packed: PackedConvTranspose<3>,
): Promise<Tensor<'int32'>> {
  return runAsync(int32Steps(3, x, packed))
}
