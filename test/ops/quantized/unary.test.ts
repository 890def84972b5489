/** Protects clips, tables, requantization and movement of codes (numerics.md 5, 6). */
import { ShapeError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import { codeRange, type QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor } from '../../../src/tensor/tensor'
import { randomQ, toCode } from '../naive'

const { fround } = Math

/** All 256 codes of a type. */
function allCodes<D extends QDType8>(dtype: D, scale: number, zeroPoint: number): QTensor<D> {
  const q = randomQ(dtype, [4, 64], 1, { scale, zeroPoint })
  const [least] = codeRange[dtype]
  for (let i = 0; i < 256; i++) q.storage[i] = i + least
  return q
}

const inputs = (['quint8', 'qint8'] as const).flatMap((dtype) =>
  [0.05, 30, 1e-6].map((scale) => [dtype, scale, allCodes(dtype, scale, 17)] as const),
)

describe.each(inputs)('on all codes of %s with scale %p', (dtype, _, x) => {
  const [min, max] = codeRange[dtype]
  const reals = Array.from(x.storage, (code) => (code - x.zeroPoint) * x.scale)
  const bounded = (lo: number, hi: number): number[] =>
    Array.from(x.storage, (code) => Math.min(Math.max(code, lo), hi))
  const codeOf = (v: number): number => quantizePerTensor(tensor([v]), x.scale, x.zeroPoint, dtype).storage[0] ?? NaN
  const table = (f: (v: number) => number, scale: number, zp: number): number[] =>
    reals.map((v) => toCode(f(v) / fround(scale), zp, min, max))

  test('relu, relu6, clamp and hardtanh keep the codes between those of their bounds', () => {
    expect([...quantized.relu(x).storage]).toEqual(bounded(17, max))
    expect([...quantized.relu6(x).storage]).toEqual(bounded(17, codeOf(6)))
    expect([...quantized.clamp(x, { min: -1, max: 2 }).storage]).toEqual(bounded(codeOf(-1), codeOf(2)))
    expect([...quantized.clamp(x, { min: 1 }).storage]).toEqual(bounded(codeOf(1), max))
    expect([...quantized.clamp(x, { max: 1 }).storage]).toEqual(bounded(min, codeOf(1)))
    expect([...quantized.hardtanh(x).storage]).toEqual(bounded(codeOf(-1), codeOf(1)))
    expect(quantized.relu(x).qparams).toEqual(x.qparams)
  })

  test('edge 74: sigmoid and tanh are tables of the definition, with the usual parameters', () => {
    const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))
    const [usual, middle] = dtype === 'quint8' ? [0, 128] : [-128, 0]
    expect([...quantized.sigmoid(x).storage]).toEqual(table(sigmoid, 1 / 256, usual))
    expect(quantized.sigmoid(x)).toMatchObject({ scale: 1 / 256, zeroPoint: usual })
    expect([...quantized.sigmoid(x, { scale: 0.01, zeroPoint: 3 }).storage]).toEqual(table(sigmoid, 0.01, 3))
    expect([...quantized.tanh(x).storage]).toEqual(table(Math.tanh, 2 / 256, middle))
  })

  test('edge 74: hardswish and leaky ReLU are tables of the definition', () => {
    const hardswish = (v: number): number => (v * Math.min(Math.max(v + 3, 0), 6)) / 6
    expect([...quantized.hardswish(x, 0.04, 12).storage]).toEqual(table(hardswish, 0.04, 12))
    const leaky = (slope: number) => (v: number) => (v > 0 ? v : v * slope)
    expect([...quantized.leakyRelu(x, 0.04, 12).storage]).toEqual(table(leaky(0.01), 0.04, 12))
    const steep = quantized.leakyRelu(x, 0.04, 12, { negativeSlope: 0.5 })
    expect([...steep.storage]).toEqual(table(leaky(0.5), 0.04, 12))
  })

  test('requantize is the definition, between types too', () => {
    for (const to of ['quint8', 'qint8'] as const) {
      const [lo, hi] = codeRange[to]
      const y = quantized.requantize(x, 0.07, 40, { dtype: to })
      const m = fround(x.scale / fround(0.07))
      expect([...y.storage]).toEqual(Array.from(x.storage, (code) => toCode(fround((code - 17) * m), 40, lo, hi)))
    }
  })

  test('requantize with equal parameters keeps the codes', () => {
    expect(quantized.requantize(x, x.scale, x.zeroPoint).storage).toEqual(x.storage)
  })
})

