/** Normalizations. Means and variances are sums in 16 lanes (numerics.md 7). */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { laneSum } from '../../backend/js/math'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import { resolveAxis, shapeText, sizeOf } from '../../tensor/shape'
import { splitAt } from '../../tensor/split'
import { typeOfNumber } from '../types'
import { codecOf } from './arithmetic'
import { floatPair, onHost } from './elementwise'
import { numeric } from './movement'
import { need, needKnown, unsupported, wrong, type Inputs, type Operators } from './operator'
import { moveAxesLast, moveAxesBack } from './rows'

const { fround } = Math
type Floats = TypedValue<'float32'>

/** float32 elements of a float value. */
function* floats(node: GraphNode, value: Value): Lowering<Floats> {
  if (value.type === 'float32') return value
  const { type } = ofType(node, value, 'X', 'float64', 'float16', 'bfloat16')
  const { read } = codecOf(type)
  return (yield* onHost(node, 'to float32', 'float32', [value], (e) => fround(Number(read(e))))) as Floats
}

/** A float32 result as the input's type. */
function* likeInput(node: GraphNode, y: Floats, like: Value): Lowering<Value> {
  if (like.type === 'float32') return y
  const { type } = numeric(node, like)
  const { write } = codecOf(type)
  return yield* onHost(node, `to ${type}`, type, [y], (e) => write(e))
}

function* batchNorm(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  if (node.attributes.int('training_mode', 0) !== 0) return yield* batchNormTraining(node, inputs)
  if (node.opset < 7 && node.attributes.int('is_test', 0) === 0 && node.outputs.length > 1)
    throw unsupported(node, 'training')
  if (node.attributes.int('spatial', 1) === 0) throw unsupported(node, 'spatial = 0')
  const given = need(node, inputs, 0)
  const x = yield* floats(node, given)
  const epsilon = node.attributes.float('epsilon', 1e-5)
  const parameters = []
  for (const i of [1, 2, 3, 4]) {
    const value = needKnown(node, inputs, i)
    parameters.push(
      Float64Array.from(numeric(node, value).data as ArrayLike<number>, (e) => Number(codecOf(value.type).read(e))),
    )
  }
  const [gamma = [], beta = [], mean = [], variance = []] = parameters
  const { scales, shifts } = node.memo(
    'affine',
    [1, 2, 3, 4].map((i) => inputs[i]?.data),
    () => {
      const factors = Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] ?? 1) + epsilon))
      return {
        scales: Float32Array.from(factors),
        shifts: Float32Array.from(factors, (a, c) => (beta[c] ?? 0) - (mean[c] ?? 0) * a),
      }
    },
  )
  const channels = x.dims.length > 1 ? (x.dims[1] ?? 1) : 1
  if (scales.length !== channels) throw wrong(node, `${String(scales.length)} scales for ${shapeText(x.dims)}`)
  const y = allocateFor('float32', x.dims)
  const split = x.dims.length > 1 ? splitAt(x.dims, x.format, 1) : { outer: 1, channels: 1, inner: y.length }
  if (y.length > 0) yield step('faffine', { x: x.data, y, split, scales, shifts })
  return [yield* likeInput(node, computed('float32', x.dims, y, x.format), given)]
}

/** With the statistics of the batch itself; also returns the running mean and variance after it. */
function* batchNormTraining(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguous(ofType(node, need(node, inputs, 0), 'X', 'float32'))
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map(
    (i) => ofType(node, need(node, inputs, i), `input ${String(i)}`, 'float32').data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array]
  const momentum = node.attributes.float('momentum', 0.9)
  const epsilon = node.attributes.float('epsilon', 1e-5)
  const [batch = 1, channels = 1] = x.dims
  const inner = sizeOf(x.dims.slice(2))
  const [y, newMean, newVariance] = [
    new Float32Array(x.data.length),
    new Float32Array(channels),
    new Float32Array(channels),
  ]
  const reads = [x.data, scale, shift, mean, variance] as const
  const writes = [y, newMean, newVariance] as const
  yield host(
    'batch norm in training',
    reads,
    writes,
    ([from, gamma, beta, oldMean, oldVariance], [to, nextMean, nextVariance]) => {
      for (let c = 0; c < channels; c++) {
        const places = Array.from(
          { length: batch * inner },
          (_, i) => (Math.floor(i / inner) * channels + c) * inner + (i % inner),
        )
        const m = places.reduce((sum, i) => sum + (from[i] ?? 0), 0) / places.length
        const v = places.reduce((sum, i) => sum + ((from[i] ?? 0) - m) ** 2, 0) / places.length
        for (const i of places)
          to[i] = (((from[i] ?? 0) - m) / Math.sqrt(v + epsilon)) * (gamma[c] ?? 1) + (beta[c] ?? 0)
        nextMean[c] = (oldMean[c] ?? 0) * momentum + m * (1 - momentum)
        nextVariance[c] = (oldVariance[c] ?? 0) * momentum + v * (1 - momentum)
      }
    },
  )
  return [
    computed('float32', x.dims, y),
    computed('float32', [channels], newMean),
    computed('float32', [channels], newVariance),
  ]
}

