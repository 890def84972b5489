/** Moves storage between memory formats, axes orders and shapes: the steps that `Tensor` and `QTensor` share. */
import type { Elements } from '../backend/contract'
import { step, type Steps } from '../backend/steps'
import { sizeOf, storageOrder, stridesOf, type MemoryFormat, type Shape } from './shape'

/** A dense block of elements with its logical shape. */
export interface Block<A extends Elements> {
  readonly storage: A
  readonly shape: Shape
  readonly memoryFormat: MemoryFormat
}

/** Whether the two formats store this shape in the same order, so that relabelling is all a conversion needs. */
export function sameOrder(shape: Shape, a: MemoryFormat, b: MemoryFormat): boolean {
  if (a === b) return true
  const [, channels = 1, ...spatial] = shape
  return channels === 1 || spatial.every((length) => length === 1)
}

/** The elements in another memory format; the same array where the order does not change. */
export function* reformatSteps<A extends Elements>(
  block: Block<A>,
  format: MemoryFormat,
  make: (length: number) => A,
): Steps<A> {
  const { shape, storage } = block
  if (sameOrder(shape, block.memoryFormat, format)) return storage
  const y = make(storage.length)
  const from = stridesOf(shape, block.memoryFormat)
  const order = storageOrder(shape.length, format)
  const to = stridesOf(shape, format)
  yield step('stridedCopy', {
    x: storage,
    y,
    shape: order.map((axis) => shape[axis] ?? 1),
    xOffset: 0,
    xStrides: order.map((axis) => from[axis] ?? 0),
    yOffset: 0,
    yStrides: order.map((axis) => to[axis] ?? 0),
  })
  return y
}

/** The elements with their axes in the order `axes`, row-major. */
export function* permuteSteps<A extends Elements>(
  block: Block<A>,
  axes: readonly number[],
  make: (length: number) => A,
): Steps<A> {
  const from = stridesOf(block.shape, block.memoryFormat)
  const shape = axes.map((axis) => block.shape[axis] ?? 1)
  const y = make(sizeOf(shape))
  yield step('stridedCopy', {
    x: block.storage,
    y,
    shape,
    xOffset: 0,
    xStrides: axes.map((axis) => from[axis] ?? 0),
    yOffset: 0,
    yStrides: stridesOf(shape, 'contiguous'),
  })
  return y
}
