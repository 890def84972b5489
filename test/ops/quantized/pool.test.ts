/** Protects quantized pools, mean and batch normalisation: against the definition (numerics.md 6). */
import { OverflowError, ShapeError } from '../../../src/errors'
import * as functional from '../../../src/ops/float'
import * as quantized from '../../../src/ops/quantized'
import { checkAverage } from '../../../src/ops/quantized/average'
import { codeRange, type QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor } from '../../../src/tensor/tensor'
import { randomQ, randomReals, toCode } from '../naive'

const { fround } = Math

/** The average of codes by the definition. */
function average(codes: readonly number[], q: QTensor<QDType8>, n = codes.length): number {
  const sum = codes.reduce((total, code) => total + code - q.zeroPoint, 0)
  const m = fround(q.scale / fround(q.scale * n))
  return toCode(fround(fround(sum) * m), q.zeroPoint, ...codeRange[q.dtype])
}

/** The codes of each 2-D window, channel by channel. */
function windows(x: QTensor, k: number, stride: number, pad: number): number[][] {
  const [N = 0, C = 0, H = 0, W = 0] = x.shape
  const codes = x.intRepr().data
  const out: number[][] = []
  for (let nc = 0; nc < N * C; nc++)
    for (let top = -pad; top + k <= H + pad; top += stride)
      for (let left = -pad; left + k <= W + pad; left += stride) {
        const window: number[] = []
        for (let h = Math.max(top, 0); h < Math.min(top + k, H); h++)
          for (let w = Math.max(left, 0); w < Math.min(left + k, W); w++)
            window.push(codes[(nc * H + h) * W + w] ?? NaN)
        out.push(window)
      }
  return out
}

