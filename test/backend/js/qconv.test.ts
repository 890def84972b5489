/**
 * Protects the oracle's quantized convolution and linear (numerics.md 4, 5): against a formula of another shape
 * (`Σxw - zwΣx - zxΣw + K zx zw`, in BigInt, bounds tested tap by tap), and by hand at the ends of int32.
 */
import fc from 'fast-check'
import type { AccumulatorOutput, Codes, ConvGeometry } from '../../../src/backend/contract'
import { createJsBackend } from '../../../src/backend/js'
import { convolutions, volume } from '../../parity/geometry'
import { Source } from '../../parity/random'

const backend = createJsBackend()

/** The accumulator of one output element, from the expanded sum. */
function accumulator(
  g: ConvGeometry,
  x: Codes,
  zx: number,
  w: Codes,
  zw: number,
  at: { n: number; o: number; position: readonly number[] },
): bigint {
  const inPerGroup = g.inChannels / g.groups
  const group = Math.floor(at.o / (g.outChannels / g.groups))
  let [xw, sx, sw, count] = [0n, 0n, 0n, 0n]
  for (let tap = 0; tap < volume(g.kernel); tap++) {
    const kernelIndex = [
      Math.floor(tap / (g.kernel[1] * g.kernel[2])),
      Math.floor(tap / g.kernel[2]) % g.kernel[1],
      tap % g.kernel[2],
    ]
    const where = kernelIndex.map(
      (k, i) => (at.position[i] ?? 0) * (g.stride[i] ?? 1) + k * (g.dilation[i] ?? 1) - (g.padding[i] ?? 0),
    )
    const inside = where.every((p, i) => p >= 0 && p < (g.input[i] ?? 0))
    const flat = where.reduce((sum, p, i) => sum * (g.input[i] ?? 1) + p, at.n)
    for (let c = 0; c < inPerGroup; c++) {
      const xv = BigInt(inside ? (x[flat * g.inChannels + group * inPerGroup + c] ?? 0) : zx)
      const wv = BigInt(w[(at.o * volume(g.kernel) + tap) * inPerGroup + c] ?? 0)
      xw += xv * wv
      sx += xv
      sw += wv
      count++
    }
  }
  return xw - BigInt(zw) * sx - BigInt(zx) * sw + count * BigInt(zx) * BigInt(zw)
}

