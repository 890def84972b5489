/** Shape arithmetic of reductions. */
import { ArgumentError, show } from '../../errors'
import { resolveAxis, sizeOf, type Shape } from '../../tensor/shape'
import { checkBoolean, checkOptions } from '../options'

/** Axes to reduce: one, several, or all of them where absent. */
export type Dims = number | readonly number[]

/** Options of reductions. */
export interface ReduceOptions {
  /** Whether reduced axes stay, with size 1. @defaultValue false */
  readonly keepDim?: boolean
}

/** A reduction against its input. */
export interface ReducePlan {
  /** Axes that stay, then axes that go, each ascending. */
  readonly kept: readonly number[]
  readonly reduced: readonly number[]
  /** Number of results, and of elements that each is made from. */
  readonly rows: number
  readonly length: number
  readonly shape: Shape
}

/** Reads the axes and options of a reduction. */
export function readReduce(op: string, shape: Shape, dims: Dims | undefined, options: ReduceOptions): ReducePlan {
  checkOptions(op, options, ['keepDim'])
  const { keepDim = false } = options
  checkBoolean(op, 'options.keepDim', keepDim)
  const axes = shape.map((_, axis) => axis)
  const given: unknown = dims ?? axes
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const chosen = new Set(list.map((dim, i) => resolveAxis(op, dim, shape.length, `dims[${String(i)}]`)))
  if (chosen.size !== list.length)
    throw new ArgumentError({ op, argument: 'dims', expected: 'axes that differ', received: show(given) })
  const reduced = axes.filter((axis) => list.length === 0 || chosen.has(axis))
  const kept = axes.filter((axis) => !reduced.includes(axis))
  const sizes = (of: readonly number[]): Shape => of.map((axis) => shape[axis] ?? 1)
  return {
    kept,
    reduced,
    rows: sizeOf(sizes(kept)),
    length: sizeOf(sizes(reduced)),
    shape: keepDim ? shape.map((length, axis) => (reduced.includes(axis) ? 1 : length)) : sizes(kept),
  }
}
