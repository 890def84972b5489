/** Quantized pools (numerics.md 6): with or without a batch axis; the result is channels-last where there is one. */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
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
import { checkAverage } from './average'
import { codesOf } from './codes'
import { averageRatio, readQTensor } from './params'

function* poolSteps<D extends QDType8>(
  op: string,
  kind: 'max' | 'avg',
  x: QTensor<D>,
  qparams: PerTensorQParams,
  plan: PoolPlan,
): Steps<QTensor<D>> {
  const { image, windows, shape, largest } = plan
  const make = codesOf(x.dtype)
  const y = make(sizeOf(shape))
  if (y.length === 0) return new QTensor(x.dtype, shape, y, qparams)
  if (kind === 'max') yield step('qmaxPool', { x: yield* toImageSteps(x, image.batched, make), y, windows })
  else {
    const { scale, zeroPoint } = qparams
    const [lo, hi] = codeRange[x.dtype]
    checkAverage(op, largest)
    yield step('qavgPool', {
      x: yield* toImageSteps(x, image.batched, make),
      y,
      windows,
      xZeroPoint: zeroPoint,
      yZeroPoint: zeroPoint,
      multipliers: averageMultipliers(op, scale, plan),
      lo,
      hi,
    })
  }
  const { storage, memoryFormat } = yield* fromImageSteps(y, shape, image.batched, make)
  return new QTensor(x.dtype, shape, storage, qparams, memoryFormat)
}

/** The last multipliers of each plan: a network runs a pool with one scale. */
const lastMultipliers = new WeakMap<PoolPlan, { readonly scale: number; readonly multipliers: Float32Array }>()

function averageMultipliers(op: string, scale: number, plan: PoolPlan): Float32Array {
  const last = lastMultipliers.get(plan)
  if (last?.scale === scale) return last.multipliers
  const divisors = plan.divisors()
  const multipliers = new Float32Array(divisors.length)
  for (let position = 0; position < divisors.length; position++)
    multipliers[position] = averageRatio(op, scale, scale, divisors[position] ?? 1)
  lastMultipliers.set(plan, { scale, multipliers })
  return multipliers
}

function* maxSteps<D extends QDType8>(
  axes: SpatialAxes,
  x: QTensor<D>,
  kernel: PerAxis,
  options: MaxPoolOptions,
): Steps<QTensor<D>> {
  const op = `quantized.maxPool${String(axes)}d`
  const qparams = readQTensor(op, x, 'x')
  return yield* poolSteps(op, 'max', x, qparams, readMaxPool(op, x.shape, axes, kernel, options))
}

function* avgSteps<D extends QDType8>(
  axes: SpatialAxes,
  x: QTensor<D>,
  kernel: PerAxis,
  options: AvgPoolOptions,
): Steps<QTensor<D>> {
  const op = `quantized.avgPool${String(axes)}d`
  const qparams = readQTensor(op, x, 'x')
  return yield* poolSteps(op, 'avg', x, qparams, readAvgPool(op, x.shape, axes, kernel, options))
}

function* adaptiveSteps<D extends QDType8>(
  kind: 'max' | 'avg',
  axes: SpatialAxes,
  x: QTensor<D>,
  outputSize: OutputSize,
): Steps<QTensor<D>> {
  const op = `quantized.adaptive${kind === 'max' ? 'Max' : 'Avg'}Pool${String(axes)}d`
  const qparams = readQTensor(op, x, 'x')
  return yield* poolSteps(op, kind, x, qparams, readAdaptivePool(op, x.shape, axes, outputSize))
}

/**
 * Largest code of each window; padding never wins (numerics.md 6); scale and zero point stay. PyTorch: `torch.nn.functional.max_pool2d`.
 *
 * @param x - quint8 or qint8 `[N, C, H, W]` or `[C, H, W]`.
 * @param kernel - Size of the window: one number, or one per axis.
 * @param options - `stride` (the kernel), `padding`, `dilation`, `ceilMode`.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function maxPool2d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: MaxPoolOptions = {}): QTensor<D> {
  return runSync(maxSteps(2, x, kernel, options))
}

/** {@link maxPool2d} off the event loop. */
export function maxPool2dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: MaxPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(maxSteps(2, x, kernel, options))
}

/** {@link maxPool2d} for 1 spatial axis. */
export function maxPool1d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: MaxPoolOptions = {}): QTensor<D> {
  return runSync(maxSteps(1, x, kernel, options))
}

/** {@link maxPool1d} off the event loop. */
export function maxPool1dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: MaxPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(maxSteps(1, x, kernel, options))
}

/** {@link maxPool2d} for 3 spatial axes. */
export function maxPool3d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: MaxPoolOptions = {}): QTensor<D> {
  return runSync(maxSteps(3, x, kernel, options))
}