describe.each<QDType8>(['quint8', 'qint8'])('pools of %s', (dtype) => {
  const x = randomQ(dtype, [2, 5, 7, 6], 3, { scale: 0.05, zeroPoint: 100 })
  const last = x.contiguous('channelsLast')

  test.each([
    [2, 2, 0],
    [3, 2, 1],
    [3, 1, 1],
    [5, 3, 2],
  ])('edge 73: of %i, stride %i, padding %i are the definition, in both memory formats', (k, stride, padding) => {
    const codes = windows(x, k, stride, padding)
    for (const input of [x, last]) {
      const most = quantized.maxPool2d(input, k, { stride, padding })
      expect(most.memoryFormat).toBe('channelsLast')
      expect([...most.intRepr().data]).toEqual(codes.map((window) => Math.max(...window)))
      const mean = quantized.avgPool2d(input, k, { stride, padding })
      expect([...mean.intRepr().data]).toEqual(codes.map((window) => average(window, x, k * k)))
      const inside = quantized.avgPool2d(input, k, { stride, padding, countIncludePad: false })
      expect([...inside.intRepr().data]).toEqual(codes.map((window) => average(window, x)))
      const five = quantized.avgPool2d(input, k, { stride, padding, divisorOverride: 5 })
      expect([...five.intRepr().data]).toEqual(codes.map((window) => average(window, x, 5)))
      expect(mean.qparams).toEqual(x.qparams)
    }
  })

  test('edge 73: global pools are the average of everything, also of one element', () => {
    const [N = 0, C = 0] = x.shape
    const planes = Array.from({ length: N * C }, (_, i) => [...x.storage.subarray(i * 42, (i + 1) * 42)])
    expect([...quantized.adaptiveAvgPool2d(x, 1).intRepr().data]).toEqual(planes.map((plane) => average(plane, x)))
    expect([...quantized.adaptiveMaxPool2d(x, 1).intRepr().data]).toEqual(planes.map((plane) => Math.max(...plane)))
    const one = randomQ(dtype, [1, 3, 1, 1], 1)
    expect(quantized.adaptiveAvgPool2d(one, [1, 1]).storage).toEqual(one.storage)
  })

  test('inputs without a batch axis give the same values, contiguous', () => {
    const image = fromIntRepr(x.storage.slice(0, 210), [5, 7, 6], dtype, { scale: x.scale, zeroPoint: x.zeroPoint })
    const y = quantized.maxPool2d(image, 2)
    expect(y).toMatchObject({ shape: [5, 3, 3], memoryFormat: 'contiguous' })
    const batch = quantized.maxPool2d(image.reshape([1, 5, 7, 6]), 2)
    expect(y.intRepr().data).toEqual(batch.intRepr().data)
    expect(quantized.maxPool2d(image.contiguous('channelsLast'), 2).storage).toEqual(y.storage)
  })

  test('pools of one and three axes are those of two with axes of one', () => {
    const line = x.reshape([10, 1, 42])
    const plane = x.reshape([10, 1, 1, 42])
    const deep = x.reshape([10, 1, 1, 1, 42])
    const options = { stride: 3, padding: 1 }
    const flat = { stride: [1, 3], padding: [0, 1] }
    const expected = quantized.avgPool2d(plane, [1, 4], flat).intRepr().data
    expect(quantized.avgPool1d(line, 4, options).intRepr().data).toEqual(expected)
    expect(quantized.avgPool3d(deep, [1, 1, 4], { stride: [1, 1, 3], padding: [0, 0, 1] }).intRepr().data).toEqual(
      expected,
    )
    const most = quantized.maxPool2d(plane, [1, 4], flat).intRepr().data
    expect(quantized.maxPool1d(line, 4, options).intRepr().data).toEqual(most)
    expect(quantized.maxPool3d(deep, [1, 1, 4], { stride: [1, 1, 3], padding: [0, 0, 1] }).intRepr().data).toEqual(most)
    const part = quantized.adaptiveAvgPool2d(plane, [1, 5]).intRepr().data
    expect(quantized.adaptiveAvgPool1d(line, 5).intRepr().data).toEqual(part)
    expect(quantized.adaptiveAvgPool3d(deep, [1, 1, 5]).intRepr().data).toEqual(part)
  })

  test('edge 12: an empty batch gives an empty result', () => {
    expect(quantized.maxPool2d(randomQ(dtype, [0, 5, 4, 4], 1), 2).shape).toEqual([0, 5, 2, 2])
    expect(quantized.avgPool2d(randomQ(dtype, [0, 5, 4, 4], 1), 2).shape).toEqual([0, 5, 2, 2])
  })
})

test('edge 73: padding never wins a max pool, though every code lies below the zero point', () => {
  const x = fromIntRepr(new Int8Array(9).fill(-120), [1, 1, 3, 3], 'qint8', { scale: 1, zeroPoint: 50 })
  expect([...quantized.maxPool2d(x, 3, { stride: 1, padding: 1 }).storage]).toEqual(new Array(9).fill(-120))
})

test('edge 73: averages of more than 2^16 elements are exact', () => {
  const x = fromIntRepr(new Uint8Array(300 * 300).fill(255), [1, 1, 300, 300], 'quint8', { scale: 0.1, zeroPoint: 1 })
  expect(quantized.adaptiveAvgPool2d(x, 1).intRepr().item()).toBe(255)
  expect(quantized.mean(x).intRepr().item()).toBe(255)
})

test('an average whose sum might not fit int32 is refused', () => {
  expect(() => {
    checkAverage('test', 8421504)
  }).not.toThrow()
  expect(() => {
    checkAverage('test', 8421505)
  }).toThrow(OverflowError)
})

