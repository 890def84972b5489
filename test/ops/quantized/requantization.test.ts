/** Protects how accumulators become codes (numerics.md 5): rounding, saturation, multipliers of every size, biases. */
import { DTypeError, QParamsError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { tensor } from '../../../src/tensor/tensor'

const { conv2d, conv2dPrepack } = quantized

describe('requantization', () => {
  afterEach(() => {
    jest.restoreAllMocks()
  })

  const one = (acc: number): QTensor<'quint8'> =>
    fromIntRepr(new Uint8Array([acc]), [1, 1, 1, 1], 'quint8', { scale: 1, zeroPoint: 100 })
  const unit = fromIntRepr(new Int8Array([1]), [1, 1, 1, 1], 'qint8', { scale: 1, zeroPoint: 0 })
  const code = (acc: number, scale: number, zeroPoint: number, bias = 0): number =>
    conv2d(one(acc + 100), conv2dPrepack(unit, tensor([bias])), scale, zeroPoint)
      .intRepr()
      .item()

  test('edge 33: exact ties round to even before the zero point is added', () => {
    expect([1, 3, 5, -1, -3].map((acc) => code(acc, 2, 7))).toEqual([7, 9, 9, 7, 5])
  })

  test('edge 31: multipliers above 1', () => {
    expect(code(2, 1 / 4.6, 10)).toBe(19)
    expect(code(1, 2 ** -8, 0)).toBe(255)
  })

  test('edge 32: multipliers of 2^-32 and below give the zero point', () => {
    expect(code(100, 2 ** 32, 42)).toBe(42)
    expect(code(100, 2 ** 126, 42)).toBe(42)
  })

  test('edge 34: accumulators near both ends of int32', () => {
    jest.spyOn(process, 'emitWarning').mockImplementation()
    expect(code(0, 2 ** 24, 100, 2 ** 31 - 2 ** 8)).toBe(228)
    expect(code(0, 2 ** 24, 200, -(2 ** 31) + 2 ** 8)).toBe(72)
  })

  test('edge 36: results far outside int32 saturate at both ends', () => {
    expect(code(100, 1e-12, 10)).toBe(255)
    expect(code(-100, 1e-12, 10)).toBe(0)
  })

  test('edge 38: a product of scales below float32 is computed in float64', () => {
    const x = fromIntRepr(new Uint8Array([200]), [1, 1, 1, 1], 'quint8', { scale: 1e-20, zeroPoint: 0 })
    const w = fromIntRepr(new Int8Array([100]), [1, 1, 1, 1], 'qint8', { scale: 1e-20, zeroPoint: 0 })
    expect(conv2d(x, conv2dPrepack(w), 1e-37, 0).intRepr().item()).toBe(20)
  })

  test('edge 37: scales of 0, below 0, NaN, infinity and denormals are refused', () => {
    const packed = conv2dPrepack(unit)
    for (const scale of [0, -1, NaN, Infinity, 1e-40])
      expect(() => conv2d(one(1), packed, scale, 0)).toThrow(QParamsError)
  })

  test('a ratio of scales that no float32 holds is refused', () => {
    const x = fromIntRepr(new Uint8Array([1]), [1, 1, 1, 1], 'quint8', { scale: 1e30, zeroPoint: 0 })
    expect(() => conv2d(x, conv2dPrepack(unit), 1e-30, 0)).toThrow(/their ratio is no float32/)
  })

  test("edges 28 and 30: the result's zero point may be any of its type, and no other", () => {
    for (const zeroPoint of [0, 1, 127, 128, 255]) expect(code(0, 1, zeroPoint)).toBe(zeroPoint)
    expect(() => code(0, 1, 256)).toThrow(/zeroPoint must be a whole number from 0 to 255/)
    const y = conv2d(one(100), conv2dPrepack(unit), 1, -128, { dtype: 'qint8' })
    expect(y.intRepr().item()).toBe(-128)
  })

  test('edge 39: ReLU stops at the zero point; a clip at the codes of its bounds', () => {
    const packed = conv2dPrepack(unit)
    const codes = (run: (x: QTensor<'quint8'>) => QTensor<'quint8'>): number[] =>
      [-100, -1, 3, 100].map((acc) => run(one(acc + 100)).storage[0] ?? NaN)
    expect(codes((x) => quantized.conv2dRelu(x, packed, 1, 50))).toEqual([50, 50, 53, 150])
    expect(codes((x) => quantized.conv2dClip(x, packed, 1, 50, { min: 0, max: 6 }))).toEqual([50, 50, 53, 56])
    expect(codes((x) => quantized.conv2dClip(x, packed, 1, 50, { min: -1.4, max: 1e9 }))).toEqual([49, 49, 53, 150])
    expect(() => quantized.conv2dClip(one(0), packed, 1, 50, { min: 2, max: 1 })).toThrow(
      /options.min must be at most options.max/,
    )
  })
})

describe('bias', () => {
  const unit = fromIntRepr(new Int8Array([1]), [1, 1, 1, 1], 'qint8', { scale: 0.5, zeroPoint: 0 })

  test('edge 42: follows the scale of each input', () => {
    const packed = conv2dPrepack(unit, tensor([3]))
    const acc = (scale: number): number => {
      const x = fromIntRepr(new Uint8Array([0]), [1, 1, 1, 1], 'quint8', { scale, zeroPoint: 0 })
      return quantized.conv2dInt32(x, packed).item()
    }
    expect([1, 2, 0.25, 1].map(acc)).toEqual([6, 3, 24, 6])
  })

  test('is taken as it is when it is int32', () => {
    const packed = conv2dPrepack(unit, tensor([7], [1], { dtype: 'int32' }))
    const x = fromIntRepr(new Uint8Array([2]), [1, 1, 1, 1], 'quint8', { scale: 0.125, zeroPoint: 0 })
    expect(quantized.conv2dInt32(x, packed).item()).toBe(9)
    expect(packed.unpack().bias?.dtype).toBe('int32')
  })

  test('of another length, of NaN, or quantized is refused', () => {
    expect(() => conv2dPrepack(unit, tensor([1, 2]))).toThrow(/bias must be of shape \[1\]/)
    expect(() => conv2dPrepack(unit, tensor([NaN]))).toThrow(/bias\[0\] must be a finite number, but got NaN/)
    expect(() => conv2dPrepack(unit, unit as never)).toThrow(DTypeError)
  })
})
