/** Joining, padding and flattening of blocks: what float and quantized ops share, whatever the elements are. */
import type { Elements } from '../backend/contract'
import { step, type Steps } from '../backend/steps'
import { ArgumentError, ShapeError, show } from '../errors'
import { reformatSteps, type Block } from '../tensor/movement'
import { checkShape, resolveAxis, shapeText, sizeOf, stridesOf, type MemoryFormat, type Shape } from '../tensor/shape'
import { checkOptions } from './options'

/** Options of `flatten`. */
export interface FlattenOptions {
  /** First axis to join. @defaultValue 0 */
  readonly startDim?: number
  /** Last axis to join; negative counts from the end. @defaultValue -1 */
  readonly endDim?: number
}

/** The first of a list of tensors; anything but a list, and an empty one, is refused. */
export function firstOf<T>(op: string, tensors: readonly T[]): T {
  const given: unknown = tensors
  const first = Array.isArray(given) ? tensors[0] : undefined
  if (first === undefined)
    throw new ArgumentError({
      op,
      argument: 'tensors',
      expected: 'an array of at least one tensor',
      received: show(given),
    })
  return first
}

/** The shape of a concatenation, and the axis resolved. */
export function catShape(
  op: string,
  first: Shape,
  shapes: readonly Shape[],
  dim: number,
): { readonly axis: number; readonly shape: Shape } {
  const axis = resolveAxis(op, dim, first.length, 'dim')
  shapes.forEach((shape, i) => {
    if (shape.length !== first.length || shape.some((length, a) => a !== axis && length !== first[a]))
      throw new ShapeError({
        op,
        argument: `tensors[${String(i)}]`,
        expected: `of the shape of tensors[0], ${shapeText(first)}, but for axis ${String(axis)}`,
        received: shapeText(shape),
      })
  })
  const shape = first.map((length, a) => (a === axis ? shapes.reduce((sum, s) => sum + (s[a] ?? 0), 0) : length))
  checkShape(op, shape, 'the output shape')
  return { axis, shape }
}

/** Copies a block into its place along `axis` of a larger one, beginning at index `begin`. */
export function* placeSteps<A extends Elements>(
  block: Block<A>,
  y: A,
  target: { readonly shape: Shape; readonly memoryFormat: MemoryFormat },
  axis: number,
  begin: number,
): Steps<void> {
  if (block.storage.length === 0) return
  const yStrides = stridesOf(target.shape, target.memoryFormat)
  yield step('stridedCopy', {
    x: block.storage,
    y,
    shape: block.shape,
    xOffset: 0,
    xStrides: stridesOf(block.shape, block.memoryFormat),
    yOffset: begin * (yStrides[axis] ?? 0),
    yStrides,
  })
}

/** The shape with the axes from `startDim` to `endDim` joined. */
export function flattenShape(op: string, shape: Shape, options: FlattenOptions): Shape {
  checkOptions(op, options, ['startDim', 'endDim'])
  const { startDim = 0, endDim = -1 } = options
  if (shape.length === 0) return [1]
  const start = resolveAxis(op, startDim, shape.length, 'options.startDim')
  const end = resolveAxis(op, endDim, shape.length, 'options.endDim')
  if (start > end)
    throw new ShapeError({
      op,
      argument: 'options.startDim',
      expected: `at most endDim (axis ${String(end)})`,
      received: `axis ${String(start)}`,
    })
  return [...shape.slice(0, start), sizeOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)]
}

/** The elements in row-major order, which flattening relabels. */
export function rowMajorSteps<A extends Elements>(block: Block<A>, make: (length: number) => A): Steps<A> {
  return reformatSteps(block, 'contiguous', make)
}

/**
 * A block with elements added (or, where negative, taken away) at the ends of its last axes.
 *
 * @param pads - `[before, after]` of the last axis, then of the one before it, and so on: PyTorch's order.
 */
export function* padSteps<A extends Elements>(
  op: string,
  block: Block<A>,
  pads: readonly number[],
  fill: (length: number) => A,
): Steps<{ readonly y: A; readonly shape: Shape }> {
  const { shape, memoryFormat } = block
  const rank = shape.length
  const given: unknown = pads
  if (!Array.isArray(given) || given.length % 2 !== 0 || given.length > 2 * rank)
    throw new ShapeError({
      op,
      argument: 'pads',
      expected: `pairs [before, after] for at most ${String(rank)} axes, the last one first`,
      received: show(given),
    })
  pads.forEach((size, i) => {
    if (!Number.isInteger(size) || Math.abs(size) > 2147483647)
      throw new ShapeError({ op, argument: `pads[${String(i)}]`, expected: 'a whole number', received: show(size) })
  })
  const before = shape.map((_, axis) => pads[2 * (rank - 1 - axis)] ?? 0)
  const result = shape.map((length, axis) => length + (before[axis] ?? 0) + (pads[2 * (rank - 1 - axis) + 1] ?? 0))
  if (result.some((length) => length < 0))
    throw new ShapeError({
      op,
      argument: 'pads',
      expected: `such that something is left of ${shapeText(shape)}`,
      received: show(given),
    })
  checkShape(op, result, 'the output shape')
  const y = fill(sizeOf(result))
  // Along each axis the copy runs from the first input element that stays to the last.
  const first = before.map((size) => Math.max(0, -size))
  const count = shape.map((length, axis) => {
    const begin = before[axis] ?? 0
    return Math.min(length, (result[axis] ?? 0) - begin) - (first[axis] ?? 0)
  })
  if (y.length > 0 && count.every((length) => length > 0)) {
    const xStrides = stridesOf(shape, memoryFormat)
    const yStrides = stridesOf(result, memoryFormat)
    const offset = (strides: readonly number[], starts: readonly number[]): number =>
      starts.reduce((sum, start, axis) => sum + start * (strides[axis] ?? 0), 0)
    yield step('stridedCopy', {
      x: block.storage,
      y,
      shape: count,
      xOffset: offset(xStrides, first),
      xStrides,
      yOffset: offset(
        yStrides,
        before.map((size) => Math.max(0, size)),
      ),
      yStrides,
    })
  }
  return { y, shape: result }
}
