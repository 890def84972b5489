/** Parity rows of products of matrices that are both data (numerics.md 4, 7). */
import fc from 'fast-check'
import { row, type Rows } from './case'
import { channelCounts } from './geometry'
import { codeFills, floatFills, rangeOf, type CodeDType } from './random'

const dtypes = fc.constantFrom<CodeDType>('quint8', 'qint8')
const codeFill = fc.constantFrom(...codeFills)

/** Sizes around tiles and panels, of at most `work` multiply-adds; each side dense, apart, or one for all. */
function products(work: number): fc.Arbitrary<{
  batch: number
  rows: number
  inner: number
  columns: number
  aGap: number
  bGap: number
}> {
  const gap = fc.constantFrom(0, 0, 0, 5, -1)
  return fc
    .record({
      batch: fc.constantFrom(1, 1, 2, 3, 8, 0),
      rows: fc.oneof(fc.nat(14), fc.constantFrom(16, 17, 24, 25, 31, 33, 64, 100)),
      inner: fc.oneof(fc.nat(70), fc.constantFrom(127, 128, 300)),
      columns: fc.oneof({ weight: 6, arbitrary: channelCounts }, { weight: 1, arbitrary: fc.constantFrom(0, 300) }),
      aGap: gap,
      bGap: gap,
    })
    .filter(({ batch, rows, inner, columns }) => batch * rows * inner * columns <= work)
}

/** Stride and length of one side: matrices of `size` elements with `gap` between them; -1: one matrix for all. */
function side(batch: number, size: number, gap: number): [stride: number, length: number] {
  const stride = gap < 0 ? 0 : size + gap
  return [stride, Math.max(0, batch - 1) * stride + size]
}

export const matmulRows: Rows<'fmatmul' | 'qmatmulInt32'> = {
  qmatmulInt32: row(
    fc.record({
      sizes: products(500_000),
      a: dtypes,
      b: dtypes,
      aFill: codeFill,
      bFill: codeFill,
      zeros: fc.constantFrom('zero', 'one', 'each'),
    }),
    ({ sizes: { batch, rows, inner, columns, aGap, bGap }, a: aType, b: bType, aFill, bFill, zeros }, source) => {
      const [aStride, aLength] = side(batch, rows * inner, aGap)
      const [bStride, bLength] = side(batch, inner * columns, bGap)
      const [least, most] = rangeOf(bType)
      const bZeroPoints =
        zeros === 'zero' ? source.integers(1, 0, 0) : source.integers(zeros === 'one' ? 1 : columns, least, most)
      return {
        a: source.codes(aType, aLength, aFill),
        b: source.codes(bType, bLength, bFill),
        y: source.place(Int32Array, batch * rows * columns),
        batch,
        rows,
        inner,
        columns,
        aStride,
        bStride,
        aZeroPoint: source.code(aType),
        bZeroPoints,
      }
    },
  ),
  fmatmul: row(
    fc.record({ sizes: products(200_000), fill: fc.constantFrom(...floatFills, 'small'), transposeB: fc.boolean() }),
    ({ sizes: { batch, rows, inner, columns, aGap, bGap }, fill, transposeB }, source) => {
      const [aStride, aLength] = side(batch, rows * inner, aGap)
      const [bStride, bLength] = side(batch, inner * columns, bGap)
      const a = source.floats(aLength, fill)
      const b = source.floats(bLength, fill)
      const y = source.place(Float32Array, batch * rows * columns)
      return { a, b, y, batch, rows, inner, columns, aStride, bStride, transposeB }
    },
  ),
}
