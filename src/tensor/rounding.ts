/** The roundings that everything outside the kernels shares (numerics.md, notation and 2): one definition of each. */
import { toCode } from '../backend/js/codes'
import { rne } from '../backend/js/math'

export { rne, toCode }

const { fround } = Math

/**
 * The code of one real value: `clamp(rne(clamp(f(x * f(1/scale)))) + zeroPoint)`, PyTorch's form (numerics.md 2). NaN
 * counts as 0.
 */
export function quantizeValue(x: number, scale: number, zeroPoint: number, qmin: number, qmax: number): number {
  const steps = fround(fround(x) * fround(1 / scale))
  return toCode(Number.isNaN(steps) ? 0 : steps, zeroPoint, qmin, qmax) + 0
}

/** The real value of one code: `f(f(code - zeroPoint) * scale)` (numerics.md 2). */
export function dequantizeValue(code: number, scale: number, zeroPoint: number): number {
  return fround(fround(code - zeroPoint) * scale)
}
