/** Softmax on codes (numerics.md 6). */
import type { Kernels } from '../contract'
import { rne } from './math'

/** Over each row: `m` its maximum, `S = Σ table[m - q]`, `y = clamp(zeroPoint + rne(table[m - q] / (S * scale)), lo, hi)`. */
export function qsoftmax({ x, y, rows, length, table, scale, zeroPoint, lo, hi }: Kernels['qsoftmax']): void {
  for (let start = 0; start < rows * length; start += length) {
    let largest = -128
    for (let i = start; i < start + length; i++) largest = Math.max(largest, x[i] ?? 0)
    let sum = 0
    for (let i = start; i < start + length; i++) sum += table[largest - (x[i] ?? 0)] ?? 0
    for (let i = start; i < start + length; i++) {
      const quotient = roundedQuotient(table[largest - (x[i] ?? 0)] ?? 0, sum, scale)
      y[i] = Math.min(Math.max(zeroPoint + quotient, lo), hi)
    }
  }
}

/** `rne(t / (sum * scale))` of the real quotient, or any number above 1000 where it is that large. */
function roundedQuotient(t: number, sum: number, scale: number): number {
  const value = t / (sum * scale)
  if (!(value < 1024)) return 1024
  const whole = Math.floor(value)
  // The two roundings of float64 err by less than 2^-40: elsewhere they cannot change the result.
  if (Math.abs(value - whole - 0.5) >= 2 ** -30) return rne(value)
  const [mantissa, shift] = fractionOf(scale)
  const left = BigInt(2 * t) << BigInt(shift)
  const right = BigInt(2 * whole + 1) * BigInt(sum) * mantissa
  if (left === right) return whole + (whole % 2)
  return left > right ? whole + 1 : whole
}

/** A float32 of at most 2^23 as `mantissa * 2^-shift`. */
function fractionOf(scale: number): readonly [mantissa: bigint, shift: number] {
  let shift = 0
  let mantissa = scale
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2
    shift++
  }
  return [BigInt(mantissa), shift]
}
