/** Operators that pick or place elements by index. */
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, type Value } from '../../runtime/value'
import { checkShape, resolveAxis, shapeText, sizeOf, stridesOf, type Shape } from '../../tensor/shape'
import { allocateElements, type NumericArray } from '../types'
import { codecOf } from './arithmetic'
import type { Element } from './elementwise'
import { gathered, made, numeric } from './movement'
import { integers, need, needKnown, wrong, type Inputs, type Operators } from './operator'
import { moveAxesLast, moveAxesBack } from './rows'

type Numeric = Exclude<Value, { readonly type: 'string' }>
type Elements = Record<number, Element>

function* source(node: GraphNode, inputs: Inputs, i: number): Lowering<Numeric> {
  return numeric(node, yield* contiguous(need(node, inputs, i)))
}

/** Indices: int32 or int64; negative ones count from the end. */
function* indicesOf(node: GraphNode, inputs: Inputs, i: number): Lowering<Numeric> {
  const value = yield* source(node, inputs, i)
  if (value.type !== 'int64' && value.type !== 'int32') throw wrong(node, `indices of ${value.type}`)
  return value
}

/** An index inside an axis, or an error that says which run-time value is wrong. */
function resolve(node: GraphNode, index: Element, size: number): number {
  const i = Number(index)
  if (i >= -size && i < size) return i < 0 ? i + size : i
  throw wrong(node, `index ${String(i)} lies outside an axis of ${String(size)}`)
}

function* gather(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const indices = yield* indicesOf(node, inputs, 1)
  const axis = resolveAxis(node.op, node.attributes.int('axis', 0), x.dims.length)
  const size = x.dims[axis] ?? 1
  const inner = sizeOf(x.dims.slice(axis + 1))
  const outer = sizeOf(x.dims.slice(0, axis))
  const dims = [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)]
  checkShape(node.op, dims, 'the output shape')
  return [made(x.type, dims, yield* gathered(x.data, x.type, outer, size, inner, yield* asInt32(node, indices, size)))]
}

/** Indices as the kernel takes them. What is known is checked here; the kernel checks the rest. */
function* asInt32(node: GraphNode, indices: Numeric, size: number): Lowering<Int32Array> {
  if (indices.known) {
    const { data } = indices
    return node.memo('indices', [data, size], () =>
      Int32Array.from(data as ArrayLike<Element>, (i) => resolve(node, i, size)),
    )
  }
  if (indices.type === 'int32') return indices.data
  const narrow = new Int32Array(indices.data.length)
  yield host('int32 of int64', [indices.data as BigInt64Array] as const, [narrow] as const, ([from], [to]) => {
    // What int32 does not hold lies outside every axis.
    for (let i = 0; i < to.length; i++) to[i] = Math.max(-2147483648, Math.min(2147483647, Number(from[i])))
  })
  return narrow
}

/** Offsets in `x` of each place of `indices`, whose index replaces that along the axis. */
function* places(
  node: GraphNode,
  indices: ArrayLike<Element>,
  dims: Shape,
  x: Shape,
  axis: number,
): Generator<[number, number]> {
  const [own, strides] = [stridesOf(dims, 'contiguous'), stridesOf(x, 'contiguous')]
  for (let i = 0; i < indices.length; i++) {
    let offset = 0
    for (let a = 0; a < dims.length; a++) {
      const at = Math.floor(i / (own[a] ?? 1)) % (dims[a] ?? 1)
      offset += (a === axis ? resolve(node, indices[i] ?? 0, x[a] ?? 1) : at) * (strides[a] ?? 0)
    }
    yield [i, offset]
  }
}

function* gatherElements(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const indices = yield* indicesOf(node, inputs, 1)
  const axis = resolveAxis(node.op, node.attributes.int('axis', 0), x.dims.length)
  if (indices.dims.length !== x.dims.length)
    throw wrong(node, `indices ${shapeText(indices.dims)} for ${shapeText(x.dims)}`)
  const y = allocateElements(x.type, sizeOf(indices.dims))
  const { dims } = indices
  yield host('gather elements', [x.data, indices.data] as const, [y] as const, ([data, at], [to]) => {
    const [from, target] = [data, to]
    for (const [i, offset] of places(node, at, dims, x.dims, axis)) target[i] = from[offset] ?? 0
  })
  return [made(x.type, dims, y)]
}

