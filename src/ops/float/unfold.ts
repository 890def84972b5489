/** Unfold (im2col) and fold (col2im) of two-dimensional images. */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { ShapeError } from '../../errors'
import { reformatSteps } from '../../tensor/movement'
import { checkShape, shapeText, sizeOf, stridesOf, type Shape } from '../../tensor/shape'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { checkOptions, readPerAxis, type PerAxis } from '../options'
import { readImage, windowCount } from '../shapes/axes'

/** Zeroed: what lies over padding is never written. */
const floats = (length: number): Float32Array => new Float32Array(length)

type Pair = readonly [height: number, width: number]

/** Options of {@link unfold} and {@link fold}. */
export interface UnfoldOptions {
  /** Distance between the elements of a block. @defaultValue 1 */
  readonly dilation?: PerAxis
  /** Zeros around the image. @defaultValue 0 */
  readonly padding?: PerAxis
  /** Step from block to block. @defaultValue 1 */
  readonly stride?: PerAxis
}

interface Geometry {
  readonly kernel: Pair
  readonly dilation: Pair
  readonly padding: Pair
  readonly stride: Pair
  readonly blocks: Pair
}

function readGeometry(op: string, size: Pair, kernel: PerAxis, options: UnfoldOptions): Geometry {
  checkOptions(op, options, ['dilation', 'padding', 'stride'])
  const { dilation = 1, padding = 0, stride = 1 } = options
  const pair = (argument: string, value: PerAxis, least: number): Pair => {
    const [height = 0, width = 0] = readPerAxis(op, argument, value, 2, least)
    return [height, width]
  }
  const kernels = pair('kernel', kernel, 1)
  const dilations = pair('options.dilation', dilation, 1)
  const pads = pair('options.padding', padding, 0)
  const strides = pair('options.stride', stride, 1)
  const count = (axis: 0 | 1): number =>
    windowCount(
      op,
      axis,
      {
        size: size[axis],
        kernel: kernels[axis],
        stride: strides[axis],
        dilation: dilations[axis],
        pad: [pads[axis], pads[axis]],
      },
      false,
    )
  return { kernel: kernels, dilation: dilations, padding: pads, stride: strides, blocks: [count(0), count(1)] }
}

/** The blocks whose element at this kernel position lies inside the image. */
function insideBlocks(
  size: number,
  position: number,
  { stride, blocks }: { readonly stride: number; readonly blocks: number },
): { readonly first: number; readonly count: number } {
  const first = Math.max(0, Math.ceil(-position / stride))
  const last = Math.min(blocks - 1, Math.floor((size - 1 - position) / stride))
  return { first, count: Math.max(0, last - first + 1) }
}

function* unfoldSteps(x: Tensor, kernel: PerAxis, options: UnfoldOptions): Steps<Tensor> {
  const op = 'functional.unfold'
  checkTensor(op, x, 'x')
  const { batch, channels, spatial, batched } = readImage(op, x.shape, 2, true)
  const [height = 1, width = 1] = spatial
  const geometry = readGeometry(op, [height, width], kernel, options)
  const { blocks, dilation, padding, stride } = geometry
  const [rows, columns] = geometry.kernel
  const taps = rows * columns
  const positions = blocks[0] * blocks[1]
  const shape = batched ? [batch, channels * taps, positions] : [channels * taps, positions]
  checkShape(op, shape, 'the output shape')
  const y = floats(sizeOf(shape))
  if (y.length === 0) return new Tensor('float32', shape, y)
  const full = batched ? x.shape : [1, ...x.shape]
  const strides = stridesOf(x.shape, x.memoryFormat)
  const [xBatch = 0, xChannel = 0, xRow = 0, xColumn = 0] = batched ? strides : [0, ...strides]
  for (let tap = 0; tap < taps; tap++) {
    const top = Math.floor(tap / columns) * dilation[0] - padding[0]
    const left = (tap % columns) * dilation[1] - padding[1]
    const down = insideBlocks(height, top, { stride: stride[0], blocks: blocks[0] })
    const across = insideBlocks(width, left, { stride: stride[1], blocks: blocks[1] })
    if (down.count === 0 || across.count === 0) continue
    yield step('stridedCopy', {
      x: x.storage,
      y,
      shape: [full[0] ?? 1, channels, down.count, across.count],
      xOffset: (top + down.first * stride[0]) * xRow + (left + across.first * stride[1]) * xColumn,
      xStrides: [xBatch, xChannel, stride[0] * xRow, stride[1] * xColumn],
      yOffset: tap * positions + down.first * blocks[1] + across.first,
      yStrides: [channels * taps * positions, taps * positions, blocks[1], 1],
    })
  }
  return new Tensor('float32', shape, y)
}

