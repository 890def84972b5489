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

/** What lanes start with, what an element does to its lane, and what joins two lanes. */
interface Reduction {
  readonly first: number
  readonly step: (lane: number, value: number) => number
  readonly join: (a: number, b: number) => number
}

const add = (a: number, b: number): number => a + b
const multiply = (a: number, b: number): number => a * b
const sum: Reduction = { first: 0, step: add, join: add }
const reductions: Readonly<Record<Kernels['freduce']['op'], Reduction>> = {
  sum,
  mean: sum,
  max: { first: -Infinity, step: Math.max, join: Math.max },
  min: { first: Infinity, step: Math.min, join: Math.min },
  sumSquares: { first: 0, step: (lane, value) => lane + fround(value * value), join: add },
  sumAbs: { first: 0, step: (lane, value) => lane + Math.abs(value), join: add },
  prod: { first: 1, step: multiply, join: multiply },
}

/** Over each row in 16 lanes; the mean is `f(sum / length)`. */
export function freduce({ x, y, rows, length, op }: Kernels['freduce']): void {
  const reduction = reductions[op]
  for (let row = 0; row < rows; row++) {
    const all = laneReduce(x, row * length, length, reduction)
    y[row] = op === 'mean' ? all / length : all
  }
}

const lanes = new Float32Array(16)

function laneReduce(values: Float32Array, start: number, count: number, { first, step, join }: Reduction): number {
  lanes.fill(first)
  for (let i = 0; i < count; i++) lanes[i & 15] = step(lanes[i & 15] ?? 0, values[start + i] ?? 0)
  for (let half = 8; half > 0; half >>= 1) {
    for (let j = 0; j < half; j++) lanes[j] = join(lanes[j] ?? 0, lanes[j + half] ?? 0)
  }
  return lanes[0] ?? 0
}

/** `d = f(x - mean)`, `r = f(1 / f(sqrt(f(var + epsilon))))`, `y = f(f(f(d * r) * scale) + bias)`. */
export function layerNorm({ x, y, rows, length, scale, bias, epsilon }: Kernels['layerNorm']): void {
  for (let start = 0; start < rows * length; start += length) {
    const mean = fround(laneSum(x, start, length, 1) / length)
    for (let i = 0; i < length; i++) y[start + i] = (x[start + i] ?? 0) - mean
    const variance = fround(laneReduce(y.subarray(start, start + length), 0, length, reductions.sumSquares) / length)
    const r = fround(1 / fround(Math.sqrt(fround(variance + epsilon))))
    for (let i = 0; i < length; i++) {
      const scaled = fround(fround((y[start + i] ?? 0) * r) * (scale[i] ?? 0))
      y[start + i] = bias === null ? scaled : scaled + (bias[i] ?? 0)
    }
  }
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
