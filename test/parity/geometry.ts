/** Shapes for parity cases: convolutions, pooling windows, broadcasts, strided views. */
import fc from 'fast-check'
import type { Broadcast, ConvGeometry, Dims3, PoolWindows } from '../../src/backend/contract'
import type { Source } from './random'

export type Draw<T> = fc.Arbitrary<T>

export const seeds: Draw<number> = fc.integer()

/** Lengths of rows around the kernels' own tiles, and some that are long enough to be split among threads. */
export const lengths: Draw<number> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129, 255, 257),
  },
  { weight: 4, arbitrary: fc.nat(300) },
  { weight: 1, arbitrary: fc.constantFrom(4099, 20011, 70001) },
)

/** Sizes of an axis of channels or features. */
export const channelCounts: Draw<number> = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 9 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(11, 13, 15, 16, 17, 23, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 127, 128, 129),
  },
)

/** Depths of a sum: every residue modulo 64, and the deepest that int32 holds. */
export const depths: Draw<number> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 150 }) },
  { weight: 2, arbitrary: fc.constantFrom(255, 256, 257, 511, 1023) },
  { weight: 1, arbitrary: fc.constant(33025) },
)

interface AxisDraw {
  readonly input: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly before: number
  readonly after: number
}

function axis(largest: number): Draw<AxisDraw> {
  return fc
    .record({
      input: fc.integer({ min: 1, max: largest }),
      kernel: fc.oneof(fc.constantFrom(1, 3), fc.integer({ min: 1, max: 5 })),
      stride: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 })),
      dilation: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3 })),
      before: fc.oneof(fc.nat(2), fc.nat(7)),
      after: fc.oneof(fc.nat(2), fc.nat(7)),
    })
    .filter((drawn) => outputOf(drawn) >= 1)
}

function outputOf({ input, kernel, stride, dilation, before, after }: AxisDraw): number {
  return Math.floor((input + before + after - dilation * (kernel - 1) - 1) / stride) + 1
}

const flat: AxisDraw = { input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 }
const spatial: Draw<readonly [AxisDraw, AxisDraw, AxisDraw]> = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(fc.constant(flat), fc.constant(flat), axis(60)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant(flat), axis(14), axis(14)) },
  { weight: 1, arbitrary: fc.tuple(axis(5), axis(6), axis(6)) },
)

/** Groups with the channels in and out of each: dense, grouped, few at a time, depthwise (with a multiplier). */
const grouping: Draw<{ groups: number; inPerGroup: number; outPerGroup: number }> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ groups: fc.constant(1), inPerGroup: channelCounts, outPerGroup: channelCounts }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      groups: fc.integer({ min: 2, max: 5 }),
      inPerGroup: fc.integer({ min: 1, max: 20 }),
      outPerGroup: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ groups: fc.integer({ min: 2, max: 40 }), size: fc.constantFrom(2, 4, 8) })
      .map(({ groups, size }) => ({ groups, inPerGroup: size, outPerGroup: size })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      groups: channelCounts,
      inPerGroup: fc.constant(1),
      outPerGroup: fc.constantFrom(1, 1, 1, 2, 3),
    }),
  },
)

/** Convolutions of at most `work` multiply-adds: 1-D to 3-D, any stride, dilation, grouping and padding. */
export function convolutions(work: number): Draw<ConvGeometry> {
  return fc
    .record({ batch: fc.constantFrom(1, 1, 1, 2, 3, 0), axes: spatial, grouping })
    .map(({ batch, axes, grouping: { groups, inPerGroup, outPerGroup } }): ConvGeometry => {
      const each = (read: (drawn: AxisDraw) => number): Dims3 => [read(axes[0]), read(axes[1]), read(axes[2])]
      return {
        batch,
        groups,
        inChannels: groups * inPerGroup,
        outChannels: groups * outPerGroup,
        input: each(({ input }) => input),
        output: each(outputOf),
        kernel: each(({ kernel }) => kernel),
        stride: each(({ stride }) => stride),
        dilation: each(({ dilation }) => dilation),
        padding: each(({ before }) => before),
      }
    })
    .filter((g) => g.batch * volume(g.output) * volume(g.kernel) * (g.inChannels / g.groups) * g.outChannels <= work)
}

interface TransposedAxisDraw {
  readonly input: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly cut: number
  /** Output pixels beyond what the input reaches; negative: cut off behind. */
  readonly more: number
}

function transposedAxis(largest: number): Draw<TransposedAxisDraw> {
  return fc
    .record({
      input: fc.integer({ min: 1, max: largest }),
      kernel: fc.oneof(fc.constantFrom(2, 3, 4), fc.integer({ min: 1, max: 6 })),
      stride: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 5 })),
      dilation: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 })),
      cut: fc.oneof(fc.nat(2), fc.nat(9)),
      more: fc.integer({ min: -3, max: 4 }),
    })
    .filter((drawn) => transposedOutput(drawn) >= 1)
}

function transposedOutput({ input, kernel, stride, dilation, cut, more }: TransposedAxisDraw): number {
  return (input - 1) * stride + dilation * (kernel - 1) + 1 - cut + more
}