/** Rows with mean 0 and variance 1 (or, without the mean, mean square 1), and what they were divided by. */
interface Normalized {
  readonly y: Float32Array
  readonly means: Float32Array
  readonly inverses: Float32Array
}

function* normalizeRows(
  x: Float32Array,
  rows: number,
  length: number,
  epsilon: number,
  centred: boolean,
): Lowering<Normalized> {
  const y = new Float32Array(x.length)
  const means = new Float32Array(rows)
  const inverses = new Float32Array(rows)
  yield host('normalize', [x] as const, [y, means, inverses] as const, ([from], [to, mean, inverse]) => {
    const row = new Float32Array(length)
    const squares = new Float32Array(length)
    for (let r = 0; r < rows; r++) {
      const m = centred ? fround(laneSum(from, r * length, length, 1) / length) : 0
      for (let i = 0; i < length; i++) {
        const d = (row[i] = fround((from[r * length + i] ?? 0) - m))
        squares[i] = d * d
      }
      const variance = fround(laneSum(squares, 0, length, 1) / length)
      const scale = fround(1 / fround(Math.sqrt(fround(variance + epsilon))))
      for (let i = 0; i < length; i++) to[r * length + i] = (row[i] ?? 0) * scale
      mean[r] = m
      inverse[r] = scale
    }
  })
  return { y, means, inverses }
}

/** LayerNormalization and RMSNormalization: over the axes from `axis` on. */
function layerNorm(centred: boolean) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const given = need(node, inputs, 0)
    const x = yield* contiguous(yield* floats(node, given))
    const axis = resolveAxis(node.op, node.attributes.int('axis', -1), x.dims.length)
    const stash = node.attributes.int('stash_type', 1)
    if (typeOfNumber(stash) !== 'float32') throw unsupported(node, `stash_type ${String(stash)}`)
    const length = sizeOf(x.dims.slice(axis))
    const rows = sizeOf(x.dims.slice(0, axis))
    const epsilon = fround(node.attributes.float('epsilon', 1e-5))
    const gain = yield* floats(node, need(node, inputs, 1))
    const offset = centred && inputs[2] !== undefined ? yield* floats(node, inputs[2]) : undefined
    const plain = node.outputs.slice(1).every((name) => name === '') && rows * length > 0
    if (centred && plain && gain.data.length === length && (offset === undefined || offset.data.length === length)) {
      const y = allocateFor('float32', x.dims)
      const bias = offset?.data ?? null
      yield step('layerNorm', { x: x.data, y, rows, length, scale: gain.data, bias, epsilon })
      return [yield* likeInput(node, computed('float32', x.dims, y), given)]
    }
    const { y, means, inverses } = yield* normalizeRows(x.data, rows, length, epsilon, centred)
    let result = yield* floatPair(node, 'mul', computed('float32', x.dims, y), gain)
    if (offset !== undefined) result = yield* floatPair(node, 'add', result, offset)
    const dims = x.dims.map((size, a) => (a < axis ? size : 1))
    return [
      yield* likeInput(node, result, given),
      computed('float32', dims, means),
      computed('float32', dims, inverses),
    ]
  }
}

