/** Protects convolution and linear at their edges: what the other tests of these ops do not name. */
/* eslint jest/expect-expect: ['error', { assertFunctionNames: ['expect', 'expectConv', 'expectLinear'] }] */
import * as nn from '../../src/nn'
import * as quantized from '../../src/ops/quantized'
import { codeRange } from '../../src/tensor/dtype'
import { fromIntRepr, QTensor } from '../../src/tensor/qtensor'
import { tensor } from '../../src/tensor/tensor'
import { naiveConv, randomQ, randomReals } from '../ops/naive'
import { convCodes, expectConv, expectLinear } from './reference'

const out = { scale: Math.fround(0.4), zeroPoint: 100, dtype: 'quint8' } as const
const zeroPoints = { quint8: [0, 1, 127, 128, 255], qint8: [-128, -127, 0, 1, 127] } as const

/** Weights of one zero point per output channel. */
function perChannel(shape: readonly number[], points: readonly number[], scales: readonly number[]): QTensor<'qint8'> {
  return fromIntRepr(randomQ('qint8', shape, 7).storage, shape, 'qint8', {
    scales: [...scales],
    zeroPoints: [...points],
    axis: 0,
  })
}

describe('geometry', () => {
  test("edge 6: padding 'same' puts the odd element behind, 'valid' none, and pairs put it in front", () => {
    const x = randomQ('quint8', [1, 2, 5, 6], 1)
    const w = randomQ('qint8', [3, 2, 2, 4], 2)
    const run = (padding: 'same' | 'valid' | [number, number][], input = x): QTensor =>
      quantized.conv2d(input, quantized.conv2dPrepack(w, null, { padding }), 0.4, 100)
    expect(run('same').shape).toEqual([1, 3, 5, 6])
    const behind: [number, number][] = [
      [0, 1],
      [1, 2],
    ]
    const inFront: [number, number][] = [
      [1, 0],
      [2, 1],
    ]
    expect(run('same').storage).toEqual(run(behind).storage)
    expect(run('same').storage).toEqual(run('valid', quantized.pad(x, [1, 2, 0, 1])).storage)
    expect(run(inFront).storage).toEqual(run('valid', quantized.pad(x, [2, 1, 1, 0])).storage)
    expect(run('valid').shape).toEqual([1, 3, 4, 3])
  })

  test('edge 9: depthwise layers of 9, 25, 31 and 64 channels, with one and two outputs each', () => {
    for (const channels of [9, 25, 31, 64])
      for (const multiplier of [1, 2]) {
        const x = randomQ('quint8', [1, channels, 5, 6], channels, { scale: 0.05, zeroPoint: 140 })
        const w = randomQ('qint8', [channels * multiplier, 1, 3, 3], multiplier, { scale: 0.05, zeroPoint: 0 })
        expectConv(x, w, null, out, { padding: 1, groups: channels })
      }
  })

  test('edge 11: images of one row or one column, and kernels of one row or one column', () => {
    for (const [H, W] of [
      [1, 9],
      [9, 1],
      [7, 8],
    ] as const)
      for (const kernel of [
        [1, 3],
        [3, 1],
      ] as const) {
        const x = randomQ('quint8', [2, 3, H, W], H, { scale: 0.05, zeroPoint: 140 })
        expectConv(x, randomQ('qint8', [5, 3, ...kernel], W), null, out, { padding: 1 })
      }
  })

  test('edges 12 and 13: one layer takes other batches and sizes, and H and W swapped, call after call', () => {
    const w = randomQ('qint8', [4, 3, 3, 3], 3)
    const layer = new nn.quantized.Conv2d(3, 4, 3, { padding: 1 })
    layer.setWeightBias(w, null)
    layer.scale = out.scale
    layer.zeroPoint = out.zeroPoint
    const shapes = [
      [1, 3, 9, 4],
      [3, 3, 9, 4],
      [1, 3, 4, 9],
      [0, 3, 4, 9],
      [2, 3, 17, 1],
      [1, 3, 1, 17],
      [1, 3, 9, 4],
    ]
    for (const [seed, shape] of shapes.entries()) {
      const x = randomQ('quint8', shape, seed)
      expect([...layer.forward(x).intRepr().data]).toEqual(convCodes(x, w, null, out, { padding: 1 }))
    }
  })
})

