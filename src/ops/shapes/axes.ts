/** Spatial axes: paddings, the three of the kernels, and how a shape divides into batch, channels and space. */
import type { Dims3 } from '../../backend/contract'
import { ArgumentError, ShapeError, show } from '../../errors'
import { checkShape, shapeText, type Shape } from '../../tensor/shape'
import { checkWhole, readPerAxis, type PerAxis } from '../options'

/** Number of spatial axes of a convolution or pool. */
export type SpatialAxes = 1 | 2 | 3

/**
 * Padding of the spatial axes: one number for all, one per axis, a `[before, after]` pair per axis, `'valid'` (none), or
 * `'same'` (as many outputs as inputs, stride 1; an odd one goes behind).
 */
export type Padding = PerAxis | readonly (readonly [before: number, after: number])[] | 'same' | 'valid'

/** Padding before and behind one axis. */
export type PadPair = readonly [before: number, after: number]

/** The kernels' triple of axes: leading ones are filled where there are fewer. */
export function dims3(values: readonly number[], fill: number): Dims3 {
  const [depth = fill, height = fill, width = fill] = [...new Array<number>(3 - values.length).fill(fill), ...values]
  return [depth, height, width]
}

/** Resolves a padding into pairs. `reach` is what `'same'` has to fill per axis; null where it cannot be asked for. */
export function readPadding(
  op: string,
  argument: string,
  value: unknown,
  axes: number,
  reach: readonly number[] | null,
): PadPair[] {
  if (value === 'valid') return Array.from({ length: axes }, () => [0, 0] as const)
  if (value === 'same') {
    if (reach === null)
      throw new ArgumentError({
        op,
        argument,
        expected: "numbers or 'valid' where a stride is not 1",
        received: "'same'",
        hint: 'Give the padding as [before, after] pairs, one per axis.',
      })
    return reach.map((total) => [Math.floor(total / 2), Math.ceil(total / 2)] as const)
  }
  if (typeof value === 'string')
    throw new ArgumentError({ op, argument, expected: "numbers, 'same' or 'valid'", received: show(value) })
  if (!Array.isArray(value) || !value.some(Array.isArray))
    return readPerAxis(op, argument, value, axes, 0).map((size) => [size, size] as const)
  if (value.length !== axes)
    throw new ShapeError({
      op,
      argument,
      expected: `${String(axes)} pairs, one per spatial axis`,
      received: show(value),
    })
  return value.map((item: unknown, axis) => {
    const name = `${argument}[${String(axis)}]`
    if (!Array.isArray(item) || item.length !== 2)
      throw new ShapeError({ op, argument: name, expected: 'a pair [before, after]', received: show(item) })
    const [before, after] = item as readonly unknown[]
    checkWhole(op, `${name}[0]`, before, 0)
    checkWhole(op, `${name}[1]`, after, 0)
    return [before, after] as const
  })
}

/** A shape as batch, channels and space. */
export interface ImageShape {
  readonly batch: number
  readonly channels: number
  readonly spatial: readonly number[]
  /** Whether the shape has a batch axis. */
  readonly batched: boolean
}

const names = { 1: ['L'], 2: ['H', 'W'], 3: ['D', 'H', 'W'] } as const

/** Reads `[N, C, space…]` (or `[C, space…]` where `unbatched` allows it); an empty spatial axis is refused. */
export function readImage(op: string, shape: Shape, axes: SpatialAxes, unbatched: boolean): ImageShape {
  const batched = shape.length === axes + 2
  if (!batched && !(unbatched && shape.length === axes + 1))
    throw new ShapeError({
      op,
      argument: 'x',
      expected: `of shape [N, C, ${names[axes].join(', ')}]${unbatched ? ` or [C, ${names[axes].join(', ')}]` : ''}`,
      received: shapeText(shape),
      ...(shape.length === axes + 1 && { hint: `Give it a batch axis: x.reshape([1, ${shape.join(', ')}]).` }),
    })
  const [batch = 1, channels = 1, ...spatial] = batched ? shape : [1, ...shape]
  if (spatial.includes(0))
    throw new ShapeError({
      op,
      argument: 'x',
      expected: 'of a shape whose spatial sizes are at least 1',
      received: shapeText(shape),
    })
  return { batch, channels, spatial, batched }
}

/** The image's shape with other channels and space: what the op returns. Refuses one too large before it is allocated. */
export function imageShape(op: string, image: ImageShape, channels: number, spatial: readonly number[]): Shape {
  const shape = image.batched ? [image.batch, channels, ...spatial] : [channels, ...spatial]
  checkShape(op, shape, 'the output shape')
  return shape
}

/**
 * Number of windows along an axis: kernel and paddings must leave at least one. With `ceil` a last window may begin
 * inside the input or the padding before it, and reach beyond the end (PyTorch's `ceil_mode`).
 */
export function windowCount(
  op: string,
  axis: number,
  { size, kernel, stride, dilation, pad }: AxisWindow,
  ceil: boolean,
): number {
  const reach = dilation * (kernel - 1) + 1
  const padded = size + pad[0] + pad[1]
  if (padded > 2147483647)
    throw new ShapeError({
      op,
      argument: 'options.padding',
      expected: `such that the padded size of spatial axis ${String(axis)} stays below 2^31`,
      received: `${String(size)} + ${String(pad[0])} + ${String(pad[1])}`,
    })
  if (reach > padded)
    throw new ShapeError({
      op,
      message:
        `the kernel is larger than the padded input along spatial axis ${String(axis)}: ` +
        `it reaches over ${String(reach)} (kernel ${String(kernel)}, dilation ${String(dilation)}), the input has ` +
        `${String(padded)} (${String(size)}, padding ${String(pad[0])} + ${String(pad[1])})`,
      hint: 'Pass a larger input, more padding, or a smaller kernel or dilation.',
    })
  const span = padded - reach
  if (!ceil) return Math.floor(span / stride) + 1
  const count = Math.ceil(span / stride) + 1
  return (count - 1) * stride >= size + pad[0] ? count - 1 : count
}

/** One axis of a convolution or pool. */
export interface AxisWindow {
  readonly size: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly pad: PadPair
}
