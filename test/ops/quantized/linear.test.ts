/** Protects quantized linear layers: the definition for every size, the overflow proof, dynamic quantization. */
/* eslint jest/expect-expect: ['error', { assertFunctionNames: ['expect', 'check'] }] */
import { ArgumentError, OverflowError, ShapeError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import type { QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { quantizePerTensor, quantizePerTensorDynamic } from '../../../src/tensor/quantize'
import { tensor, zeros } from '../../../src/tensor/tensor'
import { channelParams, naiveRequantize, randomQ, randomReals } from '../naive'

const { linear, linearPrepack } = quantized

function accumulators(x: QTensor, w: QTensor): number[] {
  const [N = 0, K = 0] = w.shape
  const xs = x.intRepr().data
  const ws = w.intRepr().data
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1)
  return Array.from({ length: rows * N }, (_, i) => {
    const row = Math.floor(i / N)
    const n = i % N
    let sum = 0
    for (let k = 0; k < K; k++)
      sum += ((xs[row * K + k] ?? NaN) - x.zeroPoint) * ((ws[n * K + k] ?? NaN) - channelParams(w, n).zeroPoint)
    return sum
  })
}

function check(x: QTensor<QDType8>, w: QTensor<QDType8>, bias: Float32Array | null): void {
  const [N = 0] = w.shape
  const packed = linearPrepack(w, bias === null ? null : tensor(bias))
  const acc = accumulators(x, w)
  const y = { scale: Math.fround(0.3), zeroPoint: 60, dtype: 'quint8' } as const
  const biases = bias === null ? null : [...bias]
  const out = linear(x, packed, y.scale, y.zeroPoint, { dtype: 'quint8' })
  expect(out.shape).toEqual([...x.shape.slice(0, -1), N])
  expect([...out.storage]).toEqual(naiveRequantize(acc, (i) => i % N, x, w, biases, y))
  const relu = quantized.linearRelu(x, packed, y.scale, y.zeroPoint, { dtype: 'quint8' })
  expect([...relu.storage]).toEqual(naiveRequantize(acc, (i) => i % N, x, w, biases, { ...y, lo: 60 }))
  expect([...quantized.linearInt32(x, linearPrepack(w)).storage]).toEqual(acc)
}

describe('linear is the definition', () => {
  test.each([1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129])('edge 16: for K and N of %i', (size) => {
    const params = { scale: 0.02, zeroPoint: 77 }
    check(randomQ('quint8', [3, size], size, params), randomQ('qint8', [5, size], size), randomReals(5, size))
    check(randomQ('qint8', [2, 9], size, params), randomQ('quint8', [size, 9], size), randomReals(size, size))
  })

  test('edges 16 and 17: for M of 1 to 9', () => {
    for (let rows = 1; rows <= 9; rows++) check(randomQ('quint8', [rows, 20], rows), randomQ('qint8', [6, 20], 1), null)
  })

  test('edge 19: for inputs of rank 1, 3 and 4', () => {
    const w = randomQ('qint8', [4, 6], 2)
    for (const shape of [[6], [2, 3, 6], [2, 1, 3, 6]]) check(randomQ('quint8', shape, 3), w, null)
  })

  test('edge 62: for channels-last input', () => {
    const x = randomQ('quint8', [2, 3, 4, 6], 4)
    const packed = linearPrepack(randomQ('qint8', [5, 6], 2))
    expect(linear(x.contiguous('channelsLast'), packed, 1, 9).storage).toEqual(linear(x, packed, 1, 9).storage)
  })

  test('edge 21: for codes of 255 and weights at both ends, where pairs of products pass int16', () => {
    const x = fromIntRepr(new Uint8Array(2 * 64).fill(255), [2, 64], 'quint8', { scale: 0.01, zeroPoint: 0 })
    for (const end of [-128, 127])
      check(x, fromIntRepr(new Int8Array(3 * 64).fill(end), [3, 64], 'qint8', { scale: 0.01, zeroPoint: 0 }), null)
  })

  test('edge 18: without input features the result is the bias; without rows or outputs it is empty', () => {
    const none = fromIntRepr(new Int8Array(0), [2, 0], 'qint8', { scale: 0.5, zeroPoint: 3 })
    const x = fromIntRepr(new Uint8Array(0), [3, 0], 'quint8', { scale: 0.5, zeroPoint: 9 })
    expect([...linear(x, linearPrepack(none, tensor([1, 2])), 1, 10).storage]).toEqual([11, 12, 11, 12, 11, 12])
    expect(linear(randomQ('quint8', [0, 4], 1), linearPrepack(randomQ('qint8', [2, 4], 1)), 1, 0).shape).toEqual([0, 2])
    const narrow = fromIntRepr(new Int8Array(0), [0, 4], 'qint8', { scale: 0.5, zeroPoint: 3 })
    expect(linear(randomQ('quint8', [3, 4], 1), linearPrepack(narrow), 1, 0).shape).toEqual([3, 0])
  })

  test('edge 27: for one packed weight in two layers with other outputs, again and again', () => {
    const packed = linearPrepack(randomQ('qint8', [4, 6], 2), tensor(randomReals(4, 1)))
    const x = randomQ('quint8', [2, 6], 3)
    const first = Array.from({ length: 20 }, (_, i) => linear(x, packed, 0.1 + i, i).storage)
    const second = Array.from({ length: 20 }, (_, i) => linear(x, packed, 0.1 + i, i).storage)
    expect(second).toEqual(first)
  })

  test('a wrong number of features is refused, with the way out', () => {
    const packed = linearPrepack(randomQ('qint8', [4, 12], 2))
    expect(() => linear(randomQ('quint8', [2, 3, 4], 1), packed, 1, 0)).toThrow(
      /x must be of shape \[\.\.\., 12\], as weight \[4, 12\] asks, but got \[2, 3, 4\]\. Flatten it first/,
    )
    expect(() => linear(quantizePerTensor(tensor(1), 1, 0, 'quint8'), packed, 1, 0)).toThrow(ShapeError)
  })
})

describe('the overflow proof', () => {
  const ones = (count: number): QTensor<'quint8'> =>
    fromIntRepr(new Uint8Array(count).fill(255), [1, count], 'quint8', { scale: 1, zeroPoint: 0 })

  test('edges 24 and 26: accepts 255 * 255 * 33025, and the sum is exact', () => {
    const packed = linearPrepack(ones(33025))
    expect(quantized.linearInt32(ones(33025), packed).item()).toBe(2147450625)
  })

  test('edge 26: terms overflow on the way, the sum does not', () => {
    const x = fromIntRepr(new Uint8Array(33025), [1, 33025], 'quint8', { scale: 1, zeroPoint: 255 })
    expect(quantized.linearInt32(x, linearPrepack(ones(33025))).item()).toBe(-2147450625)
  })

  test('edge 24: accepts 255 * 128 * 65793', () => {
    const w = fromIntRepr(new Int8Array(65793).fill(-128), [1, 65793], 'qint8', { scale: 1, zeroPoint: 0 })
    expect(quantized.linearInt32(ones(65793), linearPrepack(w)).item()).toBe(-2147483520)
  })

  test('edge 25: refuses one weight more, naming channel and bound', () => {
    const codes = new Uint8Array(2 * 33026).fill(255)
    codes.fill(0, 0, 33026)
    const w = fromIntRepr(codes, [2, 33026], 'quint8', { scale: 1, zeroPoint: 0 })
    expect(() => linearPrepack(w, null, { name: 'head' })).toThrow(OverflowError)
    expect(() => linearPrepack(w, null, { name: 'head' })).toThrow(
      /output channel 1 of layer head could reach an accumulator of 2147515650/,
    )
  })

  test('counts the bias once the scale of the input is known', () => {
    const x = fromIntRepr(new Uint8Array(33025), [1, 33025], 'quint8', { scale: 1, zeroPoint: 0 })
    const fits = linearPrepack(ones(33025), tensor([33022], [1], { dtype: 'int32' }))
    expect(quantized.linearInt32(x, fits).item()).toBe(33022)
    const over = linearPrepack(ones(33025), tensor([33024], [1], { dtype: 'int32' }))
    expect(() => quantized.linearInt32(x, over)).toThrow(/2147483649.*a bias|bias of 33024 steps/)
    const middle = fromIntRepr(new Uint8Array(33025).fill(128), [1, 33025], 'quint8', { scale: 1, zeroPoint: 128 })
    expect(quantized.linearInt32(middle, over).item()).toBe(33024)
  })
})

describe('linearDynamic', () => {
  const w = quantizePerTensor(tensor(randomReals(12, 5), [3, 4]), 0.01, 0, 'qint8')

  test('is the definition: quantize by the range, multiply, add the float bias', () => {
    const x = tensor(randomReals(8, 6), [2, 4])
    const bias = randomReals(3, 7)
    const qx = quantizePerTensorDynamic(x, 'quint8')
    const expected = accumulators(qx, w).map((acc, i) =>
      Math.fround(Math.fround(Math.fround(acc) * Math.fround(qx.scale * w.scale)) + (bias[i % 3] ?? NaN)),
    )
    const packed = linearPrepack(w, tensor(bias))
    expect([...quantized.linearDynamic(x, packed).storage]).toEqual(expected)
    const rectified = expected.map((v) => Math.max(v, 0))
    expect([...quantized.linearDynamic(x, packed, { relu: true }).storage]).toEqual(rectified)
    expect([...quantized.linearReluDynamic(x, packed).storage]).toEqual(rectified)
  })

  test('keeps leading axes, and takes rank 1', () => {
    const packed = linearPrepack(w)
    expect(quantized.linearDynamic(zeros([2, 5, 4]), packed).shape).toEqual([2, 5, 3])
    expect(quantized.linearDynamic(zeros([4]), packed).shape).toEqual([3])
  })

  test('edge 18: of an empty batch is empty; without input features it is the bias', () => {
    expect(quantized.linearDynamic(zeros([0, 4]), linearPrepack(w)).shape).toEqual([0, 3])
    const none = fromIntRepr(new Int8Array(0), [2, 0], 'qint8', { scale: 0.5, zeroPoint: 3 })
    expect(quantized.linearDynamic(zeros([2, 0]), linearPrepack(none, tensor([1, 2]))).toArray()).toEqual([
      [1, 2],
      [1, 2],
    ])
  })

  test('edge 51: of zeros is the bias; NaN and infinities do not count for the range', () => {
    const packed = linearPrepack(w, tensor([1, 2, 3]))
    expect(quantized.linearDynamic(zeros([1, 4]), packed).toArray()).toEqual([[1, 2, 3]])
    const finite = quantized.linearDynamic(tensor([[1, 0, 0, -1]]), packed).toArray()
    expect(quantized.linearDynamic(tensor([[1, NaN, 0, -1]]), packed).toArray()).toEqual(finite)
  })

  test('reduceRange uses 7 bits', () => {
    const x = tensor(randomReals(8, 6), [2, 4])
    const packed = linearPrepack(w)
    expect(quantized.linearDynamic(x, packed, { reduceRange: true }).storage).not.toEqual(
      quantized.linearDynamic(x, packed).storage,
    )
  })

  test('refuses an int32 bias, an unknown option and a quantized input', () => {
    const packed = linearPrepack(w, tensor([1, 2, 3], [3], { dtype: 'int32' }))
    expect(() => quantized.linearDynamic(zeros([1, 4]), packed)).toThrow(ArgumentError)
    expect(() => quantized.linearDynamic(zeros([1, 4]), linearPrepack(w), { relu6: true } as never)).toThrow(
      /unknown key/,
    )
    expect(() => quantized.linearDynamic(randomQ('quint8', [1, 4], 1) as never, linearPrepack(w))).toThrow(/dequantize/)
  })

  test('has an async form of the same bytes', async () => {
    const x = tensor(randomReals(8, 6), [2, 4])
    const packed = linearPrepack(w)
    expect((await quantized.linearDynamicAsync(x, packed)).storage).toEqual(quantized.linearDynamic(x, packed).storage)
  })
})
