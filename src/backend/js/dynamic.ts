/** Dynamic quantization: parameters that are data (numerics.md 2, 5). */
import type { Kernels } from '../contract'
import { rne } from './math'
import { quantize } from './quantize'
import { minMax } from './reduce'

const { fround, imul } = Math

/** Over the finite values, zero included; a range of 0 has scale 1. */
export function dynamicParams({ x, y }: Kernels['dynamicParams']): void {
  const range = new Float32Array(2)
  minMax({ x, y: range })
  const lo = Math.min(range[0] ?? 0, 0)
  const hi = Math.max(range[1] ?? 0, 0)
  const fraction = fround(fround(hi - lo) / 255)
  const scale = fraction > 0 ? fraction : 1
  y[0] = scale
  y[1] = Math.min(rne(fround((0 - lo) / scale)), 255)
}

/** Scale and zero point from run-time data: any float becomes a zero point of 0 to 255. */
function paramsOf(params: Float32Array): { scale: number; zeroPoint: number } {
  const [scale = 0, zero = 0] = params
  return { scale, zeroPoint: Number.isNaN(zero) ? 0 : rne(Math.min(Math.max(zero, 0), 255)) }
}

/** `q = clamp(rne(f(x / scale)) + zp, 0, 255)`, as `quantize` with `divide`. */
export function quantizeBy({ x, y, params }: Kernels['quantizeBy']): void {
  const { scale, zeroPoint } = paramsOf(params)
  quantize({
    x,
    y,
    split: { outer: 1, channels: 1, inner: x.length },
    scales: Float32Array.of(scale),
    zeroPoints: Int32Array.of(zeroPoint),
    qmin: 0,
    qmax: 255,
    divide: true,
  })
}

/** `acc = wrap(x - zp * sums_c)`, `y = clamp(f(f(f(acc) * f(scale * scales_c)) + bias_c), lo, hi)` */
export function dynamicRescale(operands: Kernels['dynamicRescale']): void {
  const { x, y, params, sums, scales, bias, rows, channels, lo, hi } = operands
  const { scale, zeroPoint } = paramsOf(params)
  for (let row = 0, i = 0; row < rows; row++)
    for (let c = 0; c < channels; c++, i++) {
      const sum = ((x[i] ?? 0) - imul(zeroPoint, sums[c] ?? 0)) | 0
      const scaled = fround(fround(sum) * fround(scale * (scales[c] ?? 0)))
      y[i] = Math.min(Math.max(bias === null ? scaled : fround(scaled + (bias[c] ?? 0)), lo), hi)
    }
}
