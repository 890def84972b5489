/** Protects the oracle's quantized elementwise kernels, pools and data movement, by hand (numerics.md 6). */
import { createJsBackend } from '../../../src/backend/js'
import type { PoolWindows } from '../../../src/backend/contract'

const backend = createJsBackend()
const { fround } = Math

describe('qadd and qmul', () => {
  const zeroPoints = { aZeroPoint: 1, bZeroPoint: 2, yZeroPoint: 3 }
  const broadcast = { shape: [2, 3], aStrides: [3, 1], bStrides: [0, 1] }
  const a = Uint8Array.of(1, 2, 4, 0, 101, 255)
  const b = Uint8Array.of(2, 3, 0)

  test('qadd scales both sides, rounds each to float32, then the sum half to even', () => {
    const y = new Uint8Array(6)
    backend.run('qadd', { a, b, y, broadcast, ...zeroPoints, aMultiplier: 0.5, bMultiplier: 1, lo: 0, hi: 50 })
    // (a-1)/2 + (b-2): 0, 1.5, -0.5, -0.5, 51, 125
    expect([...y]).toEqual([3, 5, 3, 3, 50, 50])
  })

  test('qmul scales the exact product', () => {
    const y = new Uint8Array(6)
    backend.run('qmul', { a, b, y, broadcast, ...zeroPoints, multiplier: 0.25, lo: 1, hi: 255 })
    // (a-1)(b-2)/4: 0, 0.25, -1.5, 0, 25, -127
    expect([...y]).toEqual([3, 3, 1, 3, 28, 1])
  })

  test('fused ReLU stops at the zero point of y', () => {
    const y = new Uint8Array(6)
    backend.run('qmul', { a, b, y, broadcast, ...zeroPoints, multiplier: 1, lo: 3, hi: 255 })
    expect([...y]).toEqual([3, 4, 3, 3, 103, 3])
  })
})

/** One row of five elements, two channels; windows of 3, 0, 1 and 2 (step 2) elements. */
const windows: PoolWindows = {
  batch: 1,
  channels: 2,
  input: [1, 1, 5],
  output: [1, 1, 4],
  starts: [Int32Array.of(0), Int32Array.of(0), Int32Array.of(0, 0, 4, 1)],
  counts: [Int32Array.of(1), Int32Array.of(1), Int32Array.of(2, 0, 1, 2)],
  steps: [1, 1, 2],
}

describe('pools', () => {
  test('qmaxPool compares codes, and an empty window gives the least code of the type', () => {
    const x = Int8Array.of(-1, 10, 99, 99, -3, 4, -100, 50, 7, -8)
    const y = new Int8Array(8)
    backend.run('qmaxPool', { x, y, windows })
    expect([...y]).toEqual([-1, 10, -128, -128, 7, -8, 99, 99])
    const unsigned = new Uint8Array(8).fill(9)
    backend.run('qmaxPool', { x: new Uint8Array(10).fill(3), y: unsigned, windows })
    expect([...unsigned]).toEqual([3, 3, 0, 0, 3, 3, 3, 3])
  })

  test('qavgPool sums differences from the zero point and scales by the position', () => {
    const x = Uint8Array.of(11, 13, 0, 0, 10, 14, 255, 1, 20, 9)
    const y = new Uint8Array(8)
    const multipliers = Float32Array.of(0.5, 1, 2, 0.5)
    backend.run('qavgPool', { x, y, windows, xZeroPoint: 10, yZeroPoint: 4, multipliers, lo: 0, hi: 200 })
    // sums: 1, 7 | 0, 0 | 10, -1 | 235, -19
    expect([...y]).toEqual([4, 8, 4, 4, 24, 2, 122, 0])
  })

  test('fmaxPool lets NaN through, prefers +0 to -0, and gives -Infinity for an empty window', () => {
    const y = new Float32Array(8)
    const x = Float32Array.of(-0, 1, NaN, 0, 0, 2, 5, 5, -0, 4)
    backend.run('fmaxPool', { x, y, windows })
    expect([...y]).toEqual([0, 2, -Infinity, -Infinity, -0, 4, NaN, 5])
  })

  test('favgPool divides by the divisor of the position, in float32', () => {
    const y = new Float32Array(8)
    const x = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    backend.run('favgPool', { x, y, windows, divisors: Float32Array.of(3, 1, 7, 2) })
    expect([...y]).toEqual([6 / 3, 8 / 3, 0, 0, 9 / 7, 10 / 7, 10 / 2, 12 / 2].map(fround))
  })
})

describe('stridedCopy', () => {
  test('transposes, reverses and repeats', () => {
    const x = Int32Array.of(1, 2, 3, 4, 5, 6)
    const y = new Int32Array(6)
    const place = { yOffset: 0, xOffset: 0 }
    backend.run('stridedCopy', { x, y, shape: [3, 2], xStrides: [1, 3], yStrides: [2, 1], ...place })
    expect([...y]).toEqual([1, 4, 2, 5, 3, 6])
    backend.run('stridedCopy', { x, y, shape: [2, 3], xStrides: [0, -1], yStrides: [3, 1], ...place, xOffset: 5 })
    expect([...y]).toEqual([6, 5, 4, 6, 5, 4])
  })

  test('leaves elements alone that no index names', () => {
    const y = new Float32Array(6).fill(9)
    const x = Float32Array.of(1, 2)
    backend.run('stridedCopy', { x, y, shape: [2], xOffset: 0, xStrides: [1], yOffset: 1, yStrides: [3] })
    expect([...y]).toEqual([9, 1, 9, 9, 2, 9])
    backend.run('stridedCopy', { x, y, shape: [2, 0], xOffset: 0, xStrides: [1, 1], yOffset: 0, yStrides: [1, 1] })
    expect([...y]).toEqual([9, 1, 9, 9, 2, 9])
  })

  test('copies a scalar, int64 and the payload of a NaN', () => {
    const scalar = { shape: [], xStrides: [], yStrides: [] }
    const wide = new BigInt64Array(2)
    backend.run('stridedCopy', { x: BigInt64Array.of(-5n, 2n ** 62n), y: wide, ...scalar, xOffset: 1, yOffset: 0 })
    expect([...wide]).toEqual([2n ** 62n, 0n])
    const y = new Float32Array(1)
    const signalling = new Float32Array(Int32Array.of(0x7f800001).buffer)
    backend.run('stridedCopy', { x: signalling, y, ...scalar, xOffset: 0, yOffset: 0 })
    expect(new Int32Array(y.buffer)[0]).toBe(0x7f800001)
  })
})

test('fold adds overlapping blocks in ascending kernel position and drops what falls into padding', () => {
  const y = new Float32Array(3).fill(9)
  const pair = (height: number, width: number): readonly [number, number] => [height, width]
  const x = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40)
  backend.run('fold', {
    x,
    y,
    batch: 1,
    channels: 1,
    blocks: pair(1, 4),
    output: pair(1, 3),
    kernel: pair(1, 2),
    stride: pair(1, 1),
    dilation: pair(1, 1),
    padding: pair(0, 1),
  })
  expect([...y]).toEqual([12, 23, 34])
})
