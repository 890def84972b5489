/** Shape arithmetic of pools: which input elements each window holds, and what an average divides by. */
import type { PoolWindows } from '../../backend/contract'
import { ShapeError, show } from '../../errors'
import { Recent } from '../../tensor/recent'
import { sameShape, sizeOf, type Shape } from '../../tensor/shape'
import { checkBoolean, checkOptions, checkWhole, readPerAxis, type PerAxis } from '../options'
import {
  dims3,
  imageShape,
  readImage,
  readPadding,
  windowCount,
  type AxisWindow,
  type ImageShape,
  type PadPair,
  type Padding,
  type SpatialAxes,
} from './axes'

/** Options of a max pool. */
export interface MaxPoolOptions {
  /** Step of the window. @defaultValue the kernel */
  readonly stride?: PerAxis
  /** At most half the kernel; never wins. @defaultValue 0 */
  readonly padding?: Padding
  /** Distance between the elements of the window. @defaultValue 1 */
  readonly dilation?: PerAxis
  /** Whether a last window may reach beyond the end. @defaultValue false */
  readonly ceilMode?: boolean
}

/** Options of an average pool. */
export interface AvgPoolOptions {
  /** Step of the window. @defaultValue the kernel */
  readonly stride?: PerAxis
  /** At most half the kernel; counts as real zeros. @defaultValue 0 */
  readonly padding?: Padding
  /** Whether a last window may reach beyond the end. @defaultValue false */
  readonly ceilMode?: boolean
  /** Whether padding counts in the divisor. @defaultValue true */
  readonly countIncludePad?: boolean
  /** A divisor for every window. @defaultValue the number of its elements */
  readonly divisorOverride?: number
}

/** Size of an adaptive pool's result: one number, or one per axis; null keeps the input's. */
export type OutputSize = number | readonly (number | null)[]

/** A pool against its input. */
export interface PoolPlan {
  readonly image: ImageShape
  readonly windows: PoolWindows
  /** Shape of the result, with a batch axis only where the input has one. */
  readonly shape: Shape
  /** What the average of each window divides by, one per output position. */
  readonly divisors: () => Float64Array
  /** Elements of the largest window. */
  readonly largest: number
}

/** A sliding pool's arguments, resolved. */
interface SlidingKey {
  readonly shape: Shape
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly PadPair[]
  readonly ceilMode: boolean
  readonly countIncludePad: boolean
  readonly divisorOverride: number | undefined
}

/** An adaptive pool's arguments, resolved. */
interface AdaptiveKey {
  readonly shape: Shape
  readonly output: readonly number[]
}

const keptPlans = 16
/** Output positions of the largest plan that is kept: its tables stay in memory. */
const keptPositions = 4096

const slidingPlans = new Recent<SlidingKey, PoolPlan>(
  keptPlans,
  (a, b) =>
    sameShape(a.shape, b.shape) &&
    sameShape(a.kernel, b.kernel) &&
    sameShape(a.stride, b.stride) &&
    sameShape(a.dilation, b.dilation) &&
    a.padding.every((pair, axis) => sameShape(pair, b.padding[axis] ?? [])) &&
    a.ceilMode === b.ceilMode &&
    a.countIncludePad === b.countIncludePad &&
    a.divisorOverride === b.divisorOverride,
)
const adaptivePlans = new Recent<AdaptiveKey, PoolPlan>(
  keptPlans,
  (a, b) => sameShape(a.shape, b.shape) && sameShape(a.output, b.output),
)

/** The plan kept for a pool's arguments, or a new one. */
function planOf<K>(plans: Recent<K, PoolPlan>, key: K, make: () => PoolPlan): PoolPlan {
  const known = plans.find(key)
  if (known !== undefined) return known
  const made = make()
  if (sizeOf(made.windows.output) <= keptPositions) plans.keep(key, made)
  return made
}

/** The windows of one axis. */
interface AxisWindows {
  readonly starts: Int32Array
  readonly counts: Int32Array
  readonly step: number
  /** Elements of each window, padding included. */
  readonly extents: Float64Array
}