test('edge 62: unary ops keep the memory format and give the same values', () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 1)
  const last = x.contiguous('channelsLast')
  for (const op of [quantized.relu, quantized.relu6, quantized.hardtanh, quantized.sigmoid, quantized.tanh] as const) {
    expect(op(last).memoryFormat).toBe('channelsLast')
    expect(op(last).intRepr().data).toEqual(op(x).intRepr().data)
  }
})

test('edge 48: any length, the empty one too', () => {
  for (const length of [0, 1, 7, 15, 16, 17, 31, 33, 63, 65]) {
    const x = randomQ('qint8', [length], length)
    expect([...quantized.relu(x).storage]).toEqual(Array.from(x.storage, (code) => Math.max(code, 3)))
  }
})

describe('cat', () => {
  const a = randomQ('quint8', [2, 3, 4], 1)
  const b = randomQ('quint8', [2, 1, 4], 2, { scale: 0.02, zeroPoint: 90 })

  test('edge 75: requantizes what differs from the result, copies what does not', () => {
    const y = quantized.cat([a, b], 1)
    expect(y).toMatchObject({ shape: [2, 4, 4], scale: a.scale, zeroPoint: a.zeroPoint })
    const moved = quantized.requantize(b, a.scale, a.zeroPoint)
    const rows = (q: QTensor, n: number): number[] => [...q.storage.subarray(n * (q.size / 2), (n + 1) * (q.size / 2))]
    expect([...y.storage]).toEqual([...rows(a, 0), ...rows(moved, 0), ...rows(a, 1), ...rows(moved, 1)])
  })

  test('edge 75: takes one tensor, and tensors of size zero', () => {
    expect(quantized.cat([a], 0).storage).toEqual(a.storage)
    const none = randomQ('quint8', [2, 0, 4], 1)
    expect(quantized.cat([none, a, none], 1).storage).toEqual(a.storage)
    expect(quantized.cat([none, none], 1).shape).toEqual([2, 0, 4])
  })

  test('with other parameters is a requantization of everything', () => {
    const y = quantized.cat([a, a], -1, { scale: 0.2, zeroPoint: 5 })
    expect(y.shape).toEqual([2, 3, 8])
    expect([...y.storage.subarray(0, 4)]).toEqual([...quantized.requantize(a, 0.2, 5).storage.subarray(0, 4)])
  })

  test('with ReLU has no code below the zero point', () => {
    const same = quantized.catRelu([a, a], 0)
    expect([...same.storage]).toEqual([...quantized.relu(a).storage, ...quantized.relu(a).storage])
    expect(Math.min(...quantized.catRelu([a, b], 1, { scale: 0.1, zeroPoint: 50 }).storage)).toBe(50)
  })

  test('edge 62: keeps the first memory format, whatever the others are', () => {
    const x = randomQ('quint8', [2, 3, 4, 5], 1)
    const y = randomQ('quint8', [2, 2, 4, 5], 2)
    const plain = quantized.cat([x, y], 1)
    const last = quantized.cat([x.contiguous('channelsLast'), y], 1)
    expect(last.memoryFormat).toBe('channelsLast')
    expect(last.intRepr().data).toEqual(plain.intRepr().data)
  })

  test.each<[string, () => unknown, RegExp]>([
    ['no tensors', () => quantized.cat([], 0), /an array of at least one tensor/],
    ['no array', () => quantized.cat(a as never, 0), /an array of at least one tensor/],
    [
      'other shapes',
      () => quantized.cat([a, randomQ('quint8', [3, 3, 4], 1)], 1),
      /tensors\[1\] must be of the shape of tensors\[0\], \[2, 3, 4\], but for axis 1/,
    ],
    [
      'other types',
      () => quantized.cat([a, randomQ('qint8', [2, 3, 4], 1) as never], 1),
      /tensors\[1\] must be a QTensor of quint8/,
    ],
    ['an axis that does not exist', () => quantized.cat([a], 3), /dim must be a whole number from -3 to 2/],
  ])('refuses %s', (_, call, message) => {
    expect(call).toThrow(message)
  })
})