/** {@link maxPool3d} off the event loop. */
export function maxPool3dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: MaxPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(maxSteps(3, x, kernel, options))
}

/**
 * Average of the codes of each window, rounded half to even (numerics.md 6); scale and zero point stay. PyTorch: `torch.nn.functional.avg_pool2d`.
 *
 * @param x - quint8 or qint8 `[N, C, H, W]` or `[C, H, W]`.
 * @param kernel - Size of the window: one number, or one per axis.
 * @param options - `stride` (the kernel), `padding`, `ceilMode`, `countIncludePad`, `divisorOverride`.
 * @throws ShapeError, DTypeError, ArgumentError
 */
export function avgPool2d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: AvgPoolOptions = {}): QTensor<D> {
  return runSync(avgSteps(2, x, kernel, options))
}

/** {@link avgPool2d} off the event loop. */
export function avgPool2dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: AvgPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(avgSteps(2, x, kernel, options))
}

/** {@link avgPool2d} for 1 spatial axis. */
export function avgPool1d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: AvgPoolOptions = {}): QTensor<D> {
  return runSync(avgSteps(1, x, kernel, options))
}

/** {@link avgPool1d} off the event loop. */
export function avgPool1dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: AvgPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(avgSteps(1, x, kernel, options))
}

/** {@link avgPool2d} for 3 spatial axes. */
export function avgPool3d<D extends QDType8>(x: QTensor<D>, kernel: PerAxis, options: AvgPoolOptions = {}): QTensor<D> {
  return runSync(avgSteps(3, x, kernel, options))
}

/** {@link avgPool3d} off the event loop. */
export function avgPool3dAsync<D extends QDType8>(
  x: QTensor<D>,
  kernel: PerAxis,
  options: AvgPoolOptions = {},
): Promise<QTensor<D>> {
  return runAsync(avgSteps(3, x, kernel, options))
}

/**
 * Average of the codes of each window, rounded half to even (numerics.md 6); scale and zero point stay. The windows divide the input into `outputSize` overlapping parts: part `o` of `n` reaches from
 * `floor(o * size / n)` to `ceil((o + 1) * size / n)`. PyTorch: `torch.nn.functional.adaptive_avg_pool2d`.
 *
 * @param x - quint8 or qint8 `[N, C, H, W]` or `[C, H, W]`.
 * @param outputSize - One number, or one per axis; null keeps the input's size.
 * @throws ShapeError, DTypeError
 */
export function adaptiveAvgPool2d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('avg', 2, x, outputSize))
}

/** {@link adaptiveAvgPool2d} off the event loop. */
export function adaptiveAvgPool2dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('avg', 2, x, outputSize))
}

/** {@link adaptiveAvgPool2d} for 1 spatial axis. */
export function adaptiveAvgPool1d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('avg', 1, x, outputSize))
}

/** {@link adaptiveAvgPool1d} off the event loop. */
export function adaptiveAvgPool1dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('avg', 1, x, outputSize))
}

/** {@link adaptiveAvgPool2d} for 3 spatial axes. */
export function adaptiveAvgPool3d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('avg', 3, x, outputSize))
}

/** {@link adaptiveAvgPool3d} off the event loop. */
export function adaptiveAvgPool3dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('avg', 3, x, outputSize))
}

/**
 * Largest code of each window; padding never wins (numerics.md 6); scale and zero point stay. The windows divide the input into `outputSize` overlapping parts: part `o` of `n` reaches from
 * `floor(o * size / n)` to `ceil((o + 1) * size / n)`. PyTorch: `torch.nn.functional.adaptive_max_pool2d`.
 *
 * @param x - quint8 or qint8 `[N, C, H, W]` or `[C, H, W]`.
 * @param outputSize - One number, or one per axis; null keeps the input's size.
 * @throws ShapeError, DTypeError
 */
export function adaptiveMaxPool2d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('max', 2, x, outputSize))
}

/** {@link adaptiveMaxPool2d} off the event loop. */
export function adaptiveMaxPool2dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('max', 2, x, outputSize))
}

/** {@link adaptiveMaxPool2d} for 1 spatial axis. */
export function adaptiveMaxPool1d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('max', 1, x, outputSize))
}

/** {@link adaptiveMaxPool1d} off the event loop. */
export function adaptiveMaxPool1dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('max', 1, x, outputSize))
}

/** {@link adaptiveMaxPool2d} for 3 spatial axes. */
export function adaptiveMaxPool3d<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): QTensor<D> {
  return runSync(adaptiveSteps('max', 3, x, outputSize))
}

/** {@link adaptiveMaxPool3d} off the event loop. */
export function adaptiveMaxPool3dAsync<D extends QDType8>(x: QTensor<D>, outputSize: OutputSize): Promise<QTensor<D>> {
  return runAsync(adaptiveSteps('max', 3, x, outputSize))
}
