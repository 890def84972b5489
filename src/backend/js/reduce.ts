/** Reductions: numerics.md 7. */
import type { Kernels } from '../contract'
import { expf, laneSum } from './math'

const { fround } = Math

/** Over each row: maximum `m`, `e_i = exp(f(x_i - m))`, `s` the 16-lane sum of e, `y_i = f(e_i / s)`. */
export function softmax({ x, y, rows, length }: Kernels['softmax']): void {
  for (let start = 0; start < rows * length; start += length) {
    let largest = -Infinity
    for (let i = start; i < start + length; i++) largest = Math.max(largest, x[i] ?? 0)
    for (let i = start; i < start + length; i++) y[i] = expf(fround((x[i] ?? 0) - largest))
    const sum = laneSum(y, start, length, 1)
    for (let i = start; i < start + length; i++) y[i] = (y[i] ?? 0) / sum
  }
}

/** `f(sum / length)` over each row, the sum in 16 lanes. */
export function fmean({ x, y, rows, length }: Kernels['fmean']): void {
  for (let row = 0; row < rows; row++) y[row] = laneSum(x, row * length, length, 1) / length
}

/** Over the finite values; a zero comes back as +0, whatever the signs of the zeros seen. */
export function minMax({ x, y }: Kernels['minMax']): void {
  let [smallest, largest] = [Infinity, -Infinity]
  for (const value of x)
    if (Number.isFinite(value)) {
      smallest = Math.min(smallest, value)
      largest = Math.max(largest, value)
    }
  y[0] = smallest + 0
  y[1] = largest + 0
}