/** Offsets of the slices that the last axis of indices names. */
function sliceOffset(
  node: GraphNode,
  indices: ArrayLike<Element>,
  row: number,
  depth: number,
  x: Shape,
  lead: number,
): number {
  const strides = stridesOf(x, 'contiguous')
  let offset = 0
  for (let d = 0; d < depth; d++)
    offset += resolve(node, indices[row * depth + d] ?? 0, x[lead + d] ?? 1) * (strides[lead + d] ?? 0)
  return offset
}

function* gatherND(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const indices = yield* indicesOf(node, inputs, 1)
  const lead = node.attributes.int('batch_dims', 0)
  const depth = indices.dims.at(-1) ?? 0
  const slice = x.dims.slice(lead + depth)
  const dims = [...indices.dims.slice(0, -1), ...slice]
  checkShape(node.op, dims, 'the output shape')
  const length = sizeOf(slice)
  const rows = sizeOf(indices.dims.slice(0, -1))
  const batches = sizeOf(x.dims.slice(0, lead))
  const perBatch = sizeOf(x.dims.slice(lead))
  const y = allocateElements(x.type, sizeOf(dims))
  yield host('gather slices', [x.data, indices.data] as const, [y] as const, ([data, at], [to]) => {
    const [from, target] = [data as Float64Array, to as Float64Array]
    for (let row = 0; row < rows; row++) {
      const begin = Math.floor(row / (rows / batches)) * perBatch + sliceOffset(node, at, row, depth, x.dims, lead)
      target.set(from.subarray(begin, begin + length), row * length)
    }
  })
  return [made(x.type, dims, y)]
}

/** How a value meets the one that is there. */
function combine(node: GraphNode, x: Numeric): (old: Element, update: Element) => Element {
  const reduction = node.attributes.string('reduction', 'none')
  const { read, write } = codecOf(x.type)
  const by =
    (f: (a: number, b: number) => number, g: (a: bigint, b: bigint) => bigint) =>
    (a: Element, b: Element): Element => {
      const [p, q] = [read(a), read(b)]
      return write(typeof p === 'bigint' ? g(p, BigInt(q)) : f(p, Number(q)))
    }
  switch (reduction) {
    case 'none':
      return (_, update) => update
    case 'add':
      return by(
        (a, b) => a + b,
        (a, b) => a + b,
      )
    case 'mul':
      return by(
        (a, b) => a * b,
        (a, b) => a * b,
      )
    case 'max':
      return by(Math.max, (a, b) => (b > a ? b : a))
    case 'min':
      return by(Math.min, (a, b) => (b < a ? b : a))
    default:
      throw wrong(node, `reduction is "${reduction}"`)
  }
}

function* scatterElements(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const indices = yield* indicesOf(node, inputs, 1)
  const updates = yield* source(node, inputs, 2)
  const axis = resolveAxis(node.op, node.attributes.int('axis', 0), x.dims.length)
  if (updates.type !== x.type || updates.dims.join() !== indices.dims.join())
    throw wrong(node, `updates ${shapeText(updates.dims)} of ${updates.type} for indices ${shapeText(indices.dims)}`)
  const y = allocateElements(x.type, sizeOf(x.dims))
  const meet = combine(node, x)
  const reads = [x.data, indices.data, updates.data] as const
  yield host('scatter elements', reads, [y] as const, ([data, at, news], [to]) => {
    ;(to as Float64Array).set(data as Float64Array)
    const [target, from] = [to, news]
    for (const [i, offset] of places(node, at, indices.dims, x.dims, axis))
      target[offset] = meet(target[offset] ?? 0, from[i] ?? 0)
  })
  return [made(x.type, x.dims, y)]
}

