/** Operators that copy elements to other places: transpose, join, split, slice, pad, repeat. */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { computed, type Value } from '../../runtime/value'
import { broadcastShape, broadcastStrides } from '../../ops/shapes/broadcast'
import {
  checkShape,
  resolveAxis,
  shapeText,
  sizeOf,
  storageOrder,
  stridesOf,
  type MemoryFormat,
  type Shape,
} from '../../tensor/shape'
import { allocateElements, arrayOf, type NumericArray, type NumericType } from '../types'
import { copyBlock, filled } from './strided'
import { integers, need, needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'

/** A value of numbers; strings are refused. */
export function numeric(node: GraphNode, value: Value): Exclude<Value, { readonly type: 'string' }> {
  if (value.type === 'string') throw unsupported(node, 'an input of strings')
  return value
}

/** A value of a type that is decided elsewhere. */
export function made(type: NumericType, dims: Shape, data: NumericArray, format: MemoryFormat = 'contiguous'): Value {
  return computed(type, dims, data as never, format) as Value
}

function* transpose(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  const rank = x.dims.length
  const order = node.attributes.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
  if (order.length !== rank || new Set(order).size !== rank || order.some((axis) => axis < 0 || axis >= rank))
    throw wrong(node, `perm [${order.join(', ')}] is no order of ${String(rank)} axes`)
  const dims = order.map((axis) => x.dims[axis] ?? 1)
  const strides = stridesOf(x.dims, x.format)
  const to = stridesOf(dims, 'contiguous')
  const from = order.map((axis) => strides[axis] ?? 0)
  // Where the elements lie in the result's order already (NHWC of channels-last data), nothing moves.
  if (dims.every((size, axis) => size === 1 || from[axis] === to[axis])) return [{ ...x, dims, format: 'contiguous' }]
  // The same, where the result would be channels-last: NCHW of NHWC data.
  if (rank >= 3 && rank <= 5) {
    const last = stridesOf(dims, 'channelsLast')
    if (dims.every((size, axis) => size === 1 || from[axis] === last[axis]))
      return [{ ...x, dims, format: 'channelsLast' }]
  }
  const data = allocateElements(x.type, sizeOf(dims))
  yield* copyBlock(dims, { data: x.data, offset: 0, strides: from }, { data, offset: 0, strides: to })
  return [made(x.type, dims, data)]
}

function* concat(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const values = inputs.map((_, i) => numeric(node, need(node, inputs, i)))
  const [first] = values
  if (first === undefined) throw wrong(node, 'there is nothing to join')
  const rank = first.dims.length
  const given = node.attributes.int('axis', 1)
  const axis = resolveAxis(node.op, given, rank)
  for (const { type, dims } of values)
    if (type !== first.type || dims.length !== rank || dims.some((size, a) => a !== axis && size !== first.dims[a]))
      throw wrong(node, `${shapeText(dims)} of ${type} does not join ${shapeText(first.dims)} of ${first.type}`)
  const dims = first.dims.map((size, a) =>
    a === axis ? values.reduce((sum, v) => sum + (v.dims[axis] ?? 0), 0) : size,
  )
  checkShape(node.op, dims, 'the output shape')
  const { format } = values.find((value) => value.format === 'channelsLast') ?? first
  const data = allocateElements(first.type, sizeOf(dims))
  const strides = stridesOf(dims, format)
  let begin = 0
  for (const value of values) {
    yield* copyBlock(
      value.dims,
      { data: value.data, offset: 0, strides: stridesOf(value.dims, value.format) },
      { data, offset: begin * (strides[axis] ?? 0), strides },
    )
    begin += value.dims[axis] ?? 0
  }
  return [made(first.type, dims, data, format)]
}

/** Copies the part of a value that begins at `starts` and takes every `steps`-th element, to an array of its own. */
function* cut(
  node: GraphNode,
  given: Value,
  starts: readonly number[],
  steps: readonly number[],
  dims: Shape,
): Lowering<Value> {
  const x = numeric(node, given)
  const strides = stridesOf(x.dims, x.format)
  const data = allocateElements(x.type, sizeOf(dims))
  yield* copyBlock(
    dims,
    {
      data: x.data,
      offset: starts.reduce((sum, start, axis) => sum + start * (strides[axis] ?? 0), 0),
      strides: strides.map((stride, axis) => stride * (steps[axis] ?? 1)),
    },
    { data, offset: 0, strides: stridesOf(dims, x.format) },
  )
  return made(x.type, dims, data, x.format)
}

function* split(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const axis = resolveAxis(node.op, node.attributes.int('axis', 0), x.dims.length)
  const length = x.dims[axis] ?? 0
  const count = node.attributes.int('num_outputs', node.outputs.length)
  const given =
    node.attributes.ints('split') ?? (inputs[1] === undefined ? undefined : integers(needKnown(node, inputs, 1)))
  const even = Math.ceil(length / count)
  const sizes = given ?? Array.from({ length: count }, (_, i) => Math.max(0, Math.min(even, length - i * even)))
  if (sizes.reduce((a, b) => a + b, 0) !== length || sizes.some((size) => size < 0))
    throw wrong(node, `parts of ${sizes.join(', ')} do not make up the ${String(length)} of axis ${String(axis)}`)
  const results: Value[] = []
  let begin = 0
  for (const size of sizes) {
    const dims = x.dims.map((all, a) => (a === axis ? size : all))
    const starts = x.dims.map((_, a) => (a === axis ? begin : 0))
    results.push(
      yield* cut(
        node,
        x,
        starts,
        x.dims.map(() => 1),
        dims,
      ),
    )
    begin += size
  }
  return results
}

function* slice(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = need(node, inputs, 0)
  const list = (name: string, i: number): readonly number[] | undefined =>
    node.attributes.ints(name) ?? (inputs[i] === undefined ? undefined : integers(needKnown(node, inputs, i)))
  const starts = list('starts', 1) ?? []
  const ends = list('ends', 2) ?? []
  const axes = (list('axes', 3) ?? starts.map((_, i) => i)).map((axis) => resolveAxis(node.op, axis, x.dims.length))
  const steps = list('steps', 4) ?? starts.map(() => 1)
  if (starts.length !== ends.length || axes.length !== starts.length || steps.length !== starts.length)
    throw wrong(node, 'starts, ends, axes and steps are not as many')
  const begin = x.dims.map(() => 0)
  const stride = x.dims.map(() => 1)
  const dims = [...x.dims]
  axes.forEach((axis, i) => {
    const size = x.dims[axis] ?? 0
    const by = steps[i] ?? 1
    if (by === 0) throw wrong(node, 'a step is 0')
    const bound = (value: number, lo: number, hi: number): number =>
      Math.min(hi, Math.max(lo, value < 0 ? value + size : value))
    const [first, last] =
      by > 0
        ? [bound(starts[i] ?? 0, 0, size), bound(ends[i] ?? 0, 0, size)]
        : [bound(starts[i] ?? 0, 0, size - 1), bound(ends[i] ?? 0, -1, size - 1)]
    begin[axis] = first
    stride[axis] = by
    dims[axis] = Math.max(0, Math.ceil((last - first) / by))
  })
  return [yield* cut(node, x, begin, stride, dims)]
}

function* pad(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  const rank = x.dims.length
  const mode = node.attributes.string('mode', 'constant')
  const listed =
    node.attributes.ints('pads') ?? node.attributes.ints('paddings') ?? integers(needKnown(node, inputs, 1))
  const chosen = inputs[3] === undefined ? undefined : integers(needKnown(node, inputs, 3))
  const axes = (chosen ?? x.dims.map((_, axis) => axis)).map((axis) => resolveAxis(node.op, axis, rank))
  if (listed.length !== 2 * axes.length)
    throw wrong(node, `pads has ${String(listed.length)} entries for ${String(axes.length)} axes`)
  const before = x.dims.map((_, axis) => listed[axes.indexOf(axis)] ?? 0)
  const after = x.dims.map((_, axis) => (axes.includes(axis) ? (listed[axes.length + axes.indexOf(axis)] ?? 0) : 0))
  const dims = x.dims.map((size, axis) => size + (before[axis] ?? 0) + (after[axis] ?? 0))
  if (dims.some((size) => size < 0)) throw wrong(node, `nothing is left of ${shapeText(x.dims)}`)
  checkShape(node.op, dims, 'the output shape')
  if (mode === 'constant') {
    const value = optionalKnown(node, inputs, 2)
    const element = new (arrayOf(x.type))(1) as Float32Array
    const given = value?.data[0] ?? node.attributes.float('value')
    if (given !== undefined) element[0] = given as number
    const data = yield* filled(x.type, dims, x.format, element)
    const first = before.map((size) => Math.max(0, -size))
    const count = x.dims.map(
      (size, axis) => Math.min(size, (dims[axis] ?? 0) - (before[axis] ?? 0)) - (first[axis] ?? 0),
    )
    const [from, to] = [stridesOf(x.dims, x.format), stridesOf(dims, x.format)]
    if (count.every((size) => size > 0))
      yield* copyBlock(
        count,
        { data: x.data, offset: dot(first, from), strides: from },
        {
          data,
          offset: dot(
            before.map((size) => Math.max(0, size)),
            to,
          ),
          strides: to,
        },
      )
    return [made(x.type, dims, data, x.format)]
  }
  if (mode !== 'edge' && mode !== 'reflect' && mode !== 'wrap') throw wrong(node, `mode is "${mode}"`)
  const sources = dims.map((size, axis) =>
    Int32Array.from({ length: size }, (_, i) => sourceOf(mode, i - (before[axis] ?? 0), x.dims[axis] ?? 1)),
  )
  return [yield* picked(x, dims, sources)]
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0)
}

