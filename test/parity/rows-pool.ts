/** Parity rows of pools and reductions (numerics.md 6, 7). */
import fc from 'fast-check'
import type { Kernels } from '../../src/backend/contract'
import { row, type Rows } from './case'
import { lengths, poolings, volume, windowsOf } from './geometry'
import { codeFills, floatFills, type CodeDType } from './random'

const dtypes = fc.constantFrom<CodeDType>('quint8', 'qint8')
const codeFill = fc.constantFrom(...codeFills)
const floatFill = fc.constantFrom(...floatFills)
const matrices = fc.oneof(
  fc.record({ rows: fc.integer({ min: 1, max: 5 }), length: lengths.filter((length) => length > 0) }),
  fc.record({ rows: fc.constantFrom(0, 1, 17, 200), length: fc.integer({ min: 1, max: 40 }) }),
)

export const poolRows: Rows<
  'qmaxPool' | 'qavgPool' | 'fmaxPool' | 'favgPool' | 'softmax' | 'qsoftmax' | 'freduce' | 'layerNorm' | 'minMax'
> = {
  qmaxPool: row(fc.record({ pooling: poolings, dtype: dtypes, fill: codeFill }), ({ pooling, dtype, fill }, source) => {
    const { batch, channels, input, output } = pooling
    const windows = windowsOf(pooling, source)
    const x = source.codes(dtype, batch * volume(input) * channels, fill)
    return { x, y: source.blankCodes(dtype, batch * volume(output) * channels), windows }
  }),
  qavgPool: row(
    fc.record({ pooling: poolings, x: dtypes, y: dtypes, fill: codeFill }),
    ({ pooling, x: xDType, y: yDType, fill }, source) => {
      const { batch, channels, input, output } = pooling
      const windows = windowsOf(pooling, source)
      const [lo, hi] = source.bounds(yDType)
      return {
        x: source.codes(xDType, batch * volume(input) * channels, fill),
        y: source.blankCodes(yDType, batch * volume(output) * channels),
        windows,
        xZeroPoint: source.code(xDType),
        yZeroPoint: source.code(yDType),
        multipliers: source.multipliers(volume(output), -6, 1),
        lo,
        hi,
      }
    },
  ),
  fmaxPool: row(fc.record({ pooling: poolings, fill: floatFill }), ({ pooling, fill }, source) => {
    const { batch, channels, input, output } = pooling
    const windows = windowsOf(pooling, source)
    const x = source.floats(batch * volume(input) * channels, fill)
    return { x, y: source.place(Float32Array, batch * volume(output) * channels), windows }
  }),
  favgPool: row(fc.record({ pooling: poolings, fill: floatFill }), ({ pooling, fill }, source) => {
    const { batch, channels, input, output } = pooling
    const windows = windowsOf(pooling, source)
    const x = source.floats(batch * volume(input) * channels, fill)
    const divisors = source.place(Float32Array, volume(output)).map(() => source.integer(0, 30))
    return { x, y: source.place(Float32Array, batch * volume(output) * channels), windows, divisors }
  }),
  softmax: row(fc.record({ matrix: matrices, fill: floatFill }), ({ matrix: { rows, length }, fill }, source) => {
    const x = source.floats(rows * length, fill, source.pick([1, 20]))
    return { x, y: source.place(Float32Array, rows * length), rows, length }
  }),
  qsoftmax: row(
    fc.record({ matrix: matrices, x: dtypes, y: dtypes, fill: codeFill }),
    ({ matrix: { rows, length }, x: xDType, y: yDType, fill }, source) => {
      const [lo, hi] = source.bounds(yDType)
      // Scales of steep, usual and flat inputs; results that are ties often, seldom, and all saturated.
      const xScale = source.pick([10, 0.7, 0.05, 0.002, 2 ** -40, Math.LN2])
      const table = source.place(Int32Array, 256)
      for (let d = 0; d < 256; d++) table[d] = Math.round(2 ** 23 * Math.exp(-d * xScale))
      return {
        x: source.codes(xDType, rows * length, fill),
        y: source.blankCodes(yDType, rows * length),
        rows,
        length,
        table,
        scale: source.pick([1 / 256, 1 / 256, Math.fround(1 / 255), 2, 2 ** -5, 2 ** -126, source.magnitude(-12, 1)]),
        zeroPoint: source.code(yDType),
        lo,
        hi,
      }
    },
  ),
  freduce: row(
    fc.record({
      matrix: matrices,
      fill: floatFill,
      op: fc.constantFrom<Kernels['freduce']['op']>('sum', 'mean', 'max', 'min', 'sumSquares', 'sumAbs', 'prod'),
    }),
    ({ matrix: { rows, length }, fill, op }, source) => {
      return { x: source.floats(rows * length, fill), y: source.place(Float32Array, rows), rows, length, op }
    },
  ),
  layerNorm: row(
    fc.record({ matrix: matrices, fill: floatFill, bias: fc.boolean() }),
    ({ matrix: { rows, length }, fill, bias: biased }, source) => {
      const x = source.floats(rows * length, fill)
      const scale = source.floats(length, 'small')
      const bias = biased ? source.floats(length, 'small') : null
      const epsilon = Math.fround(source.pick([1e-5, 1e-12, 0]))
      return { x, y: source.place(Float32Array, rows * length), rows, length, scale, bias, epsilon }
    },
  ),
  minMax: row(fc.record({ length: lengths, fill: floatFill }), ({ length, fill }, source) => {
    return { x: source.floats(length, fill), y: source.place(Float32Array, 2) }
  }),
}
