/** Softmax and its kin: over one axis, or before opset 13 over all axes from one on. */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { computed, type TypedValue, type Value } from '../../runtime/value'
import { resolveAxis, sizeOf, storageOrder } from '../../tensor/shape'
import { isFloat, codecOf } from './arithmetic'
import { onHost } from './elementwise'
import { need, wrong, type Lower, type Operators } from './operator'
import { moveAxesLast, moveAxesBack } from './rows'

type RowFunction = (x: Float32Array, rows: number, length: number) => Lowering<Float32Array>

/** `exp(x - max) / sum` of each row, by the kernel. */
function* softmaxRows(x: Float32Array, rows: number, length: number): Lowering<Float32Array> {
  const y = new Float32Array(x.length)
  yield step('softmax', { x, y, rows, length })
  return y
}

/** `x - max - log(sum(exp(x - max)))` of each row, in float64, rounded once. */
function* logSoftmaxRows(x: Float32Array, rows: number, length: number): Lowering<Float32Array> {
  const y = new Float32Array(x.length)
  yield host('logSoftmax', [x] as const, [y] as const, ([from], [to]) => {
    for (let row = 0; row < rows; row++) {
      const part = from.subarray(row * length, (row + 1) * length)
      const largest = part.reduce((a, b) => Math.max(a, b), -Infinity)
      const rest = Math.log(part.reduce((sum, value) => sum + Math.exp(value - largest), 0))
      part.forEach((value, i) => {
        to[row * length + i] = value - largest - rest
      })
    }
  })
  return y
}

/** 1 where the first largest element of a row is, else 0. */
function* hardmaxRows(x: Float32Array, rows: number, length: number): Lowering<Float32Array> {
  const y = new Float32Array(x.length)
  yield host('hardmax', [x] as const, [y] as const, ([from], [to]) => {
    to.fill(0)
    for (let row = 0; row < rows; row++) {
      let best = row * length
      for (let i = best; i < (row + 1) * length; i++) if ((from[i] ?? 0) > (from[best] ?? 0)) best = i
      to[best] = 1
    }
  })
  return y
}

function byRows(compute: RowFunction): Lower {
  return function* (node, inputs) {
    const given = need(node, inputs, 0)
    const x = yield* asFloat32(node, given)
    const rank = x.dims.length
    const coerced = node.opset < 13
    const axis = resolveAxis(node.op, node.attributes.int('axis', coerced ? 1 : -1), Math.max(1, rank))
    const result = yield* over(x, coerced ? Array.from({ length: rank - axis }, (_, i) => axis + i) : [axis], compute)
    return [given.type === 'float32' ? result : yield* fromFloat32(node, result, given)]
  }
}

function* over(
  x: TypedValue<'float32'>,
  axes: readonly number[],
  compute: RowFunction,
): Lowering<TypedValue<'float32'>> {
  const rank = x.dims.length
  const length = sizeOf(axes.map((axis) => x.dims[axis] ?? 1))
  if (sizeOf(x.dims) === 0) return x
  const rows = sizeOf(x.dims) / length
  // In place where the axes are the last ones in memory.
  const [axis = 0] = axes
  if (axes.length === 1 && storageOrder(rank, x.format).at(-1) === axis)
    return computed('float32', x.dims, yield* compute(x.data, rows, length), x.format)
  const moved = yield* moveAxesLast(yield* contiguous(x), axes)
  const data = yield* compute(moved.data, rows, length)
  return yield* moveAxesBack(computed('float32', moved.dims, data), axes, x.dims)
}

function* asFloat32(node: GraphNode, x: Value): Lowering<TypedValue<'float32'>> {
  if (x.type === 'float32') return x
  if (!isFloat(x.type)) throw wrong(node, `an input of ${x.type}`)
  const { read } = codecOf(x.type)
  return (yield* onHost(node, 'to float32', 'float32', [x], (e) =>
    Math.fround(Number(read(e))),
  )) as TypedValue<'float32'>
}

function* fromFloat32(node: GraphNode, y: TypedValue<'float32'>, like: Value): Lowering<Value> {
  if (like.type === 'string') throw wrong(node, 'an input of strings')
  const { write } = codecOf(like.type)
  return yield* onHost(node, `to ${like.type}`, like.type, [y], (e) => write(e))
}

export const softmaxes: Operators = {
  Softmax: byRows(softmaxRows),
  LogSoftmax: byRows(logSoftmaxRows),
  Hardmax: byRows(hardmaxRows),
}