/** Index of the element that stands at place `i` of an axis that is continued beyond its ends. */
function sourceOf(mode: 'edge' | 'reflect' | 'wrap', i: number, size: number): number {
  if (mode === 'edge' || size === 1) return Math.min(size - 1, Math.max(0, i))
  if (mode === 'wrap') return ((i % size) + size) % size
  const period = 2 * (size - 1)
  const at = ((i % period) + period) % period
  return at < size ? at : period - at
}

/** The tensor whose element at an index is the one of x at the index looked up along each axis. */
export function* picked(
  x: Exclude<Value, { readonly type: 'string' }>,
  dims: Shape,
  sources: readonly Int32Array[],
): Lowering<Value> {
  const order = storageOrder(x.dims.length, x.format)
  const sizes = [...x.dims]
  let data: NumericArray = x.data
  for (const axis of order) {
    const indices = sources[axis] ?? new Int32Array(0)
    const length = sizes[axis] ?? 1
    if (indices.length === length && indices.every((source, i) => source === i)) continue
    const at = order.indexOf(axis)
    const product = (axes: readonly number[]): number => sizeOf(axes.map((a) => sizes[a] ?? 1))
    const [outer, inner] = [product(order.slice(0, at)), product(order.slice(at + 1))]
    data = yield* gathered(data, x.type, outer, length, inner, indices)
    sizes[axis] = indices.length
  }
  return made(x.type, dims, data, x.format)
}

