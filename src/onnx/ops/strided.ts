/** Copies of elements by strides, in whichever format and type a value is. */
import { step } from '../../backend/steps'
import type { Lowering } from '../../runtime/steps'
import { allocateElements, type NumericArray, type NumericType } from '../types'
import { stridesOf, type MemoryFormat, type Shape } from '../../tensor/shape'

/** A block of elements in an array: every index of `shape`, from `offset` on. */
export interface Strided {
  readonly data: NumericArray
  readonly offset: number
  readonly strides: readonly number[]
}

/** Copies one block onto another of the same shape, in the order in which the target lies in memory. */
export function* copyBlock(shape: Shape, from: Strided, to: Strided): Lowering<void> {
  if (shape.includes(0)) return
  const order = shape.map((_, axis) => axis).sort((a, b) => (to.strides[b] ?? 0) - (to.strides[a] ?? 0) || a - b)
  yield step('stridedCopy', {
    x: from.data,
    y: to.data,
    shape: order.map((axis) => shape[axis] ?? 1),
    xOffset: from.offset,
    xStrides: order.map((axis) => from.strides[axis] ?? 0),
    yOffset: to.offset,
    yStrides: order.map((axis) => to.strides[axis] ?? 0),
  })
}

/** A new array of this shape and format, all of one element, as a constant array holds it. */
export function* filled(
  type: NumericType,
  dims: Shape,
  format: MemoryFormat,
  element: NumericArray,
): Lowering<NumericArray> {
  const length = dims.reduce((a, b) => a * b, 1)
  const y = allocateElements(type, length)
  yield* copyBlock(
    dims,
    { data: element, offset: 0, strides: dims.map(() => 0) },
    { data: y, offset: 0, strides: stridesOf(dims, format) },
  )
  return y
}
