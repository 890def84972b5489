/** Between float32 and codes, and from codes to codes: numerics.md 2, 5 (8 bit to 8 bit) and 6 (tables). */
import type { Kernels } from '../contract'
import { bytesOf, toCode } from './codes'

const { fround } = Math

/**
 * `q = clamp(rne(clamp(v, lo, hi)) + zp, qmin, qmax)` with `lo = qmin - zp`, `hi = qmax - zp` and `v = f(x * f(1/scale))`,
 * or `f(x / scale)` with `divide`. Both bounds are exact (33 bits at most), so the outer clamp never moves anything. NaN
 * counts as 0.
 */
export function quantize({ x, y, split, scales, zeroPoints, qmin, qmax, divide }: Kernels['quantize']): void {
  let i = 0
  for (let outer = 0; outer < split.outer; outer++)
    for (let c = 0; c < split.channels; c++) {
      const scale = scales[c] ?? 0
      const inverse = fround(1 / scale)
      const zeroPoint = zeroPoints[c] ?? 0
      for (const end = i + split.inner; i < end; i++) {
        const value = x[i] ?? 0
        const steps = divide ? fround(value / scale) : fround(value * inverse)
        y[i] = toCode(Number.isNaN(steps) ? 0 : steps, zeroPoint, qmin, qmax)
      }
    }
}

/** `f(f(q - zp) * scale)`; `q - zp` is exact before it is rounded. */
export function dequantize({ x, y, split, scales, zeroPoints }: Kernels['dequantize']): void {
  let i = 0
  for (let outer = 0; outer < split.outer; outer++)
    for (let c = 0; c < split.channels; c++) {
      const scale = scales[c] ?? 0
      const zeroPoint = zeroPoints[c] ?? 0
      for (const end = i + split.inner; i < end; i++) y[i] = fround((x[i] ?? 0) - zeroPoint) * scale
    }
}

/** `y = yZp + rne(clamp(f(f(q - xZp) * multiplier), lo - yZp, hi - yZp))` */
export function requantize({ x, y, xZeroPoint, yZeroPoint, multiplier, lo, hi }: Kernels['requantize']): void {
  for (let i = 0; i < y.length; i++) y[i] = toCode(fround(((x[i] ?? 0) - xZeroPoint) * multiplier), yZeroPoint, lo, hi)
}

/** `y = clamp(q, lo, hi)` */
export function qclamp({ x, y, lo, hi }: Kernels['qclamp']): void {
  for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i] ?? 0, lo), hi)
}

/** `byte of y = table[byte of x]` */
export function lookup({ x, y, table }: Kernels['lookup']): void {
  const from = bytesOf(x)
  const to = bytesOf(y)
  for (let i = 0; i < to.length; i++) to[i] = table[from[i] ?? 0] ?? 0
}