function* scatterND(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const indices = yield* indicesOf(node, inputs, 1)
  const updates = yield* source(node, inputs, 2)
  const depth = indices.dims.at(-1) ?? 0
  const slice = x.dims.slice(depth)
  const length = sizeOf(slice)
  const rows = sizeOf(indices.dims.slice(0, -1))
  if (updates.type !== x.type || sizeOf(updates.dims) !== rows * length)
    throw wrong(node, `updates ${shapeText(updates.dims)}`)
  const y = allocateElements(x.type, sizeOf(x.dims))
  const meet = combine(node, x)
  const reads = [x.data, indices.data, updates.data] as const
  yield host('scatter slices', reads, [y] as const, ([data, at, news], [to]) => {
    ;(to as Float64Array).set(data as Float64Array)
    const [target, from] = [to, news]
    for (let row = 0; row < rows; row++) {
      const begin = sliceOffset(node, at, row, depth, x.dims, 0)
      for (let i = 0; i < length; i++) target[begin + i] = meet(target[begin + i] ?? 0, from[row * length + i] ?? 0)
    }
  })
  return [made(x.type, x.dims, y)]
}

function* oneHot(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const indices = yield* source(node, inputs, 0)
  const [depth = 0] = integers(needKnown(node, inputs, 1))
  const values = yield* source(node, inputs, 2)
  const rank = indices.dims.length + 1
  const axis = resolveAxis(node.op, node.attributes.int('axis', -1), rank)
  const dims = [...indices.dims.slice(0, axis), depth, ...indices.dims.slice(axis)]
  checkShape(node.op, dims, 'the output shape')
  const inner = sizeOf(indices.dims.slice(axis))
  const y = allocateElements(values.type, sizeOf(dims))
  yield host('one hot', [indices.data, values.data] as const, [y] as const, ([at, two], [to]) => {
    const target = to as unknown as Elements
    const [off = 0, on = 0] = two as unknown as Element[]
    ;(to as Float64Array).fill(off as number)
    for (let i = 0; i < at.length; i++) {
      const index = Math.trunc(Number(at[i]))
      if (index < -depth || index >= depth) continue
      const place = index < 0 ? index + depth : index
      target[(Math.floor(i / inner) * depth + place) * inner + (i % inner)] = on
    }
  })
  return [made(values.type, dims, y)]
}

/** Places of the elements that are not zero: how many decides on the shape. */
function* nonZero(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(needKnown(node, inputs, 0)))
  const { read } = codecOf(x.type)
  const found: number[] = []
  Array.from(x.data as ArrayLike<Element>).forEach((element, i) => {
    if (Number(read(element)) !== 0) found.push(i)
  })
  const strides = stridesOf(x.dims, 'contiguous')
  const rank = x.dims.length
  const y = new BigInt64Array(rank * found.length)
  for (let axis = 0; axis < rank; axis++)
    found.forEach((offset, i) => {
      y[axis * found.length + i] = BigInt(Math.floor(offset / (strides[axis] ?? 1)) % (x.dims[axis] ?? 1))
    })
  return [computed('int64', [rank, found.length], y)]
}

