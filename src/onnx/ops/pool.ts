/** Pools over windows, on floats and on 8-bit codes. */
import type { PoolWindows } from '../../backend/contract'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { dims3, type SpatialAxes } from '../../ops/shapes/axes'
import { channelsLast, contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type Value } from '../../runtime/value'
import { checkShape, sizeOf, type Shape } from '../../tensor/shape'
import { need, unsupported, wrong, type Inputs, type Operators } from './operator'
import { readWindow, spatialAxes, type WindowAttributes } from './windows'

/** The windows of one axis: input indices `starts[o] + j * step`, `0 <= j < counts[o]`. */
interface AxisWindows {
  readonly starts: Int32Array
  readonly counts: Int32Array
  readonly step: number
  /** Elements of each window that lie in the input or its padding. */
  readonly padded: readonly number[]
}

/** A pool against its input. */
export interface PoolPlan {
  readonly windows: PoolWindows
  readonly shape: Shape
  /** One per output position: elements of the window, with the padding or without. */
  readonly divisors: (includePadding: boolean) => Float32Array
}

/**
 * The windows of a pool node over `[N, C, space…]`; global ones span each axis, or those that the attribute `axes` of
 * our own operators names.
 */
export function planPool(node: GraphNode, dims: Shape, global: boolean): PoolPlan {
  const axes = spatialAxes(node, dims.length)
  const spatial = dims.slice(2)
  const among = node.attributes.ints('axes')
  const kernel = global
    ? spatial.map((size, axis) => (among?.includes(axis + 2) === false ? 1 : size))
    : node.attributes.ints('kernel_shape')
  if (kernel?.length !== axes) throw wrong(node, `kernel_shape has ${String(kernel?.length ?? 0)} entries`)
  if (kernel.some((size) => size < 1) || spatial.includes(0)) throw wrong(node, 'a window or the input is empty')
  const window: WindowAttributes = global
    ? { kernel, strides: kernel.map(() => 1), dilations: kernel.map(() => 1), pads: kernel.map(() => [0, 0] as const) }
    : readWindow(node, kernel, spatial)
  const ceil = !global && node.attributes.int('ceil_mode', 0) !== 0
  const along = spatial.map((size, axis) => axisWindows(node, size, axis, window, ceil))
  const output = along.map(({ starts }) => starts.length)
  const shape = [dims[0] ?? 1, dims[1] ?? 1, ...output]
  checkShape(node.op, shape, 'the output shape')
  return {
    windows: poolWindows(dims, along, output, axes),
    shape,
    divisors: (includePadding) =>
      along
        .reduce(
          (row, { counts, padded }) =>
            Float32Array.from(
              { length: row.length * counts.length },
              (_, i) =>
                (row[Math.floor(i / counts.length)] ?? 1) *
                ((includePadding ? padded[i % counts.length] : counts[i % counts.length]) ?? 1),
            ),
          Float32Array.of(1),
        )
        .map((count) => Math.max(1, count)),
  }
}

function axisWindows(
  node: GraphNode,
  size: number,
  axis: number,
  { kernel, strides, dilations, pads }: WindowAttributes,
  ceil: boolean,
): AxisWindows {
  const [k = 1, stride = 1, step = 1, [before, after] = [0, 0]] = [
    kernel[axis],
    strides[axis],
    dilations[axis],
    pads[axis],
  ]
  if (stride < 1 || step < 1 || before < 0 || after < 0)
    throw wrong(node, 'strides, dilations or pads are out of range')
  const reach = step * (k - 1) + 1
  const span = size + before + after - reach
  if (span < 0) throw wrong(node, `the window is larger than the padded input along spatial axis ${String(axis)}`)
  let count = (ceil ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1
  // A last window must begin in the input or before it.
  if (ceil && (count - 1) * stride >= size + before) count--
  const starts = new Int32Array(count)
  const counts = new Int32Array(count)
  const padded: number[] = []
  for (let o = 0; o < count; o++) {
    const begin = o * stride - before
    const first = Math.max(0, Math.ceil(-begin / step))
    const last = Math.min(k - 1, Math.floor((size - 1 - begin) / step))
    counts[o] = Math.max(0, last - first + 1)
    starts[o] = last >= first ? begin + first * step : 0
    padded.push(Math.min(k, Math.floor((size + after - 1 - begin) / step) + 1))
  }
  return { starts, counts, step, padded }
}

function poolWindows(
  dims: Shape,
  along: readonly AxisWindows[],
  output: readonly number[],
  axes: SpatialAxes,
): PoolWindows {
  const one: AxisWindows = { starts: Int32Array.of(0), counts: Int32Array.of(1), step: 1, padded: [1] }
  const [depth = one, height = one, width = one] = [...new Array<AxisWindows>(3 - axes).fill(one), ...along]
  return {
    batch: dims[0] ?? 1,
    channels: dims[1] ?? 1,
    input: dims3(dims.slice(2), 1),
    output: dims3(output, 1),
    starts: [depth.starts, height.starts, width.starts],
    counts: [depth.counts, height.counts, width.counts],
    steps: [depth.step, height.step, width.step],
  }
}

function* maxPool(node: GraphNode, inputs: Inputs, global: boolean): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'X', 'float32', 'uint8', 'int8')
  const plan = planPool(node, x.dims, global)
  if (node.outputs.length > 1 && node.outputs[1] !== '') return yield* maxPoolWithIndices(node, x, plan)
  const { shape, windows } = plan
  const y = allocateFor(x.type, shape)
  if (y.length > 0) {
    const source = yield* channelsLast(x)
    if (source.data instanceof Float32Array) yield step('fmaxPool', { x: source.data, y: y as Float32Array, windows })
    else yield step('qmaxPool', { x: source.data, y: y as Uint8Array | Int8Array, windows })
  }
  return [computed(x.type, shape, y, 'channelsLast') as Value]
}

