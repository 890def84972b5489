/** Products of matrices that are both data: numerics.md 4 and 7. */
import type { Kernels } from '../contract'
import { fma } from './math'

const { imul } = Math

/** `y[n][r][c] = Σ_k (a[n][r][k] - za) * (b[n][k][c] - zb_c)`, wrapping. */
export function qmatmulInt32(operands: Kernels['qmatmulInt32']): void {
  const { a, b, y, batch, rows, inner, columns, aStride, bStride, aZeroPoint, bZeroPoints } = operands
  let i = 0
  for (let n = 0; n < batch; n++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++, i++) {
        const zero = bZeroPoints[bZeroPoints.length === 1 ? 0 : c] ?? 0
        const from = n * aStride + r * inner
        const column = n * bStride + c
        let sum = 0
        for (let k = 0; k < inner; k++)
          sum = (sum + imul((a[from + k] ?? 0) - aZeroPoint, (b[column + k * columns] ?? 0) - zero)) | 0
        y[i] = sum
      }
}

/** `y[n][r][c] = Σ_k a[n][r][k] * b[n][k][c]` (b[n][c][k] if transposed): one fma chain over ascending k, from 0. */
export function fmatmul(operands: Kernels['fmatmul']): void {
  const { a, b, y, batch, rows, inner, columns, aStride, bStride, transposeB } = operands
  const [kStep, columnStep] = transposeB ? [1, inner] : [columns, 1]
  let i = 0
  for (let n = 0; n < batch; n++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++, i++) {
        const from = n * aStride + r * inner
        const column = n * bStride + c * columnStep
        let sum = 0
        for (let k = 0; k < inner; k++) sum = fma(a[from + k] ?? 0, b[column + k * kStep] ?? 0, sum)
        y[i] = sum
      }
}
