/** Protects quantize and dequantize (numerics.md 1, 2): rounding, ends of the range, special values, layouts, refusals. */
import { DTypeError, QParamsError, ShapeError } from '../../src/errors'
import { codeRange, type QDType } from '../../src/tensor/dtype'
import { fromIntRepr } from '../../src/tensor/qtensor'
import {
  chooseQParams,
  quantizePerChannel,
  quantizePerChannelAsync,
  quantizePerTensor,
  quantizePerTensorAsync,
  quantizePerTensorDynamic,
  quantizePerTensorDynamicAsync,
} from '../../src/tensor/quantize'
import { tensor, zeros } from '../../src/tensor/tensor'

const { fround } = Math

const codes = (values: number[], scale: number, zeroPoint: number, dtype: QDType): number[] => [
  ...quantizePerTensor(tensor(values), scale, zeroPoint, dtype).storage,
]

describe('quantizePerTensor', () => {
  test('edge 45: rounds halves to even, before the zero point is added', () => {
    expect(codes([2.5, 3.5, -2.5, 0.5, 1.5], 1, 7, 'quint8')).toEqual([9, 11, 5, 7, 9])
    expect(codes([1.25, 1.75], 0.5, 0, 'qint8')).toEqual([2, 4])
  })

  test('edge 45: one ULP beside a tie decides', () => {
    const up = fround(2.5 + 2 ** -22)
    const down = fround(2.5 - 2 ** -22)
    expect(codes([down, 2.5, up], 1, 0, 'qint8')).toEqual([2, 2, 3])
  })

  test('edge 45: multiplies by the reciprocal, as PyTorch does', () => {
    const scale = fround(0.0748)
    const inverse = fround(1 / scale)
    const differing = Array.from({ length: 200 }, (_, i) => fround((i + 0.5) * scale)).filter(
      (x) => Math.round(fround(x * inverse)) !== Math.round(fround(x / scale)),
    )
    expect(differing.length).toBeGreaterThan(0)
    for (const x of differing) {
      const steps = fround(x * inverse)
      const even = Math.floor(steps) % 2 === 0 ? Math.floor(steps) : Math.ceil(steps)
      expect(codes([x], scale, 0, 'quint8')).toEqual([steps % 1 === 0.5 ? even : Math.round(steps)])
    }
  })

  test('edge 46: infinities are the ends, NaN is the zero point, at any place of any length', () => {
    for (const length of [1, 7, 16, 17, 65])
      for (let at = 0; at < length; at += 5) {
        const values = new Array<number>(length).fill(1)
        for (const [value, code] of [
          [Infinity, 255],
          [-Infinity, 0],
          [NaN, 7],
          [1e30, 255],
          [-1e30, 0],
        ] as const) {
          values[at] = value
          expect(codes(values, 0.5, 7, 'quint8')[at]).toBe(code)
        }
      }
  })

  test('edge 47: -0, denormals and the largest float', () => {
    expect(codes([-0, 1e-45, -1e-45, 3.4e38, -3.4e38], 2 ** -126, 3, 'qint8')).toEqual([3, 3, 3, 127, -128])
  })

  test('edge 48: any length, and a view into a larger buffer', () => {
    for (const length of [0, 1, 7, 8, 15, 16, 17, 31, 33, 63, 65]) {
      const buffer = new Float32Array(length + 3).map((_, i) => i - 20)
      const expected = Array.from(buffer.subarray(3), (v) => Math.max(0, v + 20))
      expect([...quantizePerTensor(tensor(buffer.subarray(3)), 1, 20, 'quint8').storage]).toEqual(expected)
    }
  })

  test('qint32 saturates from 2^31 on', () => {
    expect(codes([2 ** 31, -(2 ** 31), 5e12, 1.5], 1, 0, 'qint32')).toEqual([2147483647, -2147483648, 2147483647, 2])
  })

  test('keeps the memory format', () => {
    const x = tensor(Float32Array.from({ length: 24 }, (_, i) => i)).reshape([1, 2, 3, 4])
    const q = quantizePerTensor(x.contiguous('channelsLast'), 1, 0, 'quint8')
    expect(q.memoryFormat).toBe('channelsLast')
    expect([...q.intRepr().data]).toEqual([...x.data])
    expect(q.dequantize().memoryFormat).toBe('channelsLast')
    expect(q.dequantize().data).toEqual(x.data)
  })

  test('edge 37: scales that are not finite, positive and normal are refused', () => {
    for (const scale of [0, -1, NaN, Infinity, 1e-40, '1' as never])
      expect(() => quantizePerTensor(zeros([1]), scale, 0, 'quint8')).toThrow(QParamsError)
  })

  test('edge 30: zero points outside the type, and fractions, are refused with the formula', () => {
    expect(() => quantizePerTensor(zeros([1]), 1, 240, 'qint8')).toThrow(
      /zeroPoint must be a whole number from -128 to 127 \(qint8\), but got 240.*A value counted from 0 belongs to quint8/,
    )
    expect(() => quantizePerTensor(zeros([1]), 1, -14.11, 'qint8')).toThrow(/zeroPoint = qmin - round\(min \/ scale\)/)
  })

  test('other dtypes and other tensors are refused', () => {
    expect(() => quantizePerTensor(zeros([1]), 1, 0, 'uint8' as never)).toThrow(/quint8 or qint8 or qint32/)
    expect(() => quantizePerTensor(zeros([1], { dtype: 'int32' }) as never, 1, 0, 'quint8')).toThrow(DTypeError)
  })
})