/**
 * Columns of blocks: `[N, C, H, W]` to `[N, C * kH * kW, blocks]`, blocks in row-major order; zeros where a block reaches
 * into padding. PyTorch: `torch.nn.functional.unfold`.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`. While {@link unfoldAsync} is pending it must not be written to.
 * @param kernel - Size of a block: one number, or `[kH, kW]`.
 * @param options - `dilation`, `padding`, `stride`.
 * @throws ShapeError, DTypeError
 * @example
 * unfold(tensor([1, 2, 3, 4], [1, 1, 2, 2]), [1, 2]).toArray() // [[[1, 3], [2, 4]]]
 */
export function unfold(x: Tensor, kernel: PerAxis, options: UnfoldOptions = {}): Tensor {
  return runSync(unfoldSteps(x, kernel, options))
}

/** {@link unfold} off the event loop. */
export function unfoldAsync(x: Tensor, kernel: PerAxis, options: UnfoldOptions = {}): Promise<Tensor> {
  return runAsync(unfoldSteps(x, kernel, options))
}

function* foldSteps(u: Tensor, outputSize: PerAxis, kernel: PerAxis, options: UnfoldOptions): Steps<Tensor> {
  const op = 'functional.fold'
  checkTensor(op, u, 'u')
  const [height = 1, width = 1] = readPerAxis(op, 'outputSize', outputSize, 2, 1)
  const geometry = readGeometry(op, [height, width], kernel, options)
  const { blocks } = geometry
  const taps = geometry.kernel[0] * geometry.kernel[1]
  const batched = u.rank === 3
  const [batch = 1, columns = 0, positions = 0]: Shape = batched ? u.shape : [1, ...u.shape]
  if ((u.rank !== 2 && !batched) || columns % taps !== 0 || positions !== blocks[0] * blocks[1])
    throw new ShapeError({
      op,
      argument: 'u',
      expected:
        `of shape [N, C * ${String(taps)}, ${String(blocks[0] * blocks[1])}] ` +
        `(${String(blocks[0])} × ${String(blocks[1])} blocks of ${shapeText(geometry.kernel)} in ${shapeText([height, width])})`,
      received: shapeText(u.shape),
    })
  const channels = columns / taps
  const shape = batched ? [batch, channels, height, width] : [channels, height, width]
  checkShape(op, shape, 'the output shape')
  const y = floats(sizeOf(shape))
  if (y.length > 0)
    yield step('fold', {
      x: yield* reformatSteps(u, 'contiguous', floats),
      y,
      batch,
      channels,
      output: [height, width],
      ...geometry,
    })
  return new Tensor('float32', shape, y)
}

/**
 * Adds columns of blocks up into an image, `[N, C * kH * kW, blocks]` to `[N, C, H, W]`: the transpose of {@link unfold},
 * not its inverse (elements of several blocks are added). PyTorch: `torch.nn.functional.fold`.
 *
 * @param u - float32 `[N, C * kH * kW, blocks]` or `[C * kH * kW, blocks]`.
 * @param outputSize - `[H, W]`, or one number for both.
 * @param kernel - Size of a block: one number, or `[kH, kW]`.
 * @param options - `dilation`, `padding`, `stride`, as of the unfold.
 * @throws ShapeError, DTypeError
 */
export function fold(u: Tensor, outputSize: PerAxis, kernel: PerAxis, options: UnfoldOptions = {}): Tensor {
  return runSync(foldSteps(u, outputSize, kernel, options))
}

/** {@link fold} off the event loop. */
export function foldAsync(
  u: Tensor,
  outputSize: PerAxis,
  kernel: PerAxis,
  options: UnfoldOptions = {},
): Promise<Tensor> {
  return runAsync(foldSteps(u, outputSize, kernel, options))
}
