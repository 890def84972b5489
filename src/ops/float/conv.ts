/** Float convolutions and linear layers (numerics.md 7). */
import { currentBackend } from '../../backend/current'
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { ShapeError } from '../../errors'
import { reformatSteps } from '../../tensor/movement'
import { checkShape, shapeText, sizeOf, type Shape } from '../../tensor/shape'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { fromImageSteps, toImageSteps } from '../image'
import { checkOptions } from '../options'
import type { SpatialAxes } from '../shapes/axes'
import { convGeometry, convOptionKeys, type ConvOptions } from '../shapes/conv'
import { packConv, packLinear, type FloatPackedConv, type FloatPackedLinear } from './packed'
import { allocate } from '../../tensor/dtype'

const floats = (length: number): Float32Array => allocate('float32', length)

/** A convolution with packed weights; the result is clamped to `[lo, hi]`. */
export function* packedConvSteps(
  op: string,
  x: Tensor,
  { params, packed }: FloatPackedConv,
  lo = -Infinity,
  hi = Infinity,
): Steps<Tensor> {
  checkTensor(op, x, 'x')
  const { geometry, shape, batched } = convGeometry(op, x.shape, params, true)
  const y = floats(sizeOf(shape))
  if (y.length === 0) return new Tensor('float32', shape, y)
  const handle = packed.handle(currentBackend())
  const input = packed.empty
    ? floats(geometry.batch * geometry.inChannels * sizeOf(geometry.input)).fill(-0)
    : yield* toImageSteps(x, batched, floats)
  yield step('fconv', { op: handle, x: input, residual: null, y, geometry, lo, hi })
  const { storage, memoryFormat } = yield* fromImageSteps(y, shape, batched, floats)
  return new Tensor('float32', shape, storage, memoryFormat)
}

/** A linear layer with packed weights; the result is clamped to `[lo, hi]`. */
export function* packedLinearSteps(
  op: string,
  x: Tensor,
  { inFeatures, outFeatures, packed }: FloatPackedLinear,
  lo = -Infinity,
  hi = Infinity,
): Steps<Tensor> {
  checkTensor(op, x, 'x')
  const { rows, shape } = linearShape(op, x.shape, inFeatures, outFeatures)
  const y = floats(sizeOf(shape))
  if (y.length > 0) {
    const handle = packed.handle(currentBackend())
    const input = packed.empty ? floats(rows).fill(-0) : yield* reformatSteps(x, 'contiguous', floats)
    yield step('flinear', { op: handle, x: input, y, rows, lo, hi })
  }
  return new Tensor('float32', shape, y)
}

/** Rows and result shape of a linear layer: every axis but the last is a row. */
export function linearShape(
  op: string,
  shape: Shape,
  inFeatures: number,
  outFeatures: number,
): { readonly rows: number; readonly shape: Shape } {
  if (shape.length === 0 || shape.at(-1) !== inFeatures)
    throw new ShapeError({
      op,
      argument: 'x',
      expected: `of shape [..., ${String(inFeatures)}], as weight [${String(outFeatures)}, ${String(inFeatures)}] asks`,
      received: shapeText(shape),
      ...(sizeOf(shape.slice(1)) === inFeatures && {
        hint: 'Flatten it first: functional.flatten(x, { startDim: 1 }).',
      }),
    })
  const leading = shape.slice(0, -1)
  const result = [...leading, outFeatures]
  checkShape(op, result, 'the output shape')
  return { rows: sizeOf(leading), shape: result }
}

function* convSteps(
  axes: SpatialAxes,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  options: ConvOptions,
): Steps<Tensor> {
  const op = `functional.conv${String(axes)}d`
  checkOptions(op, options, convOptionKeys)
  return yield* packedConvSteps(op, x, packConv(op, weight, bias, axes, options))
}

/**
 * Two-dimensional convolution (cross-correlation). PyTorch: `torch.nn.functional.conv2d`.
 *
 * Every output is `bias`, then one fused multiply-add per kernel row, kernel column and input channel, in this order
 * (numerics.md 7). With a batch axis the result is channels-last in memory, whatever x is.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param weight - float32 `[O, C / groups, kH, kW]`.
 * @param bias - float32 `[O]`, or null.
 * @param options - `stride`, `padding`, `dilation`, `groups`.
 * @returns float32 `[N, O, oH, oW]` or `[O, oH, oW]`.
 * @throws ShapeError, DTypeError, ArgumentError
 * @example
 * conv2d(tensor([1, 2, 3, 4], [1, 1, 2, 2]), tensor([1, 1, 1, 1], [1, 1, 2, 2])).item() // 10
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return runSync(convSteps(2, x, weight, bias, options))
}

/** {@link conv2d} off the event loop. */
export function conv2dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Promise<Tensor> {
  return runAsync(convSteps(2, x, weight, bias, options))
}

/** {@link conv2d} over one spatial axis: x `[N, C, L]`, weight `[O, C / groups, k]`. */
export function conv1d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return runSync(convSteps(1, x, weight, bias, options))
}

/** {@link conv1d} off the event loop. */
export function conv1dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Promise<Tensor> {
  return runAsync(convSteps(1, x, weight, bias, options))
}

/** {@link conv2d} over three spatial axes: x `[N, C, D, H, W]`, weight `[O, C / groups, kD, kH, kW]`. */
export function conv3d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor {
  return runSync(convSteps(3, x, weight, bias, options))
}

/** {@link conv3d} off the event loop. */
export function conv3dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Promise<Tensor> {
  return runAsync(convSteps(3, x, weight, bias, options))
}

function* linearSteps(x: Tensor, weight: Tensor, bias: Tensor | null): Steps<Tensor> {
  const op = 'functional.linear'
  return yield* packedLinearSteps(op, x, packLinear(op, weight, bias))
}

/**
 * Linear layer: `y = x · weightᵀ + bias` over the last axis (numerics.md 7). PyTorch: `torch.nn.functional.linear`.
 *
 * @param x - float32 `[..., K]`.
 * @param weight - float32 `[N, K]`.
 * @param bias - float32 `[N]`, or null.
 * @returns float32 `[..., N]`.
 * @throws ShapeError, DTypeError
 * @example
 * linear(tensor([1, 2], [1, 2]), tensor([3, 4], [1, 2]), tensor([5], [1])).item() // 16
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return runSync(linearSteps(x, weight, bias))
}

/** {@link linear} off the event loop. */
export function linearAsync(x: Tensor, weight: Tensor, bias: Tensor | null = null): Promise<Tensor> {
  return runAsync(linearSteps(x, weight, bias))
}