describe('pad', () => {
  const x = fromIntRepr(new Uint8Array([1, 2, 3, 4]), [1, 2, 2], 'quint8', { scale: 0.5, zeroPoint: 9 })

  test('adds zero points, last axis first', () => {
    expect(quantized.pad(x, [1, 0, 0, 1]).intRepr().toArray()).toEqual([
      [
        [9, 1, 2],
        [9, 3, 4],
        [9, 9, 9],
      ],
    ])
  })

  test('adds the code of another value, and takes away where negative', () => {
    expect(quantized.pad(x, [-1, 1], { value: 2 }).intRepr().toArray()).toEqual([
      [
        [2, 13],
        [4, 13],
      ],
    ])
    expect(quantized.pad(x, [-3, 3]).intRepr().toArray()).toEqual([
      [
        [9, 9],
        [9, 9],
      ],
    ])
  })

  test('edge 62: works on channels-last', () => {
    const image = randomQ('quint8', [2, 3, 4, 5], 1)
    expect(quantized.pad(image.contiguous('channelsLast'), [1, 2, 3, 0, 1, 1]).intRepr().data).toEqual(
      quantized.pad(image, [1, 2, 3, 0, 1, 1]).intRepr().data,
    )
  })

  test('refuses odd counts, too many axes, and taking away everything and more', () => {
    expect(() => quantized.pad(x, [1])).toThrow(/pairs \[before, after\]/)
    expect(() => quantized.pad(x, [1, 1, 1, 1, 1, 1, 1, 1])).toThrow(ShapeError)
    expect(() => quantized.pad(x, [-2, -1])).toThrow(/something is left/)
  })
})

test('flatten joins axes in logical order', () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 1)
  expect(quantized.flatten(x).shape).toEqual([120])
  expect(quantized.flatten(x, { startDim: 1 }).shape).toEqual([2, 60])
  expect(quantized.flatten(x, { startDim: 1, endDim: -2 }).shape).toEqual([2, 12, 5])
  expect(quantized.flatten(x.contiguous('channelsLast'), { startDim: 1 }).storage).toEqual(x.storage)
  expect(() => quantized.flatten(x, { startDim: 2, endDim: 1 })).toThrow(/at most endDim/)
})

test('the async forms give the same bytes', async () => {
  const x = randomQ('quint8', [2, 3, 4, 5], 1)
  expect((await quantized.relu6Async(x)).storage).toEqual(quantized.relu6(x).storage)
  expect((await quantized.sigmoidAsync(x)).storage).toEqual(quantized.sigmoid(x).storage)
  expect((await quantized.catAsync([x, x], 1)).storage).toEqual(quantized.cat([x, x], 1).storage)
  expect((await quantized.padAsync(x, [1, 1])).storage).toEqual(quantized.pad(x, [1, 1]).storage)
  expect((await quantized.requantizeAsync(x, 1, 0)).storage).toEqual(quantized.requantize(x, 1, 0).storage)
  await expect(quantized.reluAsync(tensor([1]) as never)).rejects.toThrow(/QTensor/)
})
