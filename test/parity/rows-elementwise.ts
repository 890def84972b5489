/** Parity rows of the elementwise kernels (numerics.md 2, 5, 6, 7). */
import fc from 'fast-check'
import type { Kernels } from '../../src/backend/contract'
import { row, type Rows } from './case'
import { broadcastOf, broadcasts, lengths } from './geometry'
import { codeFills, floatFills, rangeOf, type CodeDType } from './random'

const dtypes = fc.constantFrom<CodeDType>('quint8', 'qint8')
const codeFill = fc.constantFrom(...codeFills)
const floatFill = fc.constantFrom(...floatFills)
const inPlace = fc.boolean()
const splits = fc.oneof(
  lengths.map((inner) => ({ outer: 1, channels: 1, inner })),
  fc.record({ outer: fc.nat(4), channels: fc.integer({ min: 1, max: 40 }), inner: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ outer: fc.nat(70), channels: fc.constantFrom(1, 3, 16, 17, 64), inner: fc.constant(1) }),
)
const qint32Range: readonly [number, number] = [-2147483648, 2147483647]

export const elementwiseRows: Rows<
  | 'quantize'
  | 'dequantize'
  | 'requantize'
  | 'qclamp'
  | 'lookup'
  | 'qadd'
  | 'qmul'
  | 'fbinary'
  | 'fwhere'
  | 'fclamp'
  | 'funary'
  | 'faffine'
