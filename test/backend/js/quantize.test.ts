/** Protects the oracle's own numbers for quantize, dequantize, requantize, clamp and tables (numerics.md 2, 5, 6). */
import type { Kernels } from '../../../src/backend/contract'
import { createJsBackend } from '../../../src/backend/js'

const backend = createJsBackend()
const { fround } = Math

function quantize(
  values: readonly number[],
  options: Partial<Kernels['quantize']> & { scale?: number; zero?: number } = {},
): number[] {
  const { scale = 1, zero = 0, ...rest } = options
  const operands: Kernels['quantize'] = {
    x: Float32Array.from(values),
    y: new Int8Array(values.length),
    split: { outer: 1, channels: 1, inner: values.length },
    scales: Float32Array.of(scale),
    zeroPoints: Int32Array.of(zero),
    qmin: -128,
    qmax: 127,
    divide: false,
    ...rest,
  }
  backend.run('quantize', operands)
  return [...operands.y]
}

describe('quantize', () => {
  test('rounds ties to even before the zero point is added', () => {
    const ties = [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5]
    expect(quantize(ties)).toEqual([0, 2, 2, 4, 0, -2, -2])
    expect(quantize(ties, { zero: 1 })).toEqual([1, 3, 3, 5, 1, -1, -1])
  })

  test('multiplies by the reciprocal, or divides: 2.25 at scale 0.3 is 8 or 7', () => {
    expect(quantize([2.25], { scale: fround(0.3) })).toEqual([8])
    expect(quantize([2.25], { scale: fround(0.3), divide: true })).toEqual([7])
  })

  test('saturates infinities and gives the zero point for NaN', () => {
    expect(quantize([Infinity, -Infinity, NaN], { zero: 7 })).toEqual([127, -128, 7])
    expect(quantize([Infinity, -Infinity, NaN], { zero: 7, divide: true })).toEqual([127, -128, 7])
  })

  test('takes -0, denormals and the largest float32', () => {
    expect(quantize([-0, 2 ** -149, -(2 ** -149), 3.4028234663852886e38], { zero: 3 })).toEqual([3, 3, 3, 127])
    expect(quantize([3.4028234663852886e38, 1], { scale: 2 ** -126 })).toEqual([127, 127])
  })

  test('stays inside a narrowed range', () => {
    expect(quantize([-200, -64, 0, 63, 200], { qmin: -64, qmax: 63 })).toEqual([-64, -64, 0, 63, 63])
  })

  test('uses one scale and zero point per channel', () => {
    const x = [1, 2, 3, 4, 5, 6, 7, 8]
    const options = { scales: Float32Array.of(1, 0.5), zeroPoints: Int32Array.of(0, 10) }
    expect(quantize(x, { ...options, split: { outer: 2, channels: 2, inner: 2 } })).toEqual([
      1, 2, 16, 18, 5, 6, 24, 26,
    ])
    expect(quantize(x, { ...options, split: { outer: 4, channels: 2, inner: 1 } })).toEqual([
      1, 14, 3, 18, 5, 22, 7, 26,
    ])
  })

  test('saturates int32 at 2^31 and beyond, exactly, for any zero point', () => {
    const y = new Int32Array(6)
    const values = [2 ** 31, 2 ** 40, 2147483520, -(2 ** 31), -Infinity, 0]
    const range = { qmin: -2147483648, qmax: 2147483647, y }
    expect(quantize(values, range)).toEqual([2147483647, 2147483647, 2147483520, -2147483648, -2147483648, 0])
    expect(quantize(values, { ...range, zero: -100 })).toEqual([
      2147483548, 2147483647, 2147483420, -2147483648, -2147483648, -100,
    ])
    expect(quantize(values, { ...range, zero: -2147483648 })).toEqual([
      0, 2147483647, -128, -2147483648, -2147483648, -2147483648,
    ])
  })
})

describe('dequantize', () => {
  test('brings every code back through quantize, for any zero point and scale', () => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i)
    for (const zero of [0, 1, 127, 128, 255])
      for (const scale of [1e-30, 0.0123, 1, 1e30].map(fround)) {
        const y = new Float32Array(256)
        const split = { outer: 1, channels: 1, inner: 256 }
        const qparams = { split, scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zero) }
        backend.run('dequantize', { x: codes, y, ...qparams })
        expect(y[200]).toBe(fround((200 - zero) * scale))
        expect(quantize([...y], { ...qparams, y: new Uint8Array(256), qmin: 0, qmax: 255 })).toEqual([...codes])
      }
  })

  test('rounds int32 differences to float32 before scaling', () => {
    const y = new Float32Array(2)
    const split = { outer: 1, channels: 1, inner: 2 }
    const x = Int32Array.of(16777217, 2147483647)
    backend.run('dequantize', { x, y, split, scales: Float32Array.of(3), zeroPoints: Int32Array.of(0) })
    expect([...y]).toEqual([50331648, fround(2 ** 31 * 3)])
    backend.run('dequantize', { x, y, split, scales: Float32Array.of(1), zeroPoints: Int32Array.of(-2147483648) })
    expect([...y]).toEqual([2164260864, 2 ** 32])
  })
})

describe('requantize', () => {
  test('rounds ties to even, then adds the zero point, then stays in bounds', () => {
    const y = new Uint8Array(5)
    const x = Int8Array.of(-5, -1, 1, 3, 127)
    backend.run('requantize', { x, y, xZeroPoint: 0, yZeroPoint: 3, multiplier: 0.5, lo: 2, hi: 60 })
    expect([...y]).toEqual([2, 3, 3, 5, 60])
  })

  test('takes multipliers far outside (0, 1)', () => {
    const y = new Int8Array(3)
    const x = Uint8Array.of(0, 128, 255)
    backend.run('requantize', { x, y, xZeroPoint: 128, yZeroPoint: -5, multiplier: 1e36, lo: -128, hi: 127 })
    expect([...y]).toEqual([-128, -5, 127])
    backend.run('requantize', { x, y, xZeroPoint: 128, yZeroPoint: -5, multiplier: 2 ** -149, lo: -128, hi: 127 })
    expect([...y]).toEqual([-5, -5, -5])
  })
})

test('qclamp holds codes between the bounds', () => {
  const y = new Int8Array(4)
  backend.run('qclamp', { x: Int8Array.of(-128, -3, 5, 127), y, lo: -2, hi: 100 })
  expect([...y]).toEqual([-2, -2, 5, 100])
})

test('lookup goes by bytes, whatever the types', () => {
  const table = Uint8Array.from({ length: 256 }, (_, i) => 255 - i)
  const y = new Int8Array(3)
  backend.run('lookup', { x: Int8Array.of(-1, 0, 127), y, table })
  expect([...y]).toEqual([0, -1, -128])
})