/** The k largest or least elements along an axis, with their places. Equal ones come in the order of their places. */
function* topK(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const k = node.attributes.int('k') ?? integers(needKnown(node, inputs, 1))[0] ?? 0
  const axis = resolveAxis(node.op, node.attributes.int('axis', -1), x.dims.length)
  const largest = node.attributes.int('largest', 1) !== 0
  const length = x.dims[axis] ?? 1
  if (k < 0 || k > length) throw wrong(node, `k is ${String(k)} for an axis of ${String(length)}`)
  const moved = yield* moveAxesLast(x, [axis])
  const rows = sizeOf(x.dims) / Math.max(1, length)
  const values = allocateElements(x.type, rows * k)
  const indices = allocateFor('int64', [rows * k])
  const { read } = codecOf(x.type)
  yield host('top k', [moved.data] as const, [values, indices as NumericArray] as const, ([data], [best, at]) => {
    const [from, to, places] = [data, best, at as BigInt64Array]
    for (let row = 0; row < rows; row++) {
      const keys = Array.from({ length }, (_, i) => read(from[row * length + i] ?? 0))
      const order = keys.map((_, i) => i)
      order.sort((i, j) => {
        const [a, b] = [keys[i] ?? 0, keys[j] ?? 0]
        return a === b ? i - j : a > b === largest ? -1 : 1
      })
      for (let i = 0; i < k; i++) {
        const place = order[i] ?? 0
        to[row * k + i] = from[row * length + place] ?? 0
        places[row * k + i] = BigInt(place)
      }
    }
  })
  const sizes = [...x.dims.filter((_, a) => a !== axis), k]
  const dims = x.dims.map((size, a) => (a === axis ? k : size))
  return [
    yield* moveAxesBack(made(x.type, sizes, values) as Numeric, [axis], dims),
    yield* moveAxesBack(computed('int64', sizes, indices), [axis], dims),
  ]
}

/** The slices of an axis, or the elements, whose condition is true: how many decides on the shape. */
function* compress(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const condition = numeric(node, yield* contiguous(needKnown(node, inputs, 1)))
  if (condition.type !== 'bool' || condition.dims.length !== 1)
    throw wrong(node, `a condition of ${condition.type} ${shapeText(condition.dims)}`)
  const given = node.attributes.int('axis')
  // Without an axis the elements are one.
  const dims = given === undefined ? [sizeOf(x.dims)] : x.dims
  const axis = given === undefined ? 0 : resolveAxis(node.op, given, dims.length)
  const size = dims[axis] ?? 1
  if (condition.data.length > size)
    throw wrong(node, `a condition of ${String(condition.data.length)} for an axis of ${String(size)}`)
  const kept = Int32Array.from([...condition.data.keys()].filter((i) => condition.data[i] !== 0))
  const [outer, inner] = [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis + 1))]
  const results = dims.map((length, a) => (a === axis ? kept.length : length))
  return [made(x.type, results, yield* gathered(x.data, x.type, outer, size, inner, kept))]
}

/** The first `sequence_lens` steps of each sequence in reverse, the others as they are. */
function* reverseSequence(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = yield* source(node, inputs, 0)
  const lengths = yield* indicesOf(node, inputs, 1)
  const [time, batch] = [node.attributes.int('time_axis', 0), node.attributes.int('batch_axis', 1)]
  if (x.dims.length < 2 || time + batch !== 1 || time * batch !== 0)
    throw wrong(node, `time_axis ${String(time)} and batch_axis ${String(batch)} of ${shapeText(x.dims)}`)
  const [steps = 0, rows = 0] = [x.dims[time], x.dims[batch]]
  if (lengths.dims.join() !== String(rows))
    throw wrong(node, `sequence_lens ${shapeText(lengths.dims)} for ${String(rows)} sequences`)
  const inner = sizeOf(x.dims.slice(2))
  const y = allocateElements(x.type, sizeOf(x.dims))
  yield host('reverse sequences', [x.data, lengths.data] as const, [y] as const, ([data, counts], [to]) => {
    const [from, target] = [data as Float64Array, to as Float64Array]
    const at = (step: number, row: number): number => (time === 0 ? step * rows + row : row * steps + step) * inner
    for (let row = 0; row < rows; row++) {
      const length = Number(counts[row])
      if (!(length >= 0 && length <= steps))
        throw wrong(node, `a sequence of ${String(length)} steps among ${String(steps)}`)
      for (let step = 0; step < steps; step++) {
        const begin = at(step < length ? length - 1 - step : step, row)
        target.set(from.subarray(begin, begin + inner), at(step, row))
      }
    }
  })
  return [made(x.type, x.dims, y)]
}

export const gatherings: Operators = {
  Compress: compress,
  ReverseSequence: reverseSequence,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: scatterND,
  OneHot: oneHot,
  NonZero: nonZero,
  TopK: topK,
}
