/** Resize and Upsample: along each axis a weighted sum of a few elements. */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import type { Lowering } from '../../runtime/steps'
import { computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import { checkShape, resolveAxis, shapeText, sizeOf, storageOrder } from '../../tensor/shape'
import { codecOf } from './arithmetic'
import { onHost } from './elementwise'
import { numeric, picked } from './movement'
import { need, needKnown, unsupported, wrong, type Inputs, type Operators } from './operator'

const { fround } = Math

/** One axis that is resized. */
interface Axis {
  readonly axis: number
  readonly from: number
  readonly to: number
  /** Size after, divided by size before, as the node gives it. */
  readonly scale: number
  /** Region of interest, in the normalized coordinates of the axis. */
  readonly roi: readonly [number, number]
}

/** What an axis's elements are made of: `taps` source indices and weights for each. */
interface Taps {
  readonly taps: number
  readonly indices: Int32Array
  readonly weights: Float32Array
}

type Transform = (x: number, axis: Axis) => number

/** `coordinate_transformation_mode`: the place in the input of an output's index. */
function transformOf(node: GraphNode): Transform {
  const mode = node.attributes.string('coordinate_transformation_mode', node.opset < 11 ? 'asymmetric' : 'half_pixel')
  switch (mode) {
    case 'half_pixel':
      return (x, { scale }) => (x + 0.5) / scale - 0.5
    case 'pytorch_half_pixel':
      return (x, { scale, to }) => (to > 1 ? (x + 0.5) / scale - 0.5 : 0)
    case 'half_pixel_symmetric':
      return (x, { scale, from, to }) => {
        // The size that the scale asks for may be no whole number: the middle stays where it is.
        const adjustment = to / (scale * from)
        const offset = (from / 2) * (1 - adjustment)
        return offset + (x + 0.5) / scale - 0.5
      }
    case 'align_corners':
      return (x, { from, to }) => (to === 1 ? 0 : (x * (from - 1)) / (to - 1))
    case 'asymmetric':
      return (x, { scale }) => x / scale
    case 'tf_half_pixel_for_nn':
      return (x, { scale }) => (x + 0.5) / scale
    case 'tf_crop_and_resize':
      return (x, { from, to, roi: [begin, end] }) =>
        to > 1 ? begin * (from - 1) + (x * (end - begin) * (from - 1)) / (to - 1) : 0.5 * (begin + end) * (from - 1)
    default:
      throw unsupported(node, `coordinate_transformation_mode "${mode}"`)
  }
}

/** `nearest_mode`: the index nearest to a place. */
function nearestOf(node: GraphNode): (x: number) => number {
  const mode = node.attributes.string('nearest_mode', node.opset < 11 ? 'floor' : 'round_prefer_floor')
  switch (mode) {
    case 'round_prefer_floor':
      return (x) => Math.ceil(x - 0.5)
    case 'round_prefer_ceil':
      return (x) => Math.floor(x + 0.5)
    case 'floor':
      return Math.floor
    case 'ceil':
      return Math.ceil
    default:
      throw unsupported(node, `nearest_mode "${mode}"`)
  }
}

/** Weights of the elements at whole distances from a place, by the mode; how far they reach. */
interface Filter {
  readonly reach: number
  readonly weight: (distance: number) => number
}

function filterOf(node: GraphNode, mode: string): Filter {
  if (mode === 'linear' || mode === 'bilinear') return { reach: 1, weight: (d) => Math.max(0, 1 - Math.abs(d)) }
  if (mode !== 'cubic') throw unsupported(node, `mode "${mode}"`)
  const a = node.attributes.float('cubic_coeff_a', -0.75)
  return {
    reach: 2,
    weight: (distance) => {
      const d = Math.abs(distance)
      if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1
      return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0
    },
  }
}

/** Elements and weights for each index of the resized axis. */
function tapsOf(node: GraphNode, axis: Axis, transform: Transform, { reach, weight }: Filter): Taps {
  const { from, to, scale } = axis
  // With antialias a filter that shrinks grows by what it shrinks.
  const stretch = node.attributes.int('antialias', 0) !== 0 && scale < 1 ? 1 / scale : 1
  const exclude = node.attributes.int('exclude_outside', 0) !== 0
  const taps = Math.ceil(reach * stretch) * 2 + (stretch > 1 ? 1 : 0)
  const indices = new Int32Array(to * taps)
  const weights = new Float32Array(to * taps)
  for (let i = 0; i < to; i++) {
    const x = transform(i, axis)
    const first = Math.floor(x) - Math.ceil(reach * stretch) + 1
    const row = Array.from({ length: taps }, (_, t) => {
      const outside = first + t < 0 || first + t >= from
      return outside && exclude ? 0 : weight((first + t - x) / stretch)
    })
    const sum = exclude || stretch > 1 ? row.reduce((a, b) => a + b, 0) : 1
    row.forEach((w, t) => {
      indices[i * taps + t] = Math.min(from - 1, Math.max(0, first + t))
      weights[i * taps + t] = w / sum
    })
  }
  return { taps, indices, weights }
}

/** The sums along one axis: `outer` blocks of `from` elements, each of `inner` numbers. */
function* resample(x: Float32Array, outer: number, inner: number, axis: Axis, taps: Taps): Lowering<Float32Array> {
  const y = new Float32Array(outer * axis.to * inner)
  yield step('resample', { x, y, outer, inLength: axis.from, outLength: axis.to, inner, ...taps })
  return y
}

/** The axes with their new sizes, from scales or sizes. */
function axesOf(node: GraphNode, inputs: Inputs, dims: readonly number[]): readonly Axis[] {
  const rank = dims.length
  const listed = node.attributes.ints('axes') ?? dims.map((_, axis) => axis)
  const axes = listed.map((axis) => resolveAxis(node.op, axis, rank))
  const numbers = (i: number): number[] | undefined => {
    if (inputs[i] === undefined) return undefined
    const value = needKnown(node, inputs, i)
    const list = Array.from(value.data as ArrayLike<number | bigint>, (e) => Number(codecOf(value.type).read(e)))
    return list.length === 0 ? undefined : list
  }
  const upsample = node.op === 'Upsample' || node.opset < 11
  const scales = node.attributes.floats('scales') ?? numbers(upsample ? 1 : 2)
  const sizes = upsample ? undefined : numbers(3)
  const roi = upsample ? undefined : numbers(1)
  const given = sizes ?? scales
  if (given?.length !== axes.length) throw wrong(node, `scales or sizes for ${String(axes.length)} axes are missing`)
  const policy = node.attributes.string('keep_aspect_ratio_policy', 'stretch')
  const ratios = axes.map((axis, i) => (sizes?.[i] ?? 1) / (dims[axis] ?? 1))
  const common =
    policy === 'not_larger' ? Math.min(...ratios) : policy === 'not_smaller' ? Math.max(...ratios) : undefined
  return axes.map((axis, i) => {
    const from = dims[axis] ?? 1
    const scale = sizes === undefined ? (scales?.[i] ?? 1) : (common ?? ratios[i] ?? 1)
    const to =
      sizes === undefined
        ? Math.floor(from * scale)
        : common === undefined
          ? (sizes[i] ?? 1)
          : Math.round(from * common)
    return { axis, from, to, scale, roi: [roi?.[i] ?? 0, roi?.[i + axes.length] ?? 1] }
  })
}

function* resize(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  const axes = axesOf(node, inputs, x.dims)
  const dims = x.dims.map((size, axis) => axes.find((a) => a.axis === axis)?.to ?? size)
  checkShape(node.op, dims, 'the output shape')
  if (sizeOf(x.dims) === 0) throw wrong(node, `an input of shape ${shapeText(x.dims)}`)
  const mode = node.attributes.string('mode', 'nearest')
  const transform = transformOf(node)
  const crop = node.attributes.string('coordinate_transformation_mode', '') === 'tf_crop_and_resize'
  if (mode === 'nearest') {
    if (crop) throw unsupported(node, 'nearest with tf_crop_and_resize')
    const nearest = nearestOf(node)
    const sources = x.dims.map((size, axis) => {
      const resized = axes.find((a) => a.axis === axis)
      return Int32Array.from({ length: dims[axis] ?? 1 }, (_, i) =>
        resized === undefined || resized.scale === 1
          ? i
          : Math.min(size - 1, Math.max(0, nearest(transform(i, resized)))),
      )
    })
    return [yield* picked(x, dims, sources)]
  }
  const filter = filterOf(node, mode)
  let value = yield* asFloats(node, x)
  for (const axis of axes) {
    if (axis.from === axis.to && axis.scale === 1 && !crop) continue
    value = yield* along(node, value, axis, tapsOf(node, axis, transform, filter))
  }
  if (crop) value = yield* outsideCrop(node, value, axes, transform)
  return [x.type === 'float32' ? value : yield* backTo(node, value, x)]
}

function* along(node: GraphNode, x: TypedValue<'float32'>, axis: Axis, taps: Taps): Lowering<TypedValue<'float32'>> {
  const order = storageOrder(x.dims.length, x.format)
  const at = order.indexOf(axis.axis)
  const product = (axes: readonly number[]): number => sizeOf(axes.map((a) => x.dims[a] ?? 1))
  const data = yield* resample(x.data, product(order.slice(0, at)), product(order.slice(at + 1)), axis, taps)
  const dims = x.dims.map((size, a) => (a === axis.axis ? axis.to : size))
  return computed('float32', dims, data, x.format)
}

/** What lies outside the image is the extrapolation value. */
function* outsideCrop(
  node: GraphNode,
  x: TypedValue<'float32'>,
  axes: readonly Axis[],
  transform: Transform,
): Lowering<TypedValue<'float32'>> {
  const fill = node.attributes.float('extrapolation_value', 0)
  let result: Value = x
  for (const axis of axes) {
    const mask = Float32Array.from({ length: axis.to }, (_, i) => {
      const place = transform(i, axis)
      return place < 0 || place > axis.from - 1 ? 1 : 0
    })
    const dims = x.dims.map((_, a) => (a === axis.axis ? axis.to : 1))
    result = yield* onHost(
      node,
      'extrapolate',
      'float32',
      [result, { type: 'float32', dims, format: 'contiguous', data: mask, known: true }],
      (e, outside) => (outside === 1 ? fill : e),
    )
  }
  return result as TypedValue<'float32'>
}

function* asFloats(node: GraphNode, x: Value): Lowering<TypedValue<'float32'>> {
  if (x.type === 'float32') return x
  const { type } = ofType(node, x, 'X', 'float16', 'float64', 'uint8', 'int8', 'int32')
  const { read } = codecOf(type)
  return (yield* onHost(node, 'to float32', 'float32', [x], (e) => fround(Number(read(e))))) as TypedValue<'float32'>
}

function* backTo(node: GraphNode, value: TypedValue<'float32'>, like: Value): Lowering<Value> {
  const { type } = numeric(node, like)
  const { write } = codecOf(type)
  const whole = type === 'uint8' || type === 'int8' || type === 'int32'
  return yield* onHost(node, `to ${type}`, type, [value], (e) => write(whole ? Math.round(Number(e)) : e))
}

export const resizes: Operators = { Resize: resize, Upsample: resize }