> = {
  quantize: row(
    fc.record({
      split: splits,
      dtype: fc.constantFrom<CodeDType | 'qint32'>('quint8', 'qint8', 'qint32'),
      fill: floatFill,
      divide: fc.boolean(),
    }),
    ({ split, dtype, fill, divide }, source) => {
      const length = split.outer * split.channels * split.inner
      // Scales near one another, so that one unit makes ties for all; or any that are legal.
      const unit = source.pick([1, 2 ** -4, source.magnitude(-12, 4), source.magnitude(-126, 120)])
      const scales = source
        .floats(split.channels, 'small')
        .map(() => source.pick([unit, unit, Math.fround(unit * 1.5)]))
      const x = source.floats(length, fill, unit)
      if (dtype === 'qint32') {
        const zeroPoints = source.integers(split.channels, -3, 3).map((zero) => source.pick([zero, 0, ...qint32Range]))
        const [qmin, qmax] = qint32Range
        return { x, y: source.place(Int32Array, length), split, scales, zeroPoints, qmin, qmax, divide }
      }
      const [qmin, qmax] = source.bounds(dtype)
      const zeroPoints = source
        .integers(split.channels, ...rangeOf(dtype))
        .map((zero) => source.pick([zero, qmin, qmax]))
      return { x, y: source.blankCodes(dtype, length), split, scales, zeroPoints, qmin, qmax, divide }
    },
  ),
  dequantize: row(
    fc.record({
      split: splits,
      dtype: fc.constantFrom<CodeDType | 'qint32'>('quint8', 'qint8', 'qint32'),
      fill: codeFill,
    }),
    ({ split, dtype, fill }, source) => {
      const length = split.outer * split.channels * split.inner
      const y = source.place(Float32Array, length)
      const scales = source.place(Float32Array, split.channels).map(() => source.magnitude(-126, 120))
      const x = dtype === 'qint32' ? source.integers(length, ...qint32Range) : source.codes(dtype, length, fill)
      const range = dtype === 'qint32' ? qint32Range : rangeOf(dtype)
      return { x, y, split, scales, zeroPoints: source.integers(split.channels, ...range) }
    },
  ),
  requantize: row(
    fc.record({ length: lengths, x: dtypes, y: dtypes, fill: codeFill, inPlace }),
    ({ length, x: xDType, y: yDType, fill, inPlace: same }, source) => {
      const x = source.codes(xDType, length, fill)
      const [lo, hi] = source.bounds(yDType)
      const multiplier = source.multiplier(-6, 6)
      const y = same && xDType === yDType ? x : source.blankCodes(yDType, length)
      return { x, y, xZeroPoint: source.code(xDType), yZeroPoint: source.code(yDType), multiplier, lo, hi }
    },
  ),
  qclamp: row(
    fc.record({ length: lengths, dtype: dtypes, fill: codeFill, inPlace }),
    ({ length, dtype, fill, inPlace: same }, source) => {
      const x = source.codes(dtype, length, fill)
      const [lo, hi] = source.bounds(dtype)
      return { x, y: same ? x : source.blankCodes(dtype, length), lo, hi }
    },
  ),
  lookup: row(
    fc.record({ length: lengths, x: dtypes, y: dtypes, inPlace }),
    ({ length, x: xDType, y: yDType, inPlace: same }, source) => {
      const x = source.codes(xDType, length, 'any')
      const table = source.place(Uint8Array, 256).map(() => source.integer(0, 255))
      return { x, y: same && xDType === yDType ? x : source.blankCodes(yDType, length), table }
    },
  ),
  qadd: row(
    fc.record({ drawn: broadcasts, dtype: dtypes, a: codeFill, b: codeFill, inPlace }),
    ({ drawn, dtype, a: aFill, b: bFill, inPlace: same }, source) => {
      const { broadcast, aLength, bLength } = broadcastOf(drawn)
      const a = source.codes(dtype, aLength, aFill)
      const b = source.codes(dtype, bLength, bFill)
      const [lo, hi] = source.bounds(dtype)
      return {
        a,
        b,
        y: same && isDense(drawn) ? a : source.blankCodes(dtype, elements(drawn.shape)),
        broadcast,
        aZeroPoint: source.code(dtype),
        bZeroPoint: source.code(dtype),
        yZeroPoint: source.code(dtype),
        aMultiplier: source.multiplier(-6, 3),
        bMultiplier: source.multiplier(-6, 3),
        lo,
        hi,
      }
    },
  ),
  qmul: row(
    fc.record({ drawn: broadcasts, dtype: dtypes, a: codeFill, b: codeFill, inPlace }),
    ({ drawn, dtype, a: aFill, b: bFill, inPlace: same }, source) => {
      const { broadcast, aLength, bLength } = broadcastOf(drawn)
      const a = source.codes(dtype, aLength, aFill)
      const b = source.codes(dtype, bLength, bFill)
      const [lo, hi] = source.bounds(dtype)
      return {
        a,
        b,
        y: same && isDense(drawn) ? a : source.blankCodes(dtype, elements(drawn.shape)),
        broadcast,
        aZeroPoint: source.code(dtype),
        bZeroPoint: source.code(dtype),
        yZeroPoint: source.code(dtype),
        multiplier: source.multiplier(-14, 0),
        lo,
        hi,
      }
    },
  ),
  fbinary: row(
    fc.record({
      drawn: broadcasts,
      fill: floatFill,
      op: fc.constantFrom<Kernels['fbinary']['op']>('add', 'sub', 'mul', 'div', 'min', 'max', 'pow', 'pow'),
      inPlace,
    }),
    ({ drawn, fill, op, inPlace: same }, source) => {
      const { broadcast, aLength, bLength } = broadcastOf(drawn)
      const a = source.floats(aLength, fill)
      const b = source.floats(bLength, fill)
      // Exponents with rules of their own, and bases whose powers are neither 0 nor infinite.
      const rules = op === 'pow' ? source.integer(0, 2) : 2
      if (rules === 0) for (let i = 0; i < bLength; i++) b[i] = source.pick([0, 1, 2, 3, -1, 0.5, -0.5, -3, 7, 2 ** 24])
      if (rules === 1) for (let i = 0; i < aLength; i++) a[i] = source.magnitude(-4, 4)
      const y = same && isDense(drawn) ? a : source.place(Float32Array, elements(drawn.shape))
      return { a, b, y, broadcast, op }
    },
  ),
  fwhere: row(
    fc.record({ drawn: broadcasts, fill: floatFill, order: fc.integer({ min: 0, max: 2 }) }),
    ({ drawn, fill, order }, source) => {
      // Two of the three operands have the drawn strides, the third is dense.
      const { broadcast, aLength, bLength } = broadcastOf(drawn)
      const dense = broadcastOf({ ...drawn, a: drawn.a.map(() => false), transposed: false })
      const views = [
        { strides: broadcast.aStrides, length: aLength },
        { strides: broadcast.bStrides, length: bLength },
        { strides: dense.broadcast.aStrides, length: dense.aLength },
      ]
      const [c, a, b] = [0, 1, 2].map((i) => views[(i + order) % 3] ?? { strides: [], length: 0 })
      if (c === undefined || a === undefined || b === undefined) throw new Error('there are three')
      const condition = source.place(Uint8Array, c.length).map(() => source.pick([0, 1, 0, 255]))
      return {
        condition,
        a: source.floats(a.length, fill),
        b: source.floats(b.length, fill),
        y: source.place(Float32Array, elements(drawn.shape)),
        broadcast: {
          shape: drawn.shape,
          conditionStrides: c.strides,
          aStrides: a.strides,
          bStrides: b.strides,
        },
      }
    },
  ),
  fclamp: row(fc.record({ length: lengths, fill: floatFill, inPlace }), ({ length, fill, inPlace: same }, source) => {
    const x = source.floats(length, fill)
    const [lo, hi] = source.floatBounds()
    return { x, y: same ? x : source.place(Float32Array, length), lo, hi }
  }),
  funary: row(
    fc.record({
      length: lengths,
      fill: floatFill,
      op: fc.constantFrom<Kernels['funary']['op']>(
        'sigmoid',
        'tanh',
        'hardswish',
        'leakyRelu',
        'exp',
        'neg',
        'abs',
        'sqrt',
        'reciprocal',
        'floor',
        'ceil',
        'round',
        'sign',
        'softsign',
        'hardsigmoid',
        'log',
        'erf',
        'gelu',
        'geluTanh',
        'softplus',
        'elu',
        'silu',
        'mish',
        'selu',
      ),
      inPlace,
    }),
    ({ length, fill, op, inPlace: same }, source) => {
      const x = source.floats(length, fill, source.pick([1, 1, 0.01, 25]))
      const [alpha, beta] = [source.pick([0.01, 0.2, 0, -0.5, 1.67]), source.pick([0.5, 1.05, 0, -0.5])].map(
        Math.fround,
      )
      return { x, y: same ? x : source.place(Float32Array, length), op, alpha: alpha ?? 0, beta: beta ?? 0 }
    },
  ),
  faffine: row(fc.record({ split: splits, fill: floatFill, inPlace }), ({ split, fill, inPlace: same }, source) => {
    const length = split.outer * split.channels * split.inner
    const x = source.floats(length, fill)
    const y = same ? x : source.place(Float32Array, length)
    const [scales, shifts] = [source.floats(split.channels, 'small'), source.floats(split.channels, 'small')]
    return { x, y, split, scales, shifts }
  }),
}

/** Whether nothing repeats and all lie in one order: then y may be a. */
function isDense({ a, b, transposed }: Parameters<typeof broadcastOf>[0]): boolean {
  return !transposed && !a.includes(true) && !b.includes(true)
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1)
}