const flatTransposed: TransposedAxisDraw = { input: 1, kernel: 1, stride: 1, dilation: 1, cut: 0, more: 0 }
const transposedSpatial: Draw<readonly [TransposedAxisDraw, TransposedAxisDraw, TransposedAxisDraw]> = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(fc.constant(flatTransposed), fc.constant(flatTransposed), transposedAxis(60)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant(flatTransposed), transposedAxis(9), transposedAxis(9)) },
  { weight: 1, arbitrary: fc.tuple(transposedAxis(4), transposedAxis(4), transposedAxis(5)) },
)

/** Transposed convolutions of at most `work` multiply-adds of the oracle, which visits every tap for every output. */
export function transposedConvolutions(work: number): Draw<ConvGeometry> {
  return fc
    .record({ batch: fc.constantFrom(1, 1, 1, 2, 3, 0), axes: transposedSpatial, grouping })
    .map(({ batch, axes, grouping: { groups, inPerGroup, outPerGroup } }): ConvGeometry => {
      const each = (read: (drawn: TransposedAxisDraw) => number): Dims3 => [read(axes[0]), read(axes[1]), read(axes[2])]
      return {
        batch,
        groups,
        inChannels: groups * inPerGroup,
        outChannels: groups * outPerGroup,
        input: each(({ input }) => input),
        output: each(transposedOutput),
        kernel: each(({ kernel }) => kernel),
        stride: each(({ stride }) => stride),
        dilation: each(({ dilation }) => dilation),
        padding: each(({ cut }) => cut),
      }
    })
    .filter((g) => g.batch * volume(g.output) * volume(g.kernel) * (g.inChannels / g.groups) * g.outChannels <= work)
}

export function volume([d, h, w]: Dims3): number {
  return d * h * w
}

/** Pooling windows: any start, count (0 too) and step that stay inside the input. */
export const poolings: Draw<{
  batch: number
  channels: number
  input: Dims3
  output: Dims3
  steps: Dims3
  global: boolean
}> = fc.record({
  batch: fc.constantFrom(1, 1, 2, 3, 0),
  channels: channelCounts,
  input: fc.tuple(fc.constantFrom(1, 1, 3), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 })),
  output: fc.tuple(fc.constantFrom(1, 1, 2), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  steps: fc.tuple(fc.constant(1), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  global: fc.boolean(),
})

export function windowsOf(
  { batch, channels, input, output, steps, global }: Omit<PoolWindows, 'starts' | 'counts'> & { global: boolean },
  source: Source,
): PoolWindows {
  const starts: [Int32Array, Int32Array, Int32Array] = [new Int32Array(0), new Int32Array(0), new Int32Array(0)]
  const counts: [Int32Array, Int32Array, Int32Array] = [new Int32Array(0), new Int32Array(0), new Int32Array(0)]
  for (const i of [0, 1, 2] as const) {
    const size = input[i]
    const step = global ? 1 : steps[i]
    const first = Int32Array.from({ length: output[i] }, () => (global ? 0 : source.integer(0, size - 1)))
    starts[i] = first
    counts[i] = first.map((at) => (global ? size : source.integer(0, Math.min(5, Math.ceil((size - at) / step)))))
  }
  return { batch, channels, input, output, starts, counts, steps: global ? [1, 1, 1] : steps }
}

/** Broadcasts: per axis and operand whether it repeats there, and whether a is transposed. */
export const broadcasts: Draw<{ shape: number[]; a: boolean[]; b: boolean[]; transposed: boolean }> = fc
  .oneof(
    fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 6 }),
    lengths.map((length) => [length]),
    fc.tuple(fc.constantFrom(2, 3), fc.constantFrom(5, 33, 64), fc.constantFrom(1, 16, 17, 100)),
  )
  .chain((shape) => {
    const flags = fc.array(fc.boolean(), { minLength: shape.length, maxLength: shape.length })
    const none = fc.constant(shape.map(() => false))
    return fc.record({
      shape: fc.constant([...shape]),
      a: fc.oneof(none, flags),
      b: fc.oneof(none, flags),
      transposed: fc.boolean(),
    })
  })

/** The strides of a broadcast, and how many elements a and b hold. */
export function broadcastOf({
  shape,
  a,
  b,
  transposed,
}: {
  shape: number[]
  a: boolean[]
  b: boolean[]
  transposed: boolean
}): {
  broadcast: Broadcast
  aLength: number
  bLength: number
} {
  const [aStrides, aLength] = denseStrides(shape, a, transposed)
  const [bStrides, bLength] = denseStrides(shape, b, false)
  return { broadcast: { shape, aStrides, bStrides }, aLength, bLength }
}

function denseStrides(shape: number[], repeats: boolean[], transposed: boolean): [strides: number[], length: number] {
  const strides = shape.map(() => 0)
  let length = 1
  const axes = [...shape.keys()]
  for (const i of transposed ? axes : axes.reverse()) {
    if (repeats[i] === true) continue
    strides[i] = length
    length *= shape[i] ?? 1
  }
  return [strides, length]
}

/** The extent of a strided view: where its least and largest index lie, from its first element. */
export function extent(shape: readonly number[], strides: readonly number[]): [least: number, most: number] {
  let [least, most] = [0, 0]
  for (const [i, length] of shape.entries()) {
    const reach = Math.max(0, length - 1) * (strides[i] ?? 0)
    if (reach < 0) least += reach
    else most += reach
  }
  return [least, most]
}
