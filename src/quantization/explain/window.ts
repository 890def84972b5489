/** Which elements of x and w an output element is the sum of. */
import type { ConvParams } from '../../ops/shapes/conv'
import { ShapeError, show } from '../../errors'
import type { Shape } from '../../tensor/shape'

/** Positions of one product, both logical. */
export interface Position {
  readonly xIndex: readonly number[] | undefined
  readonly wIndex: readonly number[]
}

/** Refuses an index that is not one of the output's elements. */
export function checkIndex(op: string, index: unknown, shape: Shape): asserts index is readonly number[] {
  const fits =
    Array.isArray(index) &&
    index.length === shape.length &&
    index.every((at, axis) => Number.isInteger(at) && at >= 0 && at < (shape[axis] ?? 0))
  if (!fits)
    throw new ShapeError({
      op,
      argument: 'options.index',
      expected: `one of the elements of the output, whose shape is [${shape.join(', ')}]`,
      received: show(index),
    })
}

/** The positions of a convolution's window, input channels outermost, in the order of the weight's own axes. */
export function convWindow(index: readonly number[], xShape: Shape, params: ConvParams): Position[] {
  const [batch = 0, channel = 0, ...at] = index
  const { inPerGroup, outChannels, groups, kernel, stride, dilation, padding } = params
  const firstChannel = Math.floor(channel / (outChannels / groups)) * inPerGroup
  const positions: Position[] = []
  for (let c = 0; c < inPerGroup; c++)
    for (const tap of indices(kernel)) {
      const space = tap.map(
        (k, axis) => (at[axis] ?? 0) * (stride[axis] ?? 1) - (padding[axis]?.[0] ?? 0) + k * (dilation[axis] ?? 1),
      )
      const inside = space.every((value, axis) => value >= 0 && value < (xShape[axis + 2] ?? 0))
      positions.push({
        xIndex: inside ? [batch, firstChannel + c, ...space] : undefined,
        wIndex: [channel, c, ...tap],
      })
    }
  return positions
}

/** The positions of a linear layer's row. */
export function linearWindow(index: readonly number[], inFeatures: number): Position[] {
  const row = index.slice(0, -1)
  const channel = index.at(-1) ?? 0
  return Array.from({ length: inFeatures }, (_, k) => ({ xIndex: [...row, k], wIndex: [channel, k] }))
}

/** Every index of a shape, the last axis fastest. */
function* indices(shape: Shape): Generator<number[]> {
  const size = shape.reduce((product, length) => product * length, 1)
  for (let i = 0; i < size; i++) {
    const index = new Array<number>(shape.length)
    for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
      const length = shape[axis] ?? 1
      index[axis] = rest % length
      rest = Math.floor(rest / length)
    }
    yield index
  }
}

/** The element of a row-major array at an index. */
export function at(data: ArrayLike<number>, shape: Shape, index: readonly number[]): number {
  let offset = 0
  index.forEach((value, axis) => {
    offset = offset * (shape[axis] ?? 1) + value
  })
  return data[offset] ?? 0
}
