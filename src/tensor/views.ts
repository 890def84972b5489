/** Shape arithmetic of reshape and permute. */
import { ShapeError, show } from '../errors'
import { checkShape, resolveAxis, shapeText, sizeOf, type Shape } from './shape'

/** Resolves the target of a reshape: one size may be -1; the number of elements must stay. */
export function resolveReshape(op: string, from: Shape, to: unknown): Shape {
  if (!Array.isArray(to))
    throw new ShapeError({ op, argument: 'shape', expected: 'an array of sizes', received: show(to) })
  const sizes = to as readonly unknown[]
  const holes = sizes.filter((length) => length === -1).length
  if (holes > 1)
    throw new ShapeError({ op, argument: 'shape', expected: 'a shape with at most one -1', received: show(to) })
  const rest = sizes.map((length) => (length === -1 ? 1 : length))
  checkShape(op, rest)
  const size = sizeOf(from)
  const known = sizeOf(rest)
  const fits = holes === 0 ? known === size : known > 0 && size % known === 0
  if (!fits)
    throw new ShapeError({
      op,
      argument: 'shape',
      expected: `a shape of ${String(size)} elements, as ${shapeText(from)} has`,
      received: show(to),
    })
  return sizes.map((length, axis) => (length === -1 ? size / known : (rest[axis] ?? 0)))
}

/** Refuses what is not a permutation of the axes; negative axes count from the end. */
export function checkPermutation(op: string, axes: unknown, rank: number): readonly number[] {
  if (!Array.isArray(axes) || axes.length !== rank)
    throw new ShapeError({ op, argument: 'axes', expected: `an array of ${String(rank)} axes`, received: show(axes) })
  const order = axes.map((axis: unknown, i) => resolveAxis(op, axis, rank, `axes[${String(i)}]`))
  if (new Set(order).size !== rank)
    throw new ShapeError({ op, argument: 'axes', expected: 'every axis once', received: show(axes) })
  return order
}