describe('products', () => {
  test('edge 20: large odd sizes', () => {
    for (const [M, K, N] of [
      [43, 500, 401],
      [1023, 1023, 1023],
      [100, 5000, 100],
    ] as const) {
      const x = randomQ('quint8', [M, K], M, { scale: 0.02, zeroPoint: 131 })
      const w = randomQ('qint8', [N, K], N, { scale: 0.01, zeroPoint: 5 })
      const acc = quantized.linearInt32(x, quantized.linearPrepack(w)).storage
      // 2,000 of the sums, spread over all rows and columns, the last among them.
      const step = Math.max(1, Math.floor((M * N) / 2000))
      const wrong: number[] = []
      for (let i = M * N - 1; i >= 0; i -= step) {
        const row = x.storage.subarray(Math.floor(i / N) * K)
        const column = w.storage.subarray((i % N) * K)
        let sum = 0
        for (let k = 0; k < K; k++) sum += ((row[k] ?? NaN) - 131) * ((column[k] ?? NaN) - 5)
        if (acc[i] !== sum) wrong.push(i)
      }
      expect(wrong).toEqual([])
      expect(acc).toHaveLength(M * N)
    }
  })

  test.each([1, 2, 3, 5, 6, 7, 63, 65])(
    'edge 23: signed by signed for K of %i, where the rest of a group of four adds nothing',
    (K) => {
      const least = fromIntRepr(new Int8Array(2 * K).fill(-128), [2, K], 'qint8', { scale: 0.1, zeroPoint: 127 })
      for (const zeroPoint of [-128, 0, 127]) {
        const w = randomQ('qint8', [3, K], K, { scale: 0.05, zeroPoint })
        expectLinear(randomQ('qint8', [2, K], K + 1, { scale: 0.1, zeroPoint: -3 }), w, out)
        expectLinear(least, w, out)
      }
    },
  )

  test('edge 28: every end and middle of the types as zero points of input and result', () => {
    const shapes = [
      [2, 5, 3, 3],
      [4, 5, 2, 2],
    ] as const
    for (const xType of ['quint8', 'qint8'] as const)
      for (const yType of ['quint8', 'qint8'] as const)
        for (const xZero of zeroPoints[xType])
          for (const yZero of zeroPoints[yType]) {
            const x = randomQ(xType, shapes[0], xZero + 300, { scale: 0.05, zeroPoint: xZero })
            const w = randomQ('qint8', shapes[1], yZero + 300, { scale: 0.02, zeroPoint: 0 })
            expectConv(
              x,
              w,
              [0.5, -3, 0, 20],
              { scale: Math.fround(0.7), zeroPoint: yZero, dtype: yType },
              { padding: 1 },
            )
          }
  })

  test('edge 29: weight zero points other than 0, one for all, and another for each channel', () => {
    const x = randomQ('quint8', [1, 6, 5, 5], 1, { scale: 0.05, zeroPoint: 200 })
    const bias = [...randomReals(6, 2)]
    for (const zeroPoint of [-128, -5, 127])
      expectConv(x, randomQ('qint8', [6, 6, 3, 3], 3, { scale: 0.02, zeroPoint }), bias, out, { padding: 1 })
    for (const zeroPoint of [0, 128, 255])
      expectConv(x, randomQ('quint8', [6, 6, 3, 3], 3, { scale: 0.02, zeroPoint }), bias, out, { padding: 1 })
    const points = [-128, -5, 0, 3, 90, 127]
    const scales = [0.01, 0.02, 0.005, 0.03, 0.01, 0.02]
    expectConv(x, perChannel([6, 6, 3, 3], points, scales), bias, out, { padding: 1 })
    expectConv(x, perChannel([6, 1, 3, 3], points, scales), bias, out, { padding: 1, groups: 6 })
  })
})

describe('from sums to codes', () => {
  test('edge 35: a sum above 2^24 is rounded to float32 before it is multiplied', () => {
    // 2^24 + 1 has no float32: half to even gives 2^24, whose quotient by 2^25 is the tie 0.5, which goes to 0.
    const x = fromIntRepr(new Uint8Array([1]), [1, 1], 'quint8', { scale: 1, zeroPoint: 0 })
    const w = fromIntRepr(new Int8Array([1]), [1, 1], 'qint8', { scale: 1, zeroPoint: 0 })
    const code = (bias: number): number =>
      quantized
        .linear(x, quantized.linearPrepack(w, tensor([bias])), 2 ** 25, 10)
        .intRepr()
        .item()
    expect([code(2 ** 24), code(2 ** 24 + 2)]).toEqual([10, 11])
    const many = randomQ('quint8', [3, 4000], 1, { scale: 0.05, zeroPoint: 0 })
    const weights = fromIntRepr(new Int8Array(2 * 4000).fill(127), [2, 4000], 'qint8', { scale: 0.02, zeroPoint: -128 })
    expect(
      Math.max(...naiveConv(many.reshape([3, 4000, 1, 1]), weights.reshape([2, 4000, 1, 1])).data),
    ).toBeGreaterThan(2 ** 24)
    expectLinear(many, weights, { scale: 700, zeroPoint: 3, dtype: 'quint8' })
  })

  test('edge 40: a clip narrower than the type bounds the codes on both sides', () => {
    const x = randomQ('quint8', [1, 3, 6, 6], 1, { scale: 0.05, zeroPoint: 120 })
    const w = randomQ('qint8', [4, 3, 3, 3], 2, { scale: 0.02, zeroPoint: 0 })
    const packed = quantized.conv2dPrepack(w, null, { padding: 1 })
    const clipped = quantized.conv2dClip(x, packed, 0.1, 50, { min: -1, max: 2.5 })
    const bounds = { scale: Math.fround(0.1), zeroPoint: 50, dtype: 'quint8', lo: 40, hi: 75 } as const
    const codes = [...clipped.intRepr().data]
    expect(codes).toEqual(convCodes(x, w, null, bounds, { padding: 1 }))
    expect([Math.min(...codes), Math.max(...codes)]).toEqual([40, 75])
    // Bounds beyond the type are its ends.
    const wide = quantized.conv2dClip(x, packed, 0.1, 50, { min: -1e6, max: 1e6 })
    expect(wide.storage).toEqual(quantized.conv2d(x, packed, 0.1, 50).storage)
    expect(codeRange.quint8).toEqual([0, 255])
  })

  test('edge 44: scales a million apart in one layer', () => {
    const x = randomQ('quint8', [1, 4, 4, 4], 1, { scale: 0.02, zeroPoint: 128 })
    const scales = [1e-6, 1e-4, 1e-2, 1]
    const y = { scale: Math.fround(0.05), zeroPoint: 128, dtype: 'quint8' } as const
    expectConv(x, perChannel([4, 4, 3, 3], [0, 0, 0, 0], scales), [0.1, -0.1, 1, 5], y, { padding: 1 })
    expectConv(x, perChannel([4, 1, 3, 3], [0, 0, 0, 0], scales), [0.1, -0.1, 1, 5], y, { padding: 1, groups: 4 })
  })
})
