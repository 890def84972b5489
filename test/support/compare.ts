/** Comparisons of results with goldens. */
import { Int8Error } from '../../src/errors'
import { isQTensor, type QTensor } from '../../src/tensor/qtensor'
import type { Tensor } from '../../src/tensor/tensor'
import type { GoldenCase, GoldenQuantized } from './goldens'

/** Difference of two equally long arrays: the largest, and how many differ. NaN equals NaN. */
export function difference(
  actual: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): { readonly max: number; readonly count: number; readonly of: number } {
  let max = actual.length === expected.length ? 0 : Infinity
  let count = 0
  for (let i = 0; i < expected.length; i++) {
    const a = Number(actual[i])
    const b = Number(expected[i])
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    count++
    max = Math.max(max, Number.isNaN(a - b) ? Infinity : Math.abs(a - b))
  }
  return { max, count, of: expected.length }
}

/** Expects the golden's type, shape and parameters, and codes within `codes` of its. */
export function expectQuantized(actual: QTensor, expected: GoldenQuantized, codes = 0): void {
  expect(isQTensor(actual)).toBe(true)
  expect({ dtype: actual.dtype, shape: actual.shape }).toEqual({ dtype: expected.dtype, shape: expected.codes.shape })
  expect(paramsOf(actual)).toEqual(rounded(expected.params))
  const found = difference(actual.intRepr().data, expected.codes.data)
  if (codes === 0) expect(found).toEqual({ max: 0, count: 0, of: expected.codes.size })
  else expect(found.max).toBeLessThanOrEqual(codes)
}

function paramsOf(q: QTensor): GoldenQuantized['params'] {
  if (q.qparams.kind === 'perTensor') return { scale: q.scale, zeroPoint: q.zeroPoint }
  return { scales: [...q.scales], zeroPoints: [...q.zeroPoints], axis: q.axis }
}

/** The parameters as this library holds them: scales in float32. */
function rounded(params: GoldenQuantized['params']): GoldenQuantized['params'] {
  return 'scales' in params
    ? { ...params, scales: params.scales.map(Math.fround) }
    : { ...params, scale: Math.fround(params.scale) }
}

/** Expects `|actual - expected| <= abs + rel * |expected|` for every element, and the shape. */
export function expectClose(
  actual: Tensor,
  expected: Tensor,
  { abs = 0, rel = 0 }: { abs?: number; rel?: number },
): void {
  expect(actual.shape).toEqual(expected.shape)
  const a = actual.data
  const b = expected.data
  let worst = 0
  for (let i = 0; i < b.length; i++) {
    const x = a[i] ?? NaN
    const y = b[i] ?? NaN
    if (Object.is(x, y) || x === y) continue
    const excess = Math.abs(x - y) - abs - rel * Math.abs(y)
    worst = Math.max(worst, Number.isNaN(excess) ? Infinity : excess)
  }
  expect(worst).toBe(0)
}

/** `abs` and `rel` of a golden's tolerance. */
export function closeness({ tolerance }: GoldenCase): { abs: number; rel: number } {
  return { abs: tolerance.optionalNumber('abs') ?? 0, rel: tolerance.optionalNumber('rel') ?? 0 }
}

/** Expects a refusal of this library's own: an error of its classes, thrown on purpose. */
export function expectRefusal(call: () => unknown): void {
  expect(call).toThrow(Int8Error)
}
