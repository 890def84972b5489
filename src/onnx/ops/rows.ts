/** Brings axes to the end, so that what is computed over them lies in rows. */
import type { Lowering } from '../../runtime/steps'
import { computed, type Value } from '../../runtime/value'
import { sizeOf, stridesOf, type Shape } from '../../tensor/shape'
import { allocateElements } from '../types'
import { copyBlock } from './strided'

type Numeric = Exclude<Value, { readonly type: 'string' }>

/** The value with `axes` behind all others, row-major; itself where they are there. */
export function* moveAxesLast<V extends Numeric>(value: V, axes: readonly number[]): Lowering<V> {
  const rank = value.dims.length
  const kept = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !axes.includes(axis))
  return yield* inOrder(value, [...kept, ...axes], stridesOf(value.dims, value.format))
}

/** The way back: `value` has `axes` behind all others; the result has the sizes `dims`. */
export function* moveAxesBack<V extends Numeric>(value: V, axes: readonly number[], dims: Shape): Lowering<V> {
  const kept = dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
  const order = [...kept, ...axes]
  const back = dims.map((_, axis) => order.indexOf(axis))
  return yield* inOrder(value, back, stridesOf(value.dims, 'contiguous'))
}

function* inOrder<V extends Numeric>(value: V, order: readonly number[], from: readonly number[]): Lowering<V> {
  const dims = order.map((axis) => value.dims[axis] ?? 1)
  const strides = order.map((axis) => from[axis] ?? 0)
  const to = stridesOf(dims, 'contiguous')
  if (dims.every((size, axis) => size === 1 || strides[axis] === to[axis]))
    return { ...value, dims, format: 'contiguous' }
  const data = allocateElements(value.type, sizeOf(dims))
  yield* copyBlock(dims, { data: value.data, offset: 0, strides }, { data, offset: 0, strides: to })
  return computed(value.type, dims, data as never) as V
}