test.each<QDType>(['quint8', 'qint8'])(
  'edge 50: all codes of %s survive dequantize and quantize, for every scale',
  (dtype) => {
    const [min] = codeRange[dtype]
    for (const scale of [1e-30, 1e-10, 0.1, 1, 1e10, 1e30])
      for (const zeroPoint of [0, 1, 100, 127]) {
        const storage = dtype === 'quint8' ? new Uint8Array(256) : new Int8Array(256)
        const all = storage.map((_, i) => i + min)
        const q = fromIntRepr(all, [256], dtype, { scale, zeroPoint })
        expect(quantizePerTensor(q.dequantize(), q.scale, zeroPoint, dtype).storage).toEqual(all)
      }
  },
)

test('dequantize is one float32 product of an exact difference', () => {
  const q = fromIntRepr(new Int32Array([2147483647, -2147483648, 5]), [3], 'qint32', { scale: 0.1, zeroPoint: -1 })
  expect([...q.dequantize().data]).toEqual([2147483648, -2147483647, 6].map((v) => fround(fround(v) * fround(0.1))))
})

describe('quantizePerChannel', () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3])

  test('edge 49: along the first, the last and a negative axis', () => {
    expect([...quantizePerChannel(x, [1, 2], [0, 10], 0, 'qint8').storage]).toEqual([1, 2, 3, 12, 12, 13])
    expect([...quantizePerChannel(x, [1, 2, 0.5], [0, 0, 1], 1, 'qint8').storage]).toEqual([1, 1, 7, 4, 2, 13])
    expect(quantizePerChannel(x, [1, 2, 0.5], [0, 0, 1], -1, 'qint8').axis).toBe(1)
  })

  test('edge 49: dequantizes channel by channel, after permute and in channels-last', () => {
    const image = x.reshape([1, 2, 3, 1])
    const q = quantizePerChannel(image, [1, 0.5], [0, 3], 1, 'quint8')
    expect(q.dequantize().data).toEqual(image.data)
    expect(q.contiguous('channelsLast').dequantize().data).toEqual(image.data)
    const moved = q.permute([3, 2, 1, 0])
    expect(moved.axis).toBe(2)
    expect(moved.dequantize().data).toEqual(image.permute([3, 2, 1, 0]).data)
  })

  test('edge 30: refuses other counts, naming the axis, and a bad scale, naming its index', () => {
    expect(() => quantizePerChannel(x, [1], [0, 0], 0, 'qint8')).toThrow(
      /scales must be 2 values, one per index of axis 0/,
    )
    expect(() => quantizePerChannel(x, [1, 1], [0], 0, 'qint8')).toThrow(/zeroPoints must be 2 values/)
    expect(() => quantizePerChannel(x, [1, 0], [0, 0], 0, 'qint8')).toThrow(/scales\[1\]/)
    expect(() => quantizePerChannel(x, [1, 1], [0, 200], 0, 'qint8')).toThrow(/zeroPoints\[1\]/)
    expect(() => quantizePerChannel(x, [1, 1], [0, 0], 2, 'qint8')).toThrow(ShapeError)
    expect(() => quantizePerChannel(tensor(1), [1], [0], 0, 'qint8')).toThrow(/a scalar has none/)
  })
})