/** Over each image's groups of channels; one channel per group is InstanceNormalization. */
function groupNorm(instance: boolean) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const given = need(node, inputs, 0)
    const x = yield* contiguous(yield* floats(node, given))
    const [batch = 1, channels = 1] = x.dims
    const groups = instance ? channels : node.attributes.int('num_groups', 1)
    if (channels % groups !== 0) throw wrong(node, `${String(channels)} channels in ${String(groups)} groups`)
    const length = sizeOf(x.dims) / (batch * groups)
    const epsilon = fround(node.attributes.float('epsilon', 1e-5))
    const { y } = yield* normalizeRows(x.data, batch * groups, length, epsilon, true)
    const rank = x.dims.length
    const spread = function* (i: number): Lowering<Floats> {
      const value = yield* floats(node, need(node, inputs, i))
      // Before opset 21 scale and bias belong to groups.
      const perGroup = !instance && node.opset < 21 && value.data.length === groups
      const repeat = perGroup ? channels / groups : 1
      const data = new Float32Array(channels)
      yield host('spread', [value.data] as const, [data] as const, ([from], [to]) => {
        to.forEach((_, c) => {
          to[c] = from[Math.floor(c / repeat)] ?? 0
        })
      })
      return computed('float32', [channels, ...new Array<number>(rank - 2).fill(1)], data)
    }
    const scaled = yield* floatPair(node, 'mul', computed('float32', x.dims, y), yield* spread(1))
    const result = yield* floatPair(node, 'add', scaled, yield* spread(2))
    return [yield* likeInput(node, result, given)]
  }
}

/** Local response normalization over neighbouring channels. */
function* lrn(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguous(ofType(node, need(node, inputs, 0), 'X', 'float32'))
  const size = node.attributes.int('size')
  if (size === undefined) throw wrong(node, 'size is missing')
  const alpha = node.attributes.float('alpha', 1e-4)
  const beta = node.attributes.float('beta', 0.75)
  const bias = node.attributes.float('bias', 1)
  const [batch = 1, channels = 1] = x.dims
  const inner = sizeOf(x.dims.slice(2))
  const y = allocateFor('float32', x.dims)
  yield host('lrn', [x.data] as const, [y] as const, ([from], [to]) => {
    for (let n = 0; n < batch; n++)
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < inner; i++) {
          let squares = 0
          const first = Math.max(0, c - Math.floor((size - 1) / 2))
          const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2))
          for (let k = first; k <= last; k++) squares += (from[(n * channels + k) * inner + i] ?? 0) ** 2
          const at = (n * channels + c) * inner + i
          to[at] = (from[at] ?? 0) / (bias + (alpha / size) * squares) ** beta
        }
  })
  return [computed('float32', x.dims, y)]
}

/** `(x - mean) / deviation` over axes. */
function* meanVariance(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguous(ofType(node, need(node, inputs, 0), 'X', 'float32'))
  const axes = (node.attributes.ints('axes') ?? [0, 2, 3]).map((axis) => resolveAxis(node.op, axis, x.dims.length))
  const length = sizeOf(axes.map((axis) => x.dims[axis] ?? 1))
  const moved = yield* moveAxesLast(x, axes)
  const { y } = yield* normalizeRows(moved.data, sizeOf(x.dims) / Math.max(1, length), length, fround(1e-9), true)
  return [yield* moveAxesBack(computed('float32', moved.dims, y), axes, x.dims)]
}

/** Rows divided by their norm along one axis. */
function* lpNorm(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* contiguous(ofType(node, need(node, inputs, 0), 'X', 'float32'))
  const p = node.attributes.int('p', 2)
  if (p !== 1 && p !== 2) throw wrong(node, `p is ${String(p)}`)
  const axis = resolveAxis(node.op, node.attributes.int('axis', -1), x.dims.length)
  const length = x.dims[axis] ?? 1
  const moved = yield* moveAxesLast(x, [axis])
  const y = new Float32Array(x.data.length)
  yield host('lp norm', [moved.data] as const, [y] as const, ([from], [to]) => {
    for (let begin = 0; begin < to.length; begin += length) {
      const terms = Float32Array.from({ length }, (_, i) => {
        const value = from[begin + i] ?? 0
        return p === 1 ? Math.abs(value) : value * value
      })
      const sum = laneSum(terms, 0, length, 1)
      const norm = p === 1 ? sum : fround(Math.sqrt(sum))
      for (let i = 0; i < length; i++) to[begin + i] = norm === 0 ? 0 : (from[begin + i] ?? 0) / norm
    }
  })
  return [yield* moveAxesBack(computed('float32', moved.dims, y), [axis], x.dims)]
}

export const normalizations: Operators = {
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm(true),
  RMSNormalization: layerNorm(false),
  GroupNormalization: groupNorm(false),
  InstanceNormalization: groupNorm(true),
  LRN: lrn,
  MeanVarianceNormalization: meanVariance,
  LpNormalization: lpNorm,
}