test('qconv gives the expanded sum for any geometry, type and zero point', () => {
  fc.assert(
    fc.property(convolutions(20_000), fc.integer(), (g, seed) => {
      const source = new Source(seed)
      const [xDType, wDType] = [source.pick(['quint8', 'qint8'] as const), source.pick(['quint8', 'qint8'] as const)]
      const zx = source.code(xDType)
      const x = source.codes(xDType, g.batch * volume(g.input) * g.inChannels, 'any')
      const codes = source.codes(wDType, g.outChannels * volume(g.kernel) * (g.inChannels / g.groups), 'any')
      const zeroPoints = Int32Array.from({ length: g.outChannels }, () => source.code(wDType))
      const bias = source.integers(g.outChannels, -1000, 1000)
      const { groups, outChannels, kernel } = g
      const packed = backend.packQuantized({
        codes,
        zeroPoints,
        groups,
        outChannels,
        kernel,
        inPerGroup: g.inChannels / groups,
      })
      const op = backend.bindQuantized(packed, { xDType, xZeroPoint: zx, bias, output: { kind: 'int32' } })
      const y = new Int32Array(g.batch * volume(g.output) * outChannels)
      backend.run('qconv', { op, x, y, geometry: g })

      const expected: number[] = []
      for (let n = 0; n < g.batch; n++)
        for (let d = 0; d < g.output[0]; d++)
          for (let h = 0; h < g.output[1]; h++)
            for (let w = 0; w < g.output[2]; w++)
              for (let o = 0; o < outChannels; o++) {
                const acc = accumulator(g, x, zx, codes, zeroPoints[o] ?? 0, { n, o, position: [d, h, w] })
                expected.push(Number(acc) + (bias[o] ?? 0))
              }
      expect([...y]).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})

interface LinearCase {
  readonly x: Codes
  readonly w: Codes
  readonly xZeroPoint?: number
  readonly zeroPoints?: Int32Array
  readonly bias?: Int32Array
  readonly outChannels?: number
  readonly output: AccumulatorOutput
  readonly y: Codes | Int32Array | Float32Array
}

/** One row through a linear. */
function linear(c: LinearCase): number[] {
  const { x, w, xZeroPoint = 0, outChannels = 1, output, y } = c
  const { zeroPoints = new Int32Array(outChannels), bias = new Int32Array(outChannels) } = c
  const packed = backend.packQuantized({
    codes: w,
    zeroPoints,
    groups: 1,
    outChannels,
    kernel: [1, 1, 1],
    inPerGroup: w.length / outChannels,
  })
  const xDType = x instanceof Int8Array ? 'qint8' : 'quint8'
  const op = backend.bindQuantized(packed, { xDType, xZeroPoint, bias, output })
  backend.run('qlinear', { op, x, y, rows: 1 })
  return [...y]
}

/** Accumulators alone, given as biases of a linear without inputs, through an output of codes. */
function requantized(accumulators: number[], multiplier: number, zeroPoint = 0, lo = -128, hi = 127): number[] {
  const outChannels = accumulators.length
  return linear({
    x: new Int8Array(0),
    w: new Int8Array(0),
    bias: Int32Array.from(accumulators),
    outChannels,
    output: {
      kind: 'codes',
      dtype: 'qint8',
      multipliers: new Float32Array(outChannels).fill(multiplier),
      zeroPoint,
      lo,
      hi,
    },
    y: new Int8Array(outChannels),
  })
}

describe('qlinear', () => {
  test('holds the deepest sum that int32 holds, at all extremes', () => {
    const x = new Uint8Array(33025).fill(255)
    const w = new Uint8Array(33025).fill(255)
    const y = new Int32Array(1)
    expect(linear({ x, w, output: { kind: 'int32' }, y })).toEqual([2147450625])
    expect(linear({ x, w, xZeroPoint: 255, zeroPoints: Int32Array.of(255), output: { kind: 'int32' }, y })).toEqual([0])
    x.fill(0)
    expect(linear({ x, w, xZeroPoint: 255, output: { kind: 'int32' }, y })).toEqual([-2147450625])
  })

  test('wraps around int32 rather than saturating', () => {
    const y = new Int32Array(1)
    const bias = Int32Array.of(2147483647)
    expect(linear({ x: Uint8Array.of(255), w: Int8Array.of(127), bias, output: { kind: 'int32' }, y })).toEqual([
      -2147483648 + 255 * 127 - 1,
    ])
  })

  test('does not saturate pairs of products', () => {
    const y = new Int32Array(1)
    expect(linear({ x: Uint8Array.of(255, 255), w: Int8Array.of(-128, -128), output: { kind: 'int32' }, y })).toEqual([
      -65280,
    ])
  })

  test('clamps the scaled accumulator before it is rounded, however large', () => {
    const ends = [-2147483648, 2147483647, 0]
    expect(requantized(ends, 2 ** 40)).toEqual([-128, 127, 0])
    expect(requantized(ends, 3e38)).toEqual([-128, 127, 0])
    expect(requantized([1000000], 1e6)).toEqual([127])
  })

  test('takes multipliers down to the smallest denormal', () => {
    expect(requantized([-2147483648, 2147483647], 2 ** -31)).toEqual([-1, 1])
    expect(requantized([-2147483648, 2147483647], 2 ** -32)).toEqual([0, 0])
    expect(requantized([-2147483648, 2147483647], 2 ** -149, 5)).toEqual([5, 5])
  })

  test('rounds ties to even before adding the zero point', () => {
    expect(requantized([1, 3, 5, -1, -3], 0.5, 1)).toEqual([1, 3, 3, 1, -1])
  })

  test('rounds the accumulator to float32: 16777219 becomes 16777220', () => {
    expect(
      linear({
        x: new Uint8Array(0),
        w: new Int8Array(0),
        outChannels: 2,
        bias: Int32Array.of(16777217, 16777219),
        output: { kind: 'float32', scales: Float32Array.of(1, 1), bias: null, lo: -Infinity, hi: Infinity },
        y: new Float32Array(2),
      }),
    ).toEqual([16777216, 16777220])
  })

  test('stops at a fused ReLU, which is the zero point, and at narrowed bounds', () => {
    expect(requantized([-50, 10, 200], 1, -5, -5, 100)).toEqual([-5, 5, 100])
  })

  test('adds a float bias after scaling, with two roundings, and clamps', () => {
    const run = (bias: Float32Array | null, lo: number): number[] =>
      linear({
        x: Uint8Array.of(3),
        w: Int8Array.of(1, -1),
        outChannels: 2,
        output: { kind: 'float32', scales: Float32Array.of(0.1, 0.1), bias, lo, hi: Infinity },
        y: new Float32Array(2),
      })
    const scaled = Math.fround(3 * Math.fround(0.1))
    expect(run(null, -Infinity)).toEqual([scaled, -scaled])
    expect(run(Float32Array.of(0.7, 0.7), 0)).toEqual([
      Math.fround(scaled + Math.fround(0.7)),
      Math.fround(Math.fround(0.7) - scaled),
    ])
    expect(run(null, 0)).toEqual([scaled, 0])
  })

  test('keeps its own copy of weights and epilogue', () => {
    const codes = Int8Array.of(2)
    const multipliers = Float32Array.of(1)
    const packed = backend.packQuantized({
      codes,
      zeroPoints: Int32Array.of(0),
      groups: 1,
      outChannels: 1,
      kernel: [1, 1, 1],
      inPerGroup: 1,
    })
    const bias = Int32Array.of(1)
    const output = { kind: 'codes', dtype: 'qint8', multipliers, zeroPoint: 0, lo: -128, hi: 127 } as const
    const op = backend.bindQuantized(packed, { xDType: 'qint8', xZeroPoint: 0, bias, output })
    codes[0] = multipliers[0] = bias[0] = 99
    const y = new Int8Array(1)
    backend.run('qlinear', { op, x: Int8Array.of(3), y, rows: 1 })
    expect([...y]).toEqual([7])
  })
})