/** With the places of the maxima: rare, so computed in JavaScript. */
function* maxPoolWithIndices(node: GraphNode, given: Value, { shape, windows }: PoolPlan): Lowering<readonly Value[]> {
  const x = yield* contiguous(ofType(node, given, 'X', 'float32') as Value)
  const columnMajor = node.attributes.int('storage_order', 0) === 1
  if (columnMajor && x.dims.length !== 4) throw unsupported(node, 'storage_order 1 for anything but 2-D windows')
  const y = allocateFor('float32', shape)
  const indices = allocateFor('int64', shape)
  const [depth, height, width] = windows.input
  yield host('max pool with indices', [x.data as Float32Array] as const, [y, indices] as const, ([from], [to, at]) => {
    eachWindow(windows, (image, output, elements) => {
      let best = -Infinity
      let place = -1
      for (const element of elements()) {
        const value = from[image * depth * height * width + element] ?? NaN
        if (place < 0 || value > best || Number.isNaN(value)) [best, place] = [value, element]
      }
      to[output] = best
      const index = columnMajor ? (place % width) * height + Math.floor(place / width) : place
      at[output] = BigInt(image * depth * height * width + index)
    })
  })
  return [computed('float32', shape, y), computed('int64', shape, indices)]
}

/** Visits every window: its image (batch and channel), its output in row-major order, and its elements in the image. */
function eachWindow(
  { batch, channels, input, output, starts, counts, steps }: PoolWindows,
  visit: (image: number, output: number, elements: () => Generator<number>) => void,
): void {
  const [, height, width] = input
  let at = 0
  for (let image = 0; image < batch * channels; image++)
    for (let d = 0; d < output[0]; d++)
      for (let h = 0; h < output[1]; h++)
        for (let w = 0; w < output[2]; w++)
          visit(image, at++, function* () {
            const axis = (a: 0 | 1 | 2, o: number): number[] =>
              Array.from({ length: counts[a][o] ?? 0 }, (_, j) => (starts[a][o] ?? 0) + j * steps[a])
            for (const z of axis(0, d))
              for (const y of axis(1, h)) for (const x of axis(2, w)) yield (z * height + y) * width + x
          })
}

function* averagePool(node: GraphNode, inputs: Inputs, global: boolean): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'X', 'float32')
  const { shape, windows, divisors } = planPool(node, x.dims, global)
  const y = allocateFor('float32', shape)
  if (y.length > 0)
    yield step('favgPool', {
      x: (yield* channelsLast(x)).data,
      y,
      windows,
      divisors: divisors(node.attributes.int('count_include_pad', 0) !== 0),
    })
  return [computed('float32', shape, y, 'channelsLast')]
}

export const pools: Operators = {
  MaxPool: (node, inputs) => maxPool(node, inputs, false),
  GlobalMaxPool: (node, inputs) => maxPool(node, inputs, true),
  AveragePool: (node, inputs) => averagePool(node, inputs, false),
  GlobalAveragePool: (node, inputs) => averagePool(node, inputs, true),
}

/** Number of elements of the largest window. */
export function largestWindow({ counts }: PoolWindows): number {
  return sizeOf(counts.map((list) => list.reduce((a, b) => Math.max(a, b), 0)))
}
