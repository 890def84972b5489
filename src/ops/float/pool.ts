/** Float pools (numerics.md 6, 7): with or without a batch axis; the result is channels-last where there is one. */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { sizeOf } from '../../tensor/shape'
import { checkTensor, Tensor } from '../../tensor/tensor'
import { fromImageSteps, toImageSteps } from '../image'
import type { PerAxis } from '../options'
import type { SpatialAxes } from '../shapes/axes'
import {
  readAdaptivePool,
  readAvgPool,
  readMaxPool,
  type AvgPoolOptions,
  type MaxPoolOptions,
  type OutputSize,
  type PoolPlan,
} from '../shapes/pool'
import { allocate } from '../../tensor/dtype'

const floats = (length: number): Float32Array => allocate('float32', length)

function* poolSteps(kind: 'max' | 'avg', x: Tensor, { image, windows, shape, divisors }: PoolPlan): Steps<Tensor> {
  const y = floats(sizeOf(shape))
  if (y.length === 0) return new Tensor('float32', shape, y)
  const input = yield* toImageSteps(x, image.batched, floats)
  if (kind === 'max') yield step('fmaxPool', { x: input, y, windows })
  else yield step('favgPool', { x: input, y, windows, divisors: Float32Array.from(divisors()) })
  const { storage, memoryFormat } = yield* fromImageSteps(y, shape, image.batched, floats)
  return new Tensor('float32', shape, storage, memoryFormat)
}

function* maxSteps(axes: SpatialAxes, x: Tensor, kernel: PerAxis, options: MaxPoolOptions): Steps<Tensor> {
  const op = `functional.maxPool${String(axes)}d`
  checkTensor(op, x, 'x')
  return yield* poolSteps('max', x, readMaxPool(op, x.shape, axes, kernel, options))
}

function* avgSteps(axes: SpatialAxes, x: Tensor, kernel: PerAxis, options: AvgPoolOptions): Steps<Tensor> {
  const op = `functional.avgPool${String(axes)}d`
  checkTensor(op, x, 'x')
  return yield* poolSteps('avg', x, readAvgPool(op, x.shape, axes, kernel, options))
}

function* adaptiveSteps(kind: 'max' | 'avg', axes: SpatialAxes, x: Tensor, outputSize: OutputSize): Steps<Tensor> {
  const op = `functional.adaptive${kind === 'max' ? 'Max' : 'Avg'}Pool${String(axes)}d`
  checkTensor(op, x, 'x')
  return yield* poolSteps(kind, x, readAdaptivePool(op, x.shape, axes, outputSize))
}

/**
 * Largest value of each window; padding never wins; NaN propagates. PyTorch: `torch.nn.functional.max_pool2d`.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param kernel - Size of the window: one number, or one per axis.
 * @param options - `stride` (the kernel), `padding`, `dilation`, `ceilMode`.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function maxPool2d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return runSync(maxSteps(2, x, kernel, options))
}

/** {@link maxPool2d} off the event loop. */
export function maxPool2dAsync(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Promise<Tensor> {
  return runAsync(maxSteps(2, x, kernel, options))
}

/** {@link maxPool2d} for 1 spatial axis. */
export function maxPool1d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return runSync(maxSteps(1, x, kernel, options))
}

/** {@link maxPool1d} off the event loop. */
export function maxPool1dAsync(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Promise<Tensor> {
  return runAsync(maxSteps(1, x, kernel, options))
}

/** {@link maxPool2d} for 3 spatial axes. */
export function maxPool3d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return runSync(maxSteps(3, x, kernel, options))
}

/** {@link maxPool3d} off the event loop. */
export function maxPool3dAsync(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Promise<Tensor> {
  return runAsync(maxSteps(3, x, kernel, options))
}

/**
 * Average of each window, summed in 16 lanes (numerics.md 7). PyTorch: `torch.nn.functional.avg_pool2d`.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param kernel - Size of the window: one number, or one per axis.
 * @param options - `stride` (the kernel), `padding`, `ceilMode`, `countIncludePad`, `divisorOverride`.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function avgPool2d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return runSync(avgSteps(2, x, kernel, options))
}

/** {@link avgPool2d} off the event loop. */
export function avgPool2dAsync(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Promise<Tensor> {
  return runAsync(avgSteps(2, x, kernel, options))
}

/** {@link avgPool2d} for 1 spatial axis. */
export function avgPool1d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return runSync(avgSteps(1, x, kernel, options))
}

/** {@link avgPool1d} off the event loop. */
export function avgPool1dAsync(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Promise<Tensor> {
  return runAsync(avgSteps(1, x, kernel, options))
}

/** {@link avgPool2d} for 3 spatial axes. */
export function avgPool3d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return runSync(avgSteps(3, x, kernel, options))
}

/** {@link avgPool3d} off the event loop. */
export function avgPool3dAsync(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Promise<Tensor> {
  return runAsync(avgSteps(3, x, kernel, options))
}

/**
 * Average of each window, summed in 16 lanes (numerics.md 7). The windows divide the input into `outputSize` overlapping parts: part `o` of `n` reaches from
 * `floor(o * size / n)` to `ceil((o + 1) * size / n)`. PyTorch: `torch.nn.functional.adaptive_avg_pool2d`.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param outputSize - One number, or one per axis; null keeps the input's size.
 * @throws ShapeError, DTypeError
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('avg', 2, x, outputSize))
}

/** {@link adaptiveAvgPool2d} off the event loop. */
export function adaptiveAvgPool2dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('avg', 2, x, outputSize))
}

/** {@link adaptiveAvgPool2d} for 1 spatial axis. */
export function adaptiveAvgPool1d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('avg', 1, x, outputSize))
}

/** {@link adaptiveAvgPool1d} off the event loop. */
export function adaptiveAvgPool1dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('avg', 1, x, outputSize))
}

/** {@link adaptiveAvgPool2d} for 3 spatial axes. */
export function adaptiveAvgPool3d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('avg', 3, x, outputSize))
}

/** {@link adaptiveAvgPool3d} off the event loop. */
export function adaptiveAvgPool3dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('avg', 3, x, outputSize))
}

/**
 * Largest value of each window; padding never wins; NaN propagates. The windows divide the input into `outputSize` overlapping parts: part `o` of `n` reaches from
 * `floor(o * size / n)` to `ceil((o + 1) * size / n)`. PyTorch: `torch.nn.functional.adaptive_max_pool2d`.
 *
 * @param x - float32 `[N, C, H, W]` or `[C, H, W]`.
 * @param outputSize - One number, or one per axis; null keeps the input's size.
 * @throws ShapeError, DTypeError
 */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('max', 2, x, outputSize))
}

/** {@link adaptiveMaxPool2d} off the event loop. */
export function adaptiveMaxPool2dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('max', 2, x, outputSize))
}

/** {@link adaptiveMaxPool2d} for 1 spatial axis. */
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('max', 1, x, outputSize))
}

/** {@link adaptiveMaxPool1d} off the event loop. */
export function adaptiveMaxPool1dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('max', 1, x, outputSize))
}

/** {@link adaptiveMaxPool2d} for 3 spatial axes. */
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize): Tensor {
  return runSync(adaptiveSteps('max', 3, x, outputSize))
}

/** {@link adaptiveMaxPool3d} off the event loop. */
export function adaptiveMaxPool3dAsync(x: Tensor, outputSize: OutputSize): Promise<Tensor> {
  return runAsync(adaptiveSteps('max', 3, x, outputSize))
}
