/** Shapes: validation, sizes, strides and the two memory formats. */
import { ShapeError, show } from '../errors'

/** Sizes of a tensor's axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[]

/**
 * How a tensor's elements lie in memory. Shapes are always logical (`[N, C, …]`); `channelsLast` stores the channel
 * axis innermost (`[N, …, C]`) and exists for ranks 3 to 5. PyTorch's `contiguous_format` and `channels_last`.
 */
export type MemoryFormat = 'contiguous' | 'channelsLast'

/** Largest rank of a tensor. */
export const maxRank = 8
/** Largest number of elements of a tensor: what an int32 index reaches. */
export const maxElements = 2147483647

/** Refuses what is not a shape: not an array, rank over 8, sizes that are not whole numbers >= 0, 2^31 elements or more. */
export function checkShape(op: string, shape: unknown, argument = 'shape'): asserts shape is Shape {
  if (!Array.isArray(shape))
    throw new ShapeError({ op, argument, expected: 'an array of sizes', received: show(shape) })
  if (shape.length > maxRank)
    throw new ShapeError({
      op,
      argument,
      expected: `of rank ${String(maxRank)} at most`,
      received: `rank ${String(shape.length)}`,
    })
  let zero = false
  let size = 1
  for (let axis = 0; axis < shape.length; axis++) {
    const length: unknown = shape[axis]
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0)
      throw new ShapeError({
        op,
        argument: `${argument}[${String(axis)}]`,
        expected: 'a whole number of at least 0',
        received: show(length),
      })
    if (length > maxElements) throw tooLarge(op, argument, shape)
    if (length === 0) zero = true
    else size *= length
    if (size > maxElements && !zero) {
      if (!shape.includes(0)) throw tooLarge(op, argument, shape)
      zero = true
    }
  }
}

function tooLarge(op: string, argument: string, shape: unknown): ShapeError {
  return new ShapeError({
    op,
    argument,
    expected: `a shape of at most ${String(maxElements)} elements`,
    received: show(shape),
    hint: 'Split the tensor along its first axis.',
  })
}

/** Number of elements of a valid shape. */
export function sizeOf(shape: Shape): number {
  let size = 1
  // By index: V8's iterator over a frozen array is slow, and every op asks for sizes.
  // eslint-disable-next-line @typescript-eslint/prefer-for-of
  for (let axis = 0; axis < shape.length; axis++) size *= shape[axis] ?? 1
  return size
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false
  return true
}

/** Strides, in elements, of a dense tensor of this shape in this memory format, by logical axis. */
export function stridesOf(shape: Shape, format: MemoryFormat): number[] {
  const strides = new Array<number>(shape.length).fill(0)
  let step = 1
  for (const axis of storageOrder(shape.length, format).reverse()) {
    strides[axis] = step
    step *= shape[axis] ?? 1
  }
  return strides
}

/** Logical axes in the order in which they are stored, outermost first. */
export function storageOrder(rank: number, format: MemoryFormat): number[] {
  const axes = Array.from({ length: rank }, (_, axis) => axis)
  if (format === 'channelsLast') axes.push(...axes.splice(1, 1))
  return axes
}

/** Resolves an axis that may be negative (counted from the end), or refuses it. */
export function resolveAxis(op: string, axis: unknown, rank: number, argument = 'axis'): number {
  if (typeof axis !== 'number' || !Number.isInteger(axis) || axis < -rank || axis >= rank)
    throw new ShapeError({
      op,
      argument,
      expected:
        rank === 0 ? 'an axis, and a scalar has none' : `a whole number from ${String(-rank)} to ${String(rank - 1)}`,
      received: show(axis),
    })
  return axis < 0 ? axis + rank : axis
}

/** Refuses a memory format that does not exist or that the rank does not have. */
export function checkMemoryFormat(op: string, format: unknown, rank: number): asserts format is MemoryFormat {
  if (format !== 'contiguous' && format !== 'channelsLast')
    throw new ShapeError({
      op,
      argument: 'memoryFormat',
      expected: "'contiguous' or 'channelsLast'",
      received: show(format),
    })
  if (format === 'channelsLast' && (rank < 3 || rank > 5))
    throw new ShapeError({
      op,
      argument: 'memoryFormat',
      expected: "'contiguous' for a tensor of this rank ('channelsLast' exists for ranks 3 to 5)",
      received: `'channelsLast' with rank ${String(rank)}`,
    })
}

/** Writes a shape as PyTorch does: `[1, 3, 28, 28]`. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`
}