/** `y[o, i, :] = x[o, indices[i], :]` of blocks `[outer, axis, inner]`. */
export function* gathered(
  x: NumericArray,
  type: NumericType,
  outer: number,
  axis: number,
  inner: number,
  indices: Int32Array,
): Lowering<NumericArray> {
  const y = allocateElements(type, outer * indices.length * inner)
  if (y.length > 0) yield step('gather', { x: x, y: y, outer, axis, inner, indices })
  return y
}

function* expand(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const dims = broadcastShape(node.op, x.dims, integers(needKnown(node, inputs, 1)))
  return [yield* repeated(x, dims)]
}

/** The value repeated along axes of size 1 or that it lacks. */
export function* repeated(x: Exclude<Value, { readonly type: 'string' }>, dims: Shape): Lowering<Value> {
  const strides = broadcastStrides(x.dims, dims)
  const data = allocateElements(x.type, sizeOf(dims))
  yield* copyBlock(
    dims,
    { data: x.data, offset: 0, strides },
    { data, offset: 0, strides: stridesOf(dims, 'contiguous') },
  )
  return made(x.type, dims, data)
}

function* tile(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const repeats = integers(needKnown(node, inputs, 1))
  if (repeats.length !== x.dims.length) throw wrong(node, `${String(repeats.length)} repeats for ${shapeText(x.dims)}`)
  const dims = x.dims.map((size, axis) => size * (repeats[axis] ?? 1))
  checkShape(node.op, dims, 'the output shape')
  const sources = dims.map((size, axis) => Int32Array.from({ length: size }, (_, i) => i % (x.dims[axis] ?? 1)))
  return [yield* picked(x, dims, sources)]
}

