/** Protects quantized sums and products: against the definition (numerics.md 6), with broadcasting and scalars. */
import fc from 'fast-check'
import { ArgumentError, DTypeError, QParamsError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import { codeRange, type QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor, zeros } from '../../../src/tensor/tensor'
import { randomQ, toCode } from '../naive'

const { fround } = Math

const target = { scale: fround(0.07), zeroPoint: 20 }

function sumOf(a: number, b: number, left: QTensor, right: QTensor, lo: number, hi: number): number {
  const x = fround((a - left.zeroPoint) * fround(left.scale / target.scale))
  const y = fround((b - right.zeroPoint) * fround(right.scale / target.scale))
  return toCode(fround(x + y), target.zeroPoint, lo, hi)
}

function productOf(a: number, b: number, left: QTensor, right: QTensor, lo: number, hi: number): number {
  const m = fround(fround(left.scale * right.scale) / target.scale)
  return toCode(fround((a - left.zeroPoint) * (b - right.zeroPoint) * m), target.zeroPoint, lo, hi)
}

/** Every pair of codes, as two tensors. */
function allPairs<D extends QDType8>(dtype: D): readonly [QTensor<D>, QTensor<D>] {
  const a = randomQ(dtype, [256, 256], 1, { scale: 0.05, zeroPoint: 3 })
  const b = randomQ(dtype, [256, 256], 1, { scale: 0.11, zeroPoint: 120 })
  const [least] = codeRange[dtype]
  for (let i = 0; i < 65536; i++) {
    a.storage[i] = (i >> 8) + least
    b.storage[i] = (i & 255) + least
  }
  return [a, b]
}

describe.each<QDType8>(['quint8', 'qint8'])('for all pairs of codes of %s', (dtype) => {
  const [a, b] = allPairs(dtype)
  const [min, max] = codeRange[dtype]
  const { scale, zeroPoint } = target
  const expected = (f: typeof sumOf, lo: number, hi: number): number[] =>
    Array.from(a.storage, (code, i) => f(code, b.storage[i] ?? NaN, a, b, lo, hi))

  test('edge 72: add is the definition, plain, with ReLU and clipped', () => {
    expect([...quantized.add(a, b, scale, zeroPoint).storage]).toEqual(expected(sumOf, min, max))
    expect([...quantized.addRelu(a, b, scale, zeroPoint).storage]).toEqual(expected(sumOf, zeroPoint, max))
    const clipped = quantized.addClip(a, b, scale, zeroPoint, { min: -0.35, max: 3.5 })
    expect([...clipped.storage]).toEqual(expected(sumOf, 15, 70))
  })

  test('edge 72: mul is the definition, plain and with ReLU', () => {
    expect([...quantized.mul(a, b, scale, zeroPoint).storage]).toEqual(expected(productOf, min, max))
    expect([...quantized.mulRelu(a, b, scale, zeroPoint).storage]).toEqual(expected(productOf, zeroPoint, max))
  })
})

test('edge 72: operands broadcast, in any mixture of memory formats', () => {
  const axis = fc.record({ size: fc.integer({ min: 1, max: 3 }), a: fc.boolean(), b: fc.boolean() })
  fc.assert(
    fc.property(fc.array(axis, { minLength: 4, maxLength: 4 }), fc.boolean(), fc.boolean(), (axes, aLast, bLast) => {
      const shape = axes.map(({ size }) => size)
      const aShape = axes.map((x) => (x.a ? 1 : x.size))
      const bShape = axes.map((x) => (x.a || !x.b ? x.size : 1))
      const a = randomQ('quint8', aShape, 1)
      const b = randomQ('quint8', bShape, 2)
      const format = (last: boolean): 'channelsLast' | 'contiguous' => (last ? 'channelsLast' : 'contiguous')
      const y = quantized.add(a.contiguous(format(aLast)), b.contiguous(format(bLast)), target.scale, target.zeroPoint)
      const at = (q: QTensor, sizes: readonly number[], index: readonly number[]): number => {
        const offset = sizes.reduce((sum, size, i) => sum * size + (size === 1 ? 0 : (index[i] ?? 0)), 0)
        return q.intRepr().data[offset] ?? NaN
      }
      const expected: number[] = []
      for (let i = 0; i < shape.reduce((p, n) => p * n, 1); i++) {
        let rest = i
        const index = [...shape].reverse().map((size) => {
          const digit = rest % size
          rest = Math.floor(rest / size)
          return digit
        })
        index.reverse()
        expected.push(sumOf(at(a, aShape, index), at(b, bShape, index), a, b, 0, 255))
      }
      expect(y.shape).toEqual(shape)
      expect([...y.intRepr().data]).toEqual(expected)
    }),
  )
})

test('an operand may be a scalar tensor, and empty ones give empty ones', () => {
  const x = randomQ('quint8', [2, 3], 1)
  const two = quantizePerTensor(tensor(2), 1, 0, 'quint8')
  const sum = quantized.add(x, two, x.scale, x.zeroPoint)
  expect([...sum.storage]).toEqual(Array.from(x.storage, (code) => Math.min(code + 40, 255)))
  expect(quantized.add(randomQ('quint8', [0, 3], 1), randomQ('quint8', [1, 3], 1), 1, 0).shape).toEqual([0, 3])
})

test('edge 65: an operand may be both operands', () => {
  const x = randomQ('qint8', [5], 1)
  expect(quantized.add(x, x, x.scale * 2, 3).storage).toEqual(x.storage)
})

describe('sums and products refuse', () => {
  const u = randomQ('quint8', [2], 1)
  test.each<[string, () => unknown, RegExp]>([
    [
      'two dtypes',
      () => quantized.add(u, randomQ('qint8', [2], 1) as never, 1, 0),
      /b must be a QTensor of quint8, as a is.*requantize/,
    ],
    ['a float operand', () => quantized.mul(u, zeros([2]) as never, 1, 0), /b must be a QTensor/],
    [
      'shapes that do not broadcast',
      () => quantized.add(u, randomQ('quint8', [3], 1), 1, 0),
      /broadcasts with a's \[2\]/,
    ],
    ['a scale of 0', () => quantized.add(u, u, 0, 0), /scale must be/],
    ['a zero point outside the type', () => quantized.add(u, u, 1, -1), /zeroPoint must be/],
    [
      'a clip whose min is above its max',
      () => quantized.addClip(u, u, 1, 0, { min: 1, max: 0 }),
      /at most options.max/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message)
  })
})

describe('addScalar', () => {
  const x = fromIntRepr(new Uint8Array([0, 10, 200, 255]), [4], 'quint8', { scale: 0.5, zeroPoint: 10 })

  test('moves the zero point and keeps the codes, halves away from zero', () => {
    expect(quantized.addScalar(x, 3)).toMatchObject({ zeroPoint: 4, scale: 0.5, storage: x.storage })
    expect(quantized.addScalar(x, 0.25).zeroPoint).toBe(9)
    expect(quantized.addScalar(x, -0.25).zeroPoint).toBe(11)
  })

  test('makes scale and codes anew where the zero point would leave the type', () => {
    const y = quantized.addScalar(x, 100)
    expect(y.zeroPoint).toBe(0)
    expect(y.scale).toBe(fround((0.5 * (255 + 190)) / 255))
    expect([...y.storage]).toEqual([109, 115, 223, 255])
    const down = quantized.addScalar(x, -200)
    expect(down.zeroPoint).toBe(255)
    expect(down.dequantize().data[0]).toBeCloseTo(-205, 0)
  })

  test('with ReLU goes no lower than the new zero point', () => {
    expect([...quantized.addScalarRelu(x, -50).storage]).toEqual([110, 110, 200, 255])
  })

  test('refuses NaN and infinity', () => {
    expect(() => quantized.addScalar(x, NaN)).toThrow(ArgumentError)
    expect(() => quantized.addScalar(x, Infinity)).toThrow(ArgumentError)
  })
})

describe('mulScalar', () => {
  const x = fromIntRepr(new Int8Array([-128, 0, 5, 127]), [4], 'qint8', { scale: 0.5, zeroPoint: 5 })

  test('multiplies the scale and keeps the codes', () => {
    expect(quantized.mulScalar(x, 0.1)).toMatchObject({ scale: fround(0.05), zeroPoint: 5, storage: x.storage })
  })

  test('mirrors codes and zero point of a negative factor', () => {
    const y = quantized.mulScalar(x, -2)
    expect(y).toMatchObject({ scale: 1, zeroPoint: -6 })
    expect([...y.storage]).toEqual([127, -1, -6, -128])
    expect([...quantized.mulScalarRelu(x, -2).storage]).toEqual([127, -1, -6, -6])
  })

  test('by 0 gives zeros of scale 1', () => {
    const y = quantized.mulScalar(x, 0)
    expect(y).toMatchObject({ scale: 1, zeroPoint: 0 })
    expect([...y.storage]).toEqual([0, 0, 0, 0])
  })

  test('refuses a factor that takes the scale out of float32', () => {
    expect(() => quantized.mulScalar(x, 1e-40)).toThrow(QParamsError)
    expect(() => quantized.mulScalar(x, 1e300)).toThrow(QParamsError)
  })
})

test('the async forms give the same bytes', async () => {
  const a = randomQ('quint8', [3, 5], 1)
  const b = randomQ('quint8', [5], 2)
  expect((await quantized.addAsync(a, b, 1, 0)).storage).toEqual(quantized.add(a, b, 1, 0).storage)
  expect((await quantized.addReluAsync(a, b, 1, 9)).storage).toEqual(quantized.addRelu(a, b, 1, 9).storage)
  expect((await quantized.mulAsync(a, b, 1, 0)).storage).toEqual(quantized.mul(a, b, 1, 0).storage)
  expect((await quantized.addScalarAsync(a, 100)).storage).toEqual(quantized.addScalar(a, 100).storage)
  expect((await quantized.mulScalarAsync(a, -1)).storage).toEqual(quantized.mulScalar(a, -1).storage)
  await expect(quantized.addAsync(a, zeros([5]) as never, 1, 0)).rejects.toThrow(DTypeError)
})

test('add refuses scales so far apart that infinities of both signs could meet in the sum', () => {
  const far = fromIntRepr(Uint8Array.of(255), [1], 'quint8', { scale: 2 ** 120, zeroPoint: 0 })
  const against = fromIntRepr(Uint8Array.of(0), [1], 'quint8', { scale: 2 ** 120, zeroPoint: 255 })
  expect(() => quantized.add(far, against, 2 ** -7.5, 0)).toThrow(QParamsError)
  expect(quantized.add(far, against, 2 ** 120, 0).storage[0]).toBe(0)
})
