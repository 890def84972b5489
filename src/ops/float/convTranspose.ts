/** Float transposed convolutions (numerics.md 7). */
import { currentBackend } from '../../backend/current'
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { allocate } from '../../tensor/dtype'
import { sizeOf } from '../../tensor/shape'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { toKernelOrder } from '../convTransposeWeights'
import { fromImageSteps, toImageSteps } from '../image'
import { checkOptions } from '../options'
import { dims3, type SpatialAxes } from '../shapes/axes'
import {
  convTransposeGeometry,
  convTransposeKeys,
  readConvTranspose,
  type ConvTransposeOptions,
  type ConvTransposeParams,
} from '../shapes/convTranspose'
import { PackedFloatWeights, readBias } from './packed'

const floats = (length: number): Float32Array => allocate('float32', length)

/** What float transposed convolutions run with: made once per weight, kept by the layer. */
export interface FloatPackedConvTranspose {
  readonly params: ConvTransposeParams
  readonly packed: PackedFloatWeights
}

/** Checks and packs a weight `[inChannels, outChannels / groups, kernel…]` and bias. */
export function packConvTranspose(
  op: string,
  weight: Tensor,
  bias: Tensor | null,
  axes: SpatialAxes,
  options: ConvTransposeOptions,
): FloatPackedConvTranspose {
  checkTensor(op, weight, 'weight')
  const params = readConvTranspose(op, weight.shape, axes, options)
  const { groups, inChannels, outChannels, kernel, stride, dilation } = params
  const inPerGroup = inChannels / groups
  const sizes = { groups, inPerGroup, outPerGroup: outChannels / groups, taps: sizeOf(kernel) }
  return {
    params,
    packed: new PackedFloatWeights({
      values: toKernelOrder(weight.data, floats(weight.size), sizes),
      bias: readBias(op, bias, outChannels),
      groups,
      outChannels,
      kernel: dims3(kernel, 1),
      inPerGroup,
      transposed: { stride: dims3(stride, 1), dilation: dims3(dilation, 1) },
    }),
  }
}

/** A transposed convolution with packed weights. */
export function* packedConvTransposeSteps(
  op: string,
  x: Tensor,
  { params, packed }: FloatPackedConvTranspose,
): Steps<Tensor> {
  checkTensor(op, x, 'x')
  const { geometry, shape, batched } = convTransposeGeometry(op, x.shape, params, true)
  const y = floats(sizeOf(shape))
  if (y.length === 0) return new Tensor('float32', shape, y)
  const handle = packed.handle(currentBackend())
  const input = packed.empty
    ? floats(geometry.batch * geometry.inChannels * sizeOf(geometry.input)).fill(-0)
    : yield* toImageSteps(x, batched, floats)
  yield step('fconvTransposed', { op: handle, x: input, y, geometry, lo: -Infinity, hi: Infinity })
  const { storage, memoryFormat } = yield* fromImageSteps(y, shape, batched, floats)
  return new Tensor('float32', shape, storage, memoryFormat)
}

function* steps(
  axes: SpatialAxes,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  options: ConvTransposeOptions,
): Steps<Tensor> {
  const op = `functional.convTranspose${String(axes)}d`
  checkOptions(op, options, convTransposeKeys)
  return yield* packedConvTransposeSteps(op, x, packConvTranspose(op, weight, bias, axes, options))
}

/**
 * Two-dimensional transposed convolution: each input pixel adds the kernel, scaled, to the output. PyTorch:
 * `torch.nn.functional.conv_transpose2d`.
 *
 * Along each axis the output has `(size - 1) * stride + dilation * (kernel - 1) + outputPadding + 1 - paddings` elements.
 * With a batch axis the result is channels-last in memory, whatever x is.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param weight - float32 `[C, O / groups, kH, kW]`.
 * @param bias - float32 `[O]`, or null.
 * @param options - `stride`, `padding`, `outputPadding`, `dilation`, `groups`.
 * @returns float32 `[N, O, oH, oW]` or `[O, oH, oW]`.
 * @throws ShapeError, DTypeError, ArgumentError
 * @example
 * convTranspose2d(tensor([2, 3], [1, 1, 1, 2]), tensor([1, 10], [1, 1, 1, 2])).data // 2, 23, 30
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  return runSync(steps(2, x, weight, bias, options))
}

/** {@link convTranspose2d} off the event loop. */
export function convTranspose2dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Promise<Tensor> {
  return runAsync(steps(2, x, weight, bias, options))
}

/** {@link convTranspose2d} over one spatial axis: x `[N, C, L]`, weight `[C, O / groups, k]`. */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  return runSync(steps(1, x, weight, bias, options))
}

/** {@link convTranspose1d} off the event loop. */
export function convTranspose1dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Promise<Tensor> {
  return runAsync(steps(1, x, weight, bias, options))
}

/** {@link convTranspose2d} over three spatial axes: x `[N, C, D, H, W]`, weight `[C, O / groups, kD, kH, kW]`. */
export function convTranspose3d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  return runSync(steps(3, x, weight, bias, options))
}

/** {@link convTranspose3d} off the event loop. */
export function convTranspose3dAsync(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Promise<Tensor> {
  return runAsync(steps(3, x, weight, bias, options))
}