/** The order of the three parts that channels divide into, for the two modes of blocks. */
function* depthToSpace(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const [batch = 1, channels = 1, height = 1, width = 1] = x.dims
  const block = node.attributes.int('blocksize', 1)
  const mode = node.attributes.string('mode', 'DCR')
  const depth = channels / (block * block)
  if (x.dims.length !== 4 || !Number.isInteger(depth))
    throw wrong(node, `blocks of ${String(block)} of ${shapeText(x.dims)}`)
  const parts =
    mode === 'DCR' ? [batch, block, block, depth, height, width] : [batch, depth, block, block, height, width]
  const order = mode === 'DCR' ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]
  return [yield* permuted(x, parts, order, [batch, depth, height * block, width * block])]
}

function* spaceToDepth(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const [batch = 1, channels = 1, height = 1, width = 1] = x.dims
  const block = node.attributes.int('blocksize', 1)
  if (x.dims.length !== 4 || height % block !== 0 || width % block !== 0)
    throw wrong(node, `blocks of ${String(block)} of ${shapeText(x.dims)}`)
  const parts = [batch, channels, height / block, block, width / block, block]
  const dims = [batch, channels * block * block, height / block, width / block]
  return [yield* permuted(x, parts, [0, 3, 5, 1, 2, 4], dims)]
}

/** Elements seen as `parts`, with the axes in another order, under the sizes `dims`. */
function* permuted(
  x: Exclude<Value, { readonly type: 'string' }>,
  parts: Shape,
  order: readonly number[],
  dims: Shape,
): Lowering<Value> {
  const strides = stridesOf(parts, 'contiguous')
  const shape = order.map((axis) => parts[axis] ?? 1)
  const data = allocateElements(x.type, sizeOf(dims))
  yield* copyBlock(
    shape,
    { data: x.data, offset: 0, strides: order.map((axis) => strides[axis] ?? 0) },
    { data, offset: 0, strides: stridesOf(shape, 'contiguous') },
  )
  return made(x.type, dims, data)
}

function* trilu(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const k = Number(optionalKnown(node, inputs, 1)?.data[0] ?? 0)
  const upper = node.attributes.int('upper', 1) !== 0
  const [rows = 1, columns = 1] = x.dims.slice(-2)
  const data = allocateElements(x.type, sizeOf(x.dims))
  yield host('triangle', [x.data] as const, [data] as const, ([source], [target]) => {
    const [from, to] = [source as Float64Array, target as Float64Array]
    const zero = (x.type === 'int64' || x.type === 'uint64' ? 0n : 0) as number
    for (let i = 0; i < to.length; i++) {
      const column = i % columns
      const row = Math.floor(i / columns) % rows
      to[i] = (upper ? column - row >= k : column - row <= k) ? (from[i] ?? 0) : zero
    }
  })
  return [made(x.type, x.dims, data)]
}

export const movements: Operators = {
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Expand: expand,
  Tile: tile,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Trilu: trilu,
}
