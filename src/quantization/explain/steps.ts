/** The steps of one output element, with the formulas that the ops use (numerics.md 4, 5). */
import { provenBias, type Input } from '../../ops/quantized/epilogue'
import { codeBounds, productRatio, type Activation, type Target } from '../../ops/quantized/params'
import type { PackedWeights } from '../../ops/quantized/weights'
import { codeRange } from '../../tensor/dtype'
import { dequantizeValue, toCode } from '../../tensor/rounding'
import type { Call } from './call'
import type { BiasStep, ExplanationData, Operand, Tap, Terms } from './explanation'
import { at } from './window'

const { fround, imul } = Math

/** All steps of a call. */
export function computeSteps(call: Call): Omit<ExplanationData, 'faults'> {
  const { op, input, target, activation, layer } = call
  const { channel, packed } = layer
  const weight: Operand = {
    dtype: packed.dtype,
    scale: packed.scales[channel] ?? 1,
    zeroPoint: packed.weights.zeroPoints[channel] ?? 0,
  }
  const taps = tapsOf(call, weight)
  const terms = termsOf(taps, input.zeroPoint, weight.zeroPoint)
  const bias = biasOf(op, packed, channel, input)
  const products = (terms.products + terms.weightZeroPoint + terms.inputZeroPoint + terms.bothZeroPoints) | 0
  const accumulator = (products + bias.codes) | 0
  const multiplier = productRatio(op, input.scale, weight.scale, target.scale)
  const scaled = fround(fround(accumulator) * multiplier)
  const [lo, hi] = codeBounds(target, activation)
  const code = toCode(scaled, target.zeroPoint, lo, hi)
  return {
    op: layer.op,
    index: [...layer.index],
    channel,
    input: { dtype: input.dtype, scale: input.scale, zeroPoint: input.zeroPoint },
    weight,
    output: { dtype: target.dtype, scale: target.scale, zeroPoint: target.zeroPoint, lo, hi },
    taps,
    terms,
    bias,
    accumulator: { value: accumulator, real: accumulator * input.scale * weight.scale },
    multiplier,
    scaled,
    rounded: code - target.zeroPoint,
    clamped: cutBy(scaled, lo, hi, target, activation),
    code,
    real: dequantizeValue(code, target.scale, target.zeroPoint),
    float: activate(
      sumOf(taps, (tap) => tap.xReal * tap.wReal) + realBias(bias, input.scale * weight.scale),
      activation,
    ),
    original: originalOf(call, bias, input.scale * weight.scale),
  }
}

/** Whose bound the result was cut off at: the activation's, or the type's where it cannot hold what the activation lets pass. */
function cutBy(
  scaled: number,
  lo: number,
  hi: number,
  target: Target,
  activation: Activation,
): ExplanationData['clamped'] {
  const { scale, zeroPoint } = target
  const rounded = toCode(scaled, zeroPoint, lo - 1, hi + 1)
  if (rounded >= lo && rounded <= hi) return 'no'
  const low = rounded < lo
  if (activation.kind === 'none' || (activation.kind === 'relu' && !low)) return 'range'
  if (activation.kind === 'relu') return 'activation'
  const wanted = low ? activation.min : activation.max
  return Math.abs(wanted - dequantizeValue(low ? lo : hi, scale, zeroPoint)) <= scale / 2 ? 'activation' : 'range'
}

function tapsOf({ x, weight, input, layer }: Call, operand: Operand): Tap[] {
  const xCodes = x.intRepr().data
  const wCodes = weight.intRepr().data
  return layer.positions.map(({ xIndex, wIndex }) => {
    const xCode = xIndex === undefined ? input.zeroPoint : at(xCodes, x.shape, xIndex)
    const wCode = at(wCodes, weight.shape, wIndex)
    return {
      xIndex,
      wIndex,
      x: xCode,
      w: wCode,
      product: xCode * wCode,
      xReal: dequantizeValue(xCode, input.scale, input.zeroPoint),
      wReal: dequantizeValue(wCode, operand.scale, operand.zeroPoint),
    }
  })
}

function sumOf(taps: readonly Tap[], value: (tap: Tap) => number): number {
  return taps.reduce((sum, tap) => sum + value(tap), 0)
}

/** Each term wraps in int32, as in the kernels; their sum is exact because it fits (numerics.md 4). */
function termsOf(taps: readonly Tap[], zx: number, zw: number): Terms {
  return {
    products: sumOf(taps, (tap) => tap.product) | 0,
    weightZeroPoint: imul(
      -zw,
      sumOf(taps, (tap) => tap.x),
    ),
    inputZeroPoint: imul(
      -zx,
      sumOf(taps, (tap) => tap.w),
    ),
    bothZeroPoints: imul(taps.length, imul(zx, zw)),
  }
}

/** Refuses, as the op does, a layer whose accumulators could overflow. */
function biasOf(op: string, packed: PackedWeights, channel: number, x: Input): BiasStep {
  const codes = provenBias(op, packed, x)[channel] ?? 0
  const { bias } = packed
  if (!(bias instanceof Float32Array)) return { real: undefined, exact: codes, codes }
  const real = bias[channel] ?? 0
  return { real, exact: real / (x.scale * (packed.scales[channel] ?? 1)), codes }
}

function realBias({ real, codes }: BiasStep, step: number): number {
  return real ?? codes * step
}

function activate(value: number, activation: Activation): number {
  if (activation.kind === 'none') return value
  const [min, max] = activation.kind === 'relu' ? [0, Infinity] : [activation.min, activation.max]
  return Math.min(Math.max(value, min), max)
}

/** The element in float64 from the tensors that were quantized; where only one is given, the other's codes speak for it. */
function originalOf(
  { original, x, weight, activation, layer }: Call,
  bias: BiasStep,
  step: number,
): number | undefined {
  if (original.x === undefined && original.weight === undefined) return undefined
  const xs = (original.x ?? x.dequantize()).data
  const ws = (original.weight ?? weight.dequantize()).data
  const sum = layer.positions.reduce(
    (total, { xIndex, wIndex }) =>
      total + (xIndex === undefined ? 0 : at(xs, x.shape, xIndex) * at(ws, weight.shape, wIndex)),
    0,
  )
  return activate(sum + realBias(bias, step), activation)
}

/** The real values that the channel can reach: over all inputs, from the sums of its positive and negative weights. */
export function reachOf(
  { sums }: PackedWeights,
  channel: number,
  { dtype, scale, zeroPoint }: Input,
  { bias, weight }: Omit<ExplanationData, 'faults'>,
): readonly [number, number] {
  const [min, max] = codeRange[dtype]
  const positive = sums.positive[channel] ?? 0
  const negative = sums.negative[channel] ?? 0
  const [down, up] = [min - zeroPoint, max - zeroPoint]
  const step = scale * weight.scale
  return [(down * positive - up * negative + bias.codes) * step, (up * positive - down * negative + bias.codes) * step]
}