describe('mean', () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 7, { scale: 0.1, zeroPoint: 31 })

  /** Means over axes by the definition, row-major over the axes that stay. */
  function naiveMean(dims: readonly number[]): number[] {
    const [, C = 0, H = 0, W = 0] = x.shape
    const groups = new Map<string, number[]>()
    x.intRepr().data.forEach((code, i) => {
      const index = [Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C, Math.floor(i / W) % H, i % W]
      const key = index.filter((_, axis) => !dims.includes(axis)).join()
      groups.set(key, [...(groups.get(key) ?? []), code])
    })
    return [...groups.values()].map((codes) => average(codes, x))
  }

  test.each([[[2, 3]], [[1]], [[0]], [[0, 2]], [[0, 1, 2, 3]], [[3]], [[1, 3]], [[0, 1]]])(
    'over the axes %j is the definition, in both memory formats',
    (dims) => {
      for (const input of [x, x.contiguous('channelsLast')]) {
        const y = quantized.mean(input, dims)
        expect(y.shape).toEqual(x.shape.filter((_, axis) => !dims.includes(axis)))
        expect([...y.intRepr().data]).toEqual(naiveMean(dims))
        const kept = quantized.mean(input, dims, { keepDim: true })
        expect(kept.shape).toEqual(x.shape.map((length, axis) => (dims.includes(axis) ? 1 : length)))
        expect([...kept.intRepr().data]).toEqual(naiveMean(dims))
      }
    },
  )

  test('takes one axis, negative ones, none for all, and a scalar', () => {
    expect(quantized.mean(x, -1).shape).toEqual([2, 3, 4])
    expect(quantized.mean(x).shape).toEqual([])
    expect(
      quantized
        .mean(quantizePerTensor(tensor(2), 1, 0, 'quint8'))
        .intRepr()
        .item(),
    ).toBe(2)
  })

  test('refuses an axis twice, one that does not exist, and nothing to average', () => {
    expect(() => quantized.mean(x, [1, -3])).toThrow(/axes that differ/)
    expect(() => quantized.mean(x, 4)).toThrow(/from -4 to 3/)
    expect(() => quantized.mean(randomQ('quint8', [2, 0], 1), 1)).toThrow(ShapeError)
    expect(quantized.mean(randomQ('quint8', [0, 2], 1), 1).shape).toEqual([0])
  })
})

describe('batchNorm', () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 7, { scale: 0.1, zeroPoint: 31 })
  const mean = tensor(randomReals(3, 1))
  const variance = tensor([1, 0.5, 2])
  const options = { weight: tensor(randomReals(3, 2)), bias: tensor([0.1, -0.1, 0]), scale: 0.05, zeroPoint: 99 }

  test('is dequantize, functional.batchNorm, quantize, in both memory formats', () => {
    const { scale, zeroPoint, ...affine } = options
    const real = functional.batchNorm(x.dequantize(), mean, variance, affine)
    const expected = quantizePerTensor(real, scale, zeroPoint, 'quint8')
    for (const input of [x, x.contiguous('channelsLast')])
      expect(quantized.batchNorm(input, mean, variance, options).intRepr().data).toEqual(expected.intRepr().data)
    const relu = quantizePerTensor(functional.relu(real), scale, zeroPoint, 'quint8')
    expect(quantized.batchNormRelu(x, mean, variance, options).storage).toEqual(relu.storage)
  })

  test('refuses statistics of another length, and a vector', () => {
    expect(() => quantized.batchNorm(x, tensor([1]), variance, options)).toThrow(/mean must be of shape \[3\]/)
    expect(() => quantized.batchNorm(randomQ('quint8', [3], 1), mean, variance, options)).toThrow(/\[N, C, ...\]/)
  })
})

test('the async forms give the same bytes', async () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 7)
  expect((await quantized.maxPool2dAsync(x, 2)).storage).toEqual(quantized.maxPool2d(x, 2).storage)
  expect((await quantized.avgPool2dAsync(x, 2)).storage).toEqual(quantized.avgPool2d(x, 2).storage)
  expect((await quantized.adaptiveAvgPool2dAsync(x, 2)).storage).toEqual(quantized.adaptiveAvgPool2d(x, 2).storage)
  expect((await quantized.meanAsync(x, [2, 3])).storage).toEqual(quantized.mean(x, [2, 3]).storage)
})
