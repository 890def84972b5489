/** Parity rows of data movement. */
import fc from 'fast-check'
import type { Elements } from '../../src/backend/contract'
import { row, type Rows } from './case'
import { extent } from './geometry'
import type { Source } from './random'

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
}
type ElementName = keyof typeof arrays
const elementNames = fc.constantFrom(...(Object.keys(arrays) as ElementName[]))

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
  return source.place<Elements>(arrays[name], length)
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

export const movementRows: Rows<'stridedCopy' | 'gather' | 'resample' | 'fold'> = {
  stridedCopy: row(
    fc.record({
      shape: shapes,
      name: elementNames,
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
  gather: row(
    fc.record({
      outer: fc.nat(4),
      axis: fc.constantFrom(1, 2, 5, 40),
      inner: fc.constantFrom(1, 1, 2, 3, 17, 300),
      picks: fc.constantFrom(0, 1, 3, 33, 1000),
      name: elementNames,
    }),
    ({ outer, axis, inner, picks, name }, source) => {
      const x = elements(name, outer * axis * inner, source)
      const indices = source.integers(picks, -axis, axis - 1)
      return { x, y: blank(name, outer * picks * inner, source), outer, axis, inner, indices }
    },
  ),
  resample: row(
    fc.record({
      outer: fc.nat(3),
      inLength: fc.constantFrom(1, 2, 7, 30),
      outLength: fc.constantFrom(0, 1, 5, 61),
      inner: fc.constantFrom(1, 1, 3, 16, 130),
      taps: fc.integer({ min: 1, max: 5 }),
      fill: fc.constantFrom<'small' | 'bits'>('small', 'bits'),
    }),
    ({ outer, inLength, outLength, inner, taps, fill }, source) => {
      const x = source.floats(outer * inLength * inner, fill)
      const indices = source.integers(outLength * taps, 0, inLength - 1)
      const weights = source.floats(outLength * taps, 'small')
      const y = source.place(Float32Array, outer * outLength * inner)
      return { x, y, outer, inLength, outLength, inner, taps, indices, weights }
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
