/**
 * Float32 convolution and linear (numerics.md 7): `acc = bias`, then for k ascending over (kernel position, input
 * channel) `acc = fma(x_k, w_k, acc)`; one accumulator for each output. Padding is +0 and takes part in the sum.
 */
import type { FloatWeights, Kernels, PackedFloat } from '../contract'
import { fma } from './math'
import { eachTransposedWindow, eachWindow, notHere } from './window'

/** A copy of the weights, `[outChannels][depth]`, depth = taps * inPerGroup; the bias is zeros where absent. */
export interface JsPackedFloat extends PackedFloat {
  readonly values: Float32Array
  readonly bias: Float32Array
  readonly groups: number
  readonly outChannels: number
  readonly inPerGroup: number
  readonly depth: number
}

export function packFloat({ values, bias, groups, outChannels, kernel, inPerGroup }: FloatWeights): PackedFloat {
  return {
    values: values.slice(),
    bias: bias?.slice() ?? new Float32Array(outChannels),
    groups,
    outChannels,
    inPerGroup,
    depth: kernel[0] * kernel[1] * kernel[2] * inPerGroup,
  } as JsPackedFloat
}

/** x, y channels-last. */
export function fconv({ op, x, residual, y, geometry, lo, hi }: Kernels['fconv']): void {
  const packed = op as JsPackedFloat
  const { groups, outChannels, inPerGroup, depth } = packed
  const outPerGroup = outChannels / groups
  const window = new Float32Array(depth)
  eachWindow(geometry, (offsets, position) => {
    for (let group = 0; group < groups; group++) {
      let k = 0
      for (const offset of offsets) {
        const from = offset + group * inPerGroup
        for (let c = 0; c < inPerGroup; c++, k++) window[k] = offset < 0 ? 0 : (x[from + c] ?? 0)
      }
      const channel = group * outPerGroup
      const at = position * outChannels + channel
      if (residual === null) {
        sums(window, 0, packed, channel, outPerGroup, y, at, lo, hi)
        continue
      }
      sums(window, 0, packed, channel, outPerGroup, y, at, -Infinity, Infinity)
      for (let i = at; i < at + outPerGroup; i++)
        y[i] = Math.min(Math.max(Math.fround((y[i] ?? 0) + (residual[i] ?? 0)), lo), hi)
    }
  })
}

/**
 * x, y channels-last. The taps of an output in reverse order are its input pixels in ascending order; one beyond the input
 * takes part as +0.
 */
export function fconvTransposed({ op, x, y, geometry, lo, hi }: Kernels['fconvTransposed']): void {
  const { groups, outChannels, inPerGroup, depth, values, bias } = op as JsPackedFloat
  const outPerGroup = outChannels / groups
  eachTransposedWindow(geometry, (offsets, position) => {
    for (let o = 0; o < outChannels; o++) {
      const channel = Math.floor(o / outPerGroup) * inPerGroup
      let sum = bias[o] ?? 0
      for (let tap = offsets.length - 1; tap >= 0; tap--) {
        const offset = offsets[tap] ?? notHere
        if (offset === notHere) continue
        const w = o * depth + tap * inPerGroup
        for (let c = 0; c < inPerGroup; c++)
          sum = fma(offset < 0 ? 0 : (x[offset + channel + c] ?? 0), values[w + c] ?? 0, sum)
      }
      y[position * outChannels + o] = Math.min(Math.max(sum, lo), hi)
    }
  })
}

/** x `[rows, inFeatures]`, y `[rows, outFeatures]`. */
export function flinear({ op, x, y, rows, lo, hi }: Kernels['flinear']): void {
  const packed = op as JsPackedFloat
  const { outChannels, depth } = packed
  for (let row = 0; row < rows; row++) sums(x, row * depth, packed, 0, outChannels, y, row * outChannels, lo, hi)
}

/** `y[at + j] = clamp(Σ_k x[start + k] * weights[channel + j][k], lo, hi)` for `0 <= j < count`. */
function sums(
  x: Float32Array,
  start: number,
  { values, bias, depth }: JsPackedFloat,
  channel: number,
  count: number,
  y: Float32Array,
  at: number,
  lo: number,
  hi: number,
): void {
  for (let j = 0; j < count; j++) {
    const w = (channel + j) * depth
    let sum = bias[channel + j] ?? 0
    for (let k = 0; k < depth; k++) sum = fma(x[start + k] ?? 0, values[w + k] ?? 0, sum)
    y[at + j] = Math.min(Math.max(sum, lo), hi)
  }
}