/** Windows of a max pool. */
export function readMaxPool(
  op: string,
  shape: Shape,
  axes: SpatialAxes,
  kernel: PerAxis,
  options: MaxPoolOptions,
): PoolPlan {
  checkOptions(op, options, ['stride', 'padding', 'dilation', 'ceilMode'])
  return readPool(op, shape, axes, kernel, options)
}

/** Windows and divisors of an average pool. */
export function readAvgPool(
  op: string,
  shape: Shape,
  axes: SpatialAxes,
  kernel: PerAxis,
  options: AvgPoolOptions,
): PoolPlan {
  checkOptions(op, options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'])
  return readPool(op, shape, axes, kernel, options)
}

function readPool(
  op: string,
  shape: Shape,
  axes: SpatialAxes,
  kernel: PerAxis,
  options: MaxPoolOptions & AvgPoolOptions,
): PoolPlan {
  const { padding = 0, dilation = 1, ceilMode = false, countIncludePad = true, divisorOverride } = options
  const image = readImage(op, shape, axes, true)
  const kernels = readPerAxis(op, 'kernel', kernel, axes, 1)
  const strides = readPerAxis(op, 'options.stride', options.stride ?? kernels, axes, 1)
  const dilations = readPerAxis(op, 'options.dilation', dilation, axes, 1)
  const reach = kernels.map((size, axis) => (dilations[axis] ?? 1) * (size - 1))
  const pads = readPadding(op, 'options.padding', padding, axes, strides.every((step) => step === 1) ? reach : null)
  checkBoolean(op, 'options.ceilMode', ceilMode)
  checkBoolean(op, 'options.countIncludePad', countIncludePad)
  if (divisorOverride !== undefined) checkWhole(op, 'options.divisorOverride', divisorOverride, 1)
  const key: SlidingKey = {
    shape,
    kernel: kernels,
    stride: strides,
    dilation: dilations,
    padding: pads,
    ceilMode,
    countIncludePad,
    divisorOverride,
  }
  return planOf(slidingPlans, key, () => planSliding(op, image, key))
}

function planSliding(op: string, image: ImageShape, key: SlidingKey): PoolPlan {
  const { ceilMode, countIncludePad, divisorOverride } = key
  const along = image.spatial.map((size, axis) => {
    const [kernelSize = 1, stride = 1, dilationSize = 1] = [key.kernel[axis], key.stride[axis], key.dilation[axis]]
    const pad = key.padding[axis] ?? [0, 0]
    if (Math.max(...pad) * 2 > kernelSize)
      throw new ShapeError({
        op,
        argument: 'options.padding',
        expected: `at most half the kernel (${String(kernelSize)}) along spatial axis ${String(axis)}`,
        received: show(pad),
        hint: 'A window must not lie wholly in padding.',
      })
    const window = { size, kernel: kernelSize, stride, dilation: dilationSize, pad }
    return { window, count: windowCount(op, axis, window, ceilMode) }
  })
  const output = along.map(({ count }) => count)
  const result = imageShape(op, image, image.channels, output)
  const windows = along.map(({ window, count }) => slidingWindows(window, count))
  const elements = (axis: number, o: number): number =>
    (countIncludePad ? windows[axis]?.extents[o] : windows[axis]?.counts[o]) ?? 1
  return plan(image, result, windows, elements, divisorOverride)
}

/** The windows of a kernel that slides along an axis, clipped to the input. */
function slidingWindows({ size, kernel, stride, dilation, pad }: AxisWindow, count: number): AxisWindows {
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const extents = new Float64Array(count)
  for (let o = 0; o < count; o++) {
    const begin = o * stride - pad[0]
    const first = begin < 0 ? Math.ceil(-begin / dilation) : 0
    const last = Math.min(kernel - 1, Math.floor((size - 1 - begin) / dilation))
    starts[o] = begin + first * dilation
    counts[o] = Math.max(0, last - first + 1)
    extents[o] = Math.min(begin + kernel, size + pad[1]) - begin
  }
  return { starts, counts, step: dilation, extents }
}

/** Windows of an adaptive pool: output `o` of `n` sees the inputs from `floor(o * size / n)` to `ceil((o + 1) * size / n)`. */
export function readAdaptivePool(op: string, shape: Shape, axes: SpatialAxes, outputSize: OutputSize): PoolPlan {
  const image = readImage(op, shape, axes, true)
  const wanted: readonly unknown[] = Array.isArray(outputSize) ? outputSize : new Array<unknown>(axes).fill(outputSize)
  if (wanted.length !== axes)
    throw new ShapeError({
      op,
      argument: 'outputSize',
      expected: `a number or an array of ${String(axes)}`,
      received: show(outputSize),
    })
  const output = image.spatial.map((size, axis) => {
    const count = wanted[axis] ?? size
    const argument = `outputSize[${String(axis)}]`
    checkWhole(op, argument, count, 0)
    if (count > maxAdaptive)
      throw new ShapeError({ op, argument, expected: `at most ${String(maxAdaptive)}`, received: String(count) })
    return count
  })
  return planOf(adaptivePlans, { shape, output }, () => {
    const result = imageShape(op, image, image.channels, output)
    const windows = image.spatial.map((size, axis) => dividedWindows(size, output[axis] ?? 1))
    return plan(image, result, windows, (axis, o) => windows[axis]?.counts[o] ?? 1, undefined)
  })
}

/** Largest output of an adaptive pool along an axis: its windows are tables. */
const maxAdaptive = 2 ** 26

/** The windows that divide an axis into parts. */
function dividedWindows(size: number, count: number): AxisWindows {
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  for (let o = 0; o < count; o++) {
    const begin = Math.floor((o * size) / count)
    starts[o] = begin
    counts[o] = Math.ceil(((o + 1) * size) / count) - begin
  }
  return { starts, counts, step: 1, extents: Float64Array.from(counts) }
}

function plan(
  image: ImageShape,
  shape: Shape,
  axes: readonly AxisWindows[],
  divisor: (axis: number, o: number) => number,
  override: number | undefined,
): PoolPlan {
  const output = axes.map(({ starts }) => starts.length)
  const one: AxisWindows = {
    starts: Int32Array.of(0),
    counts: Int32Array.of(1),
    step: 1,
    extents: Float64Array.of(1),
  }
  const [depth = one, height = one, width = one] = [...new Array<AxisWindows>(3 - axes.length).fill(one), ...axes]
  const windows: PoolWindows = {
    batch: image.batch,
    channels: image.channels,
    input: dims3(image.spatial, 1),
    output: dims3(output, 1),
    starts: [depth.starts, height.starts, width.starts],
    counts: [depth.counts, height.counts, width.counts],
    steps: [depth.step, height.step, width.step],
  }
  let divisors: Float64Array | undefined
  return {
    image,
    windows,
    shape: Object.freeze(shape),
    divisors: () => (divisors ??= products(windows.output, axes, divisor, override)),
    largest: axes.reduce((elements, { counts }) => elements * counts.reduce((a, b) => Math.max(a, b), 0), 1),
  }
}

/** One divisor per output position: the override, or the product of the axes' own, at least 1. */
function products(
  [depth, height, width]: PoolWindows['output'],
  axes: readonly AxisWindows[],
  divisor: (axis: number, o: number) => number,
  override: number | undefined,
): Float64Array {
  const result = new Float64Array(depth * height * width)
  if (override !== undefined) return result.fill(override)
  const missing = 3 - axes.length
  const along = (axis: number, o: number): number => (axis < missing ? 1 : divisor(axis - missing, o))
  const columns = Float64Array.from({ length: width }, (_, o) => along(2, o))
  let at = 0
  for (let d = 0; d < depth; d++)
    for (let h = 0; h < height; h++) {
      const row = along(0, d) * along(1, h)
      for (const column of columns) result[at++] = Math.max(1, row * column)
    }
  return result
}