describe('quantizePerTensorDynamic', () => {
  test.each([
    ['all zero', [0, 0], 0.1, 0],
    ['all positive', [1, 2.55], 0.01, 0],
    ['all negative', [-2.55, -1], 0.01, 255],
    ['a single element', [5.1], 0.02, 0],
    ['a constant tensor', [5.1, 5.1], 0.02, 0],
    ['one huge outlier', [0.1, 2.55e6], 1e4, 0],
  ])('edge 51: %s', (_, values, scale, zeroPoint) => {
    const q = quantizePerTensorDynamic(tensor(values), 'quint8')
    expect(q.scale).toBeCloseTo(scale, 5)
    expect(q.zeroPoint).toBe(zeroPoint)
    expect(q.storage).toEqual(quantizePerTensor(tensor(values), q.scale, q.zeroPoint, 'quint8').storage)
  })

  test('edge 51: ranges of every size give a usable scale and a zero point of the type', () => {
    for (let exponent = -45; exponent <= 38; exponent++)
      for (const [lo, hi] of [
        [-1, 2],
        [0, 1],
        [-3, 0],
      ] as const)
        for (const dtype of ['quint8', 'qint8'] as const) {
          const { scale, zeroPoint } = chooseQParams(
            fround(lo * 10 ** exponent),
            fround(hi * 10 ** exponent),
            dtype,
            false,
          )
          const [min, max] = codeRange[dtype]
          expect(scale).toBeGreaterThan(1e-5)
          expect(zeroPoint).toBeGreaterThanOrEqual(min)
          expect(zeroPoint).toBeLessThanOrEqual(max)
        }
  })

  test('reduceRange halves the range', () => {
    expect(chooseQParams(-1, 1, 'quint8', true)).toMatchObject({ zeroPoint: 64 })
    expect(chooseQParams(0, 1.27, 'quint8', true).scale).toBe(fround(0.01))
  })

  test('edge 54: nothing, and nothing finite, is refused', () => {
    expect(() => quantizePerTensorDynamic(zeros([0]), 'quint8')).toThrow(ShapeError)
    expect(() => quantizePerTensorDynamic(tensor([NaN, Infinity]), 'quint8')).toThrow(QParamsError)
    expect(() => quantizePerTensorDynamic(zeros([1]), 'qint32' as never)).toThrow(DTypeError)
  })

  test('NaN and infinities do not count for the range', () => {
    const q = quantizePerTensorDynamic(tensor([0, 2.55, NaN, Infinity, -Infinity]), 'quint8')
    expect([...q.storage]).toEqual([0, 255, 0, 255, 0])
  })
})

test('the async forms give the same bytes, and reject where the sync ones throw', async () => {
  const x = tensor([
    [0.5, 1],
    [2, 3],
  ])
  expect((await quantizePerTensorAsync(x, 0.1, 3, 'qint8')).storage).toEqual(
    quantizePerTensor(x, 0.1, 3, 'qint8').storage,
  )
  expect((await quantizePerChannelAsync(x, [1, 2], [0, 1], 0, 'qint8')).storage).toEqual(
    quantizePerChannel(x, [1, 2], [0, 1], 0, 'qint8').storage,
  )
  expect((await quantizePerTensorDynamicAsync(x, 'quint8')).storage).toEqual(
    quantizePerTensorDynamic(x, 'quint8').storage,
  )
  await expect(quantizePerTensorAsync(x, 0, 0, 'qint8')).rejects.toThrow(QParamsError)
})
