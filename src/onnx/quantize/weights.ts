/** Weights and biases of quantized layers (numerics.md 3 and 4). */
import { scaleForBias } from '../../quantization/bias-scale'
import { known, type TypedValue } from '../../runtime/value'
import { quantizeValue, rne } from '../../tensor/rounding'
import { sizeOf } from '../../tensor/shape'

const { fround } = Math
const int32 = [-2147483648, 2147483647] as const
const leastScale = 2 ** -23

/** Codes with one scale per channel, symmetric. */
export interface QuantizedWeight {
  readonly codes: TypedValue<'int8'>
  readonly scales: Float32Array
}

/**
 * Quantizes a weight to int8, symmetric, one scale per index of `axis`: the largest magnitude becomes 127. Where a bias
 * would not fit int32 at the scale of input times weight, the channel's scale is raised until it does.
 */
export function quantizeWeight(
  weight: TypedValue<'float32'>,
  axis: number,
  inputScale: number,
  bias: Float32Array | undefined,
): QuantizedWeight {
  const channels = weight.dims[axis] ?? 1
  const inner = sizeOf(weight.dims.slice(axis + 1))
  const channelOf = (i: number): number => Math.floor(i / inner) % channels
  const largest = new Float32Array(channels)
  weight.data.forEach((value, i) => {
    const c = channelOf(i)
    largest[c] = Math.max(largest[c] ?? 0, Math.abs(value))
  })
  const scales = largest.map((size, c) => {
    const scale = Math.max(fround(size / 127), leastScale)
    return scaleForBias(scale, bias?.[c] ?? 0, inputScale)
  })
  const codes = Int8Array.from(weight.data, (value, i) =>
    Math.min(127, Math.max(-127, rne(fround(value / (scales[channelOf(i)] ?? 1))))),
  )
  return { codes: known('int8', weight.dims, codes), scales }
}

/** A bias at the scale of input times weight, with these scales. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): { readonly codes: Int32Array; readonly scales: Float32Array } {
  const scales = weightScales.map((scale) => inputScale * scale)
  return { codes: Int32Array.from(bias, (value, c) => quantizeValue(value, scales[c] ?? 1, 0, ...int32)), scales }
}

/**
 * What the rounding of a weight takes from each channel's mean: `sum over inputs of (w - wq) * mean`, to be added to the
 * bias. After Nagel and others, "Data-Free Quantization Through Weight Equalization and Bias Correction", with measured
 * means.
 *
 * @param means - Mean of each input channel; where a kernel has taps, they share their channel's.
 */
export function biasCorrection(
  weight: TypedValue<'float32'>,
  { codes, scales }: QuantizedWeight,
  axis: number,
  means: Float64Array,
): Float32Array {
  const channels = weight.dims[axis] ?? 1
  const sums = new Float64Array(channels)
  // [out, in / groups, taps…] of a convolution, or a matrix whose other axis goes over inputs.
  const inputs = weight.dims[axis === 0 ? 1 : 0] ?? 1
  const perOutput = means.length === inputs ? 0 : inputs
  const groups = perOutput === 0 ? 1 : means.length / inputs
  const taps = axis === 0 ? sizeOf(weight.dims.slice(2)) : 1
  weight.data.forEach((value, i) => {
    const out = axis === 0 ? Math.floor(i / (inputs * taps)) : i % channels
    const input = axis === 0 ? Math.floor(i / taps) % inputs : Math.floor(i / channels)
    const group = Math.floor((out * groups) / channels)
    const lost = value - (codes.data[i] ?? 0) * (scales[out] ?? 0)
    sums[out] = (sums[out] ?? 0) + lost * (means[group * perOutput + input] ?? 0)
  })
  return Float32Array.from(sums)
}
