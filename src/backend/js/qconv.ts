/**
 * Quantized convolution and linear (numerics.md 4, 5). Packing subtracts the weights' zero points and a window is
 * gathered with the input's zero point subtracted, so what remains is the plain sum
 * `acc = Σ (x_k - zx)(w_k - zw) + bias_q`, in int32 that wraps. A tap in padding holds `zx`, so it gathers 0,
 * as does one of a transposed convolution that is not this output's.
 */
import type {
  AccumulatorOutput,
  BoundQuantized,
  Codes,
  Kernels,
  PackedQuantized,
  QuantizedEpilogue,
  QuantizedWeights,
} from '../contract'
import { toCode } from './codes'
import { eachTransposedWindow, eachWindow } from './window'

const { fround, imul } = Math

/** Weights less their zero points: `[outChannels][depth]`, depth = taps * inPerGroup. */
export interface JsPackedQuantized extends PackedQuantized {
  readonly values: Int16Array
  readonly groups: number
  readonly outChannels: number
  readonly inPerGroup: number
  readonly depth: number
}

/** Packed weights and a copy of the epilogue. */
export interface JsBoundQuantized extends BoundQuantized {
  readonly packed: JsPackedQuantized
  readonly epilogue: QuantizedEpilogue
}

export function packQuantized(weights: QuantizedWeights): PackedQuantized {
  const { codes, zeroPoints, groups, outChannels, kernel, inPerGroup } = weights
  const depth = kernel[0] * kernel[1] * kernel[2] * inPerGroup
  const values = new Int16Array(outChannels * depth)
  for (let o = 0, i = 0; o < outChannels; o++) {
    const zeroPoint = zeroPoints[o] ?? 0
    for (let k = 0; k < depth; k++, i++) values[i] = (codes[i] ?? 0) - zeroPoint
  }
  return { values, groups, outChannels, inPerGroup, depth } as JsPackedQuantized
}

export function bindQuantized(packed: PackedQuantized, epilogue: QuantizedEpilogue): BoundQuantized {
  const own: QuantizedEpilogue = { ...epilogue, bias: epilogue.bias.slice(), output: copyOutput(epilogue.output) }
  return { packed: packed as JsPackedQuantized, epilogue: own } as JsBoundQuantized
}

function copyOutput(output: AccumulatorOutput): AccumulatorOutput {
  switch (output.kind) {
    case 'codes':
      return { ...output, multipliers: output.multipliers.slice() }
    case 'int32':
      return output
    case 'float32':
      return { ...output, scales: output.scales.slice(), bias: output.bias?.slice() ?? null }
  }
}

/** x, y channels-last. */
export function qconv(operands: Kernels['qconv']): void {
  convolve(operands, eachWindow)
}

/** x, y channels-last. */
export function qconvTransposed(operands: Kernels['qconvTransposed']): void {
  convolve(operands, eachTransposedWindow)
}

function convolve({ op, x, y, geometry }: Kernels['qconv'], each: typeof eachWindow): void {
  const { packed, epilogue } = op as JsBoundQuantized
  const { groups, outChannels, inPerGroup, depth } = packed
  const outPerGroup = outChannels / groups
  const window = new Int16Array(depth)
  const accumulators = new Int32Array(outPerGroup)
  each(geometry, (offsets, position) => {
    for (let group = 0; group < groups; group++) {
      gather(x, offsets, group * inPerGroup, inPerGroup, epilogue.xZeroPoint, window)
      const channel = group * outPerGroup
      accumulate(window, packed.values, epilogue.bias, channel, accumulators)
      store(accumulators, epilogue.output, channel, y, position * outChannels + channel)
    }
  })
}

/** x `[rows, inFeatures]`, y `[rows, outFeatures]`. */
export function qlinear({ op, x, y, rows }: Kernels['qlinear']): void {
  const { packed, epilogue } = op as JsBoundQuantized
  const { outChannels, depth } = packed
  const window = new Int16Array(depth)
  const accumulators = new Int32Array(outChannels)
  const offsets = new Int32Array(1)
  for (let row = 0; row < rows; row++) {
    offsets[0] = row * depth
    gather(x, offsets, 0, depth, epilogue.xZeroPoint, window)
    accumulate(window, packed.values, epilogue.bias, 0, accumulators)
    store(accumulators, epilogue.output, 0, y, row * outChannels)
  }
}

/** `window[k] = x_k - zx` over taps and channels, 0 in padding. */
function gather(
  x: Codes,
  offsets: Int32Array,
  firstChannel: number,
  channels: number,
  zeroPoint: number,
  window: Int16Array,
): void {
  let k = 0
  for (const offset of offsets)
    if (offset < 0) for (const end = k + channels; k < end; k++) window[k] = 0
    else for (let i = offset + firstChannel, end = i + channels; i < end; i++, k++) window[k] = (x[i] ?? 0) - zeroPoint
}

/**
 * `accumulators[j] = bias[channel + j] + Σ_k window[k] * weights[channel + j][k]`, wrapping. Four channels at a time: one
 * load of the window serves four products.
 */
function accumulate(
  window: Int16Array,
  weights: Int16Array,
  bias: Int32Array,
  channel: number,
  accumulators: Int32Array,
): void {
  const depth = window.length
  const count = accumulators.length
  let j = 0
  for (; j + 4 <= count; j += 4) {
    let [a, b, c, d] = [0, 0, 0, 0]
    let w = (channel + j) * depth
    for (let k = 0; k < depth; k++, w++) {
      const value = window[k] ?? 0
      a = (a + imul(value, weights[w] ?? 0)) | 0
      b = (b + imul(value, weights[w + depth] ?? 0)) | 0
      c = (c + imul(value, weights[w + 2 * depth] ?? 0)) | 0
      d = (d + imul(value, weights[w + 3 * depth] ?? 0)) | 0
    }
    accumulators[j] = a + (bias[channel + j] ?? 0)
    accumulators[j + 1] = b + (bias[channel + j + 1] ?? 0)
    accumulators[j + 2] = c + (bias[channel + j + 2] ?? 0)
    accumulators[j + 3] = d + (bias[channel + j + 3] ?? 0)
  }
  for (; j < count; j++) {
    let a = 0
    let w = (channel + j) * depth
    for (let k = 0; k < depth; k++, w++) a = (a + imul(window[k] ?? 0, weights[w] ?? 0)) | 0
    accumulators[j] = a + (bias[channel + j] ?? 0)
  }
}

/** Writes the accumulators of channels `channel`, `channel + 1`, … to `y[at]`, `y[at + 1]`, … (numerics.md 5). */
function store(
  accumulators: Int32Array,
  output: AccumulatorOutput,
  channel: number,
  y: Kernels['qconv']['y'],
  at: number,
): void {
  switch (output.kind) {
    case 'codes': {
      const { multipliers, zeroPoint, lo, hi } = output
      for (let j = 0; j < accumulators.length; j++)
        y[at + j] = toCode(fround(fround(accumulators[j] ?? 0) * (multipliers[channel + j] ?? 0)), zeroPoint, lo, hi)
      return
    }
    case 'int32':
      y.set(accumulators, at)
      return
    case 'float32': {
      const { scales, bias, lo, hi } = output
      for (let j = 0; j < accumulators.length; j++) {
        const scaled = fround(fround(accumulators[j] ?? 0) * (scales[channel + j] ?? 0))
        const sum = bias === null ? scaled : fround(scaled + (bias[channel + j] ?? 0))
        y[at + j] = Math.min(Math.max(sum, lo), hi)
      }
    }
  }
}
