/** Parity rows of data movement. */
import fc from 'fast-check'
import type { Elements } from '../../src/backend/contract'
import { row, type Rows } from './case'
import { extent } from './geometry'
import type { Source } from './random'

type ElementName = 'float32' | 'int32' | 'int64' | 'uint8' | 'int8'

/** An array of any bits. */
function elements(name: ElementName, length: number, source: Source): Elements {
  const array = blank(name, length, source)
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let i = 0; i < bytes.length;) {
    const bits = source.bits()
    for (const shift of [0, 8, 16, 24]) if (i < bytes.length) bytes[i++] = bits >>> shift
  }
  return array
}

function blank(name: ElementName, length: number, source: Source): Elements {
  switch (name) {
    case 'float32':
      return source.place(Float32Array, length)
    case 'int32':
      return source.place(Int32Array, length)
    case 'int64':
      return source.place(BigInt64Array, length)
    case 'uint8':
      return source.place(Uint8Array, length)
    case 'int8':
      return source.place(Int8Array, length)
  }
}

/** Dense strides over the axes in a random order, stretched by a step, some of them turned round. */
function strided(shape: readonly number[], repeats: boolean, source: Source): number[] {
  const strides = shape.map(() => 0)
  const axes = [...shape.keys()]
  let step = source.pick([1, 1, 2, 3])
  while (axes.length > 0) {
    const [at = 0] = axes.splice(source.pick([axes.length - 1, source.integer(0, axes.length - 1)]), 1)
    if (repeats && source.integer(0, 4) === 0) continue
    strides[at] = source.integer(0, 4) === 0 ? -step : step
    step *= Math.max(1, shape[at] ?? 1)
  }
  return strides
}

const shapes = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 }) },
  { weight: 1, arbitrary: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 6, maxLength: 8 }) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(3, 16, 17, 64), fc.constantFrom(1, 49, 300)),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(40_000, 100_001)) },
)

export const movementRows: Rows<'stridedCopy' | 'fold'> = {
  stridedCopy: row(
    fc.record({
      shape: shapes,
      name: fc.constantFrom<ElementName>('float32', 'int32', 'int64', 'uint8', 'int8'),
      dense: fc.boolean(),
    }),
    ({ shape, name, dense }, source) => {
      const xStrides = strided(shape, true, source)
      const yStrides = dense ? denseStrides(shape) : strided(shape, false, source)
      const [xLeast, xMost] = extent(shape, xStrides)
      const [yLeast, yMost] = extent(shape, yStrides)
      const [before, after] = [source.integer(0, 3), source.integer(0, 3)]
      return {
        x: elements(name, before - xLeast + xMost + 1, source),
        y: blank(name, before - yLeast + yMost + 1 + after, source),
        shape,
        xOffset: before - xLeast,
        xStrides,
        yOffset: before - yLeast,
        yStrides,
      }
    },
  ),
  fold: row(
    fc
      .record({
        batch: fc.nat(2),
        channels: fc.integer({ min: 1, max: 5 }),
        output: pair(fc.integer({ min: 1, max: 9 })),
        kernel: pair(fc.integer({ min: 1, max: 4 })),
        stride: pair(fc.integer({ min: 1, max: 3 })),
        dilation: pair(fc.integer({ min: 1, max: 2 })),
        padding: pair(fc.nat(3)),
        small: fc.boolean(),
      })
      .filter((fold) => blocksOf(fold, 0) >= 1 && blocksOf(fold, 1) >= 1),
    ({ small, ...fold }, source) => {
      const blocks: readonly [number, number] = [blocksOf(fold, 0), blocksOf(fold, 1)]
      const { batch, channels, output, kernel } = fold
      const images = batch * channels
      const x = source.floats(images * kernel[0] * kernel[1] * blocks[0] * blocks[1], small ? 'small' : 'bits')
      return { x, y: source.place(Float32Array, images * output[0] * output[1]), blocks, ...fold }
    },
  ),
}

function denseStrides(shape: readonly number[]): number[] {
  let step = 1
  return shape
    .toReversed()
    .map((length) => {
      const stride = step
      step *= length
      return stride
    })
    .reverse()
}

type Pair = readonly [number, number]

function pair(sizes: fc.Arbitrary<number>): fc.Arbitrary<Pair> {
  return fc.tuple(sizes, sizes)
}

interface FoldAxes {
  readonly output: Pair
  readonly kernel: Pair
  readonly stride: Pair
  readonly dilation: Pair
  readonly padding: Pair
}

function blocksOf({ output, kernel, stride, dilation, padding }: FoldAxes, axis: 0 | 1): number {
  return Math.floor((output[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1
}
