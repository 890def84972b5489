/**
 * Explains one output element of a quantized convolution or linear layer: every step from codes to code, what each number
 * stands for, the float result beside it, and what is wrong. Computed in JavaScript with the formulas that the ops use.
 */
import type { PackedConv, PackedLinear } from '../../ops/quantized'
import { biasCodes, type Input } from '../../ops/quantized/epilogue'
import {
  codeBounds,
  none,
  productRatio,
  readClip,
  readQTensor,
  readTarget,
  relu,
  type Activation,
  type Target,
} from '../../ops/quantized/params'
import { isPackedConv, isPackedLinear } from '../../ops/quantized/prepack'
import type { PackedWeights } from '../../ops/quantized/weights'
import { linearShape } from '../../ops/float/conv'
import { checkOptions } from '../../ops/options'
import { convGeometry } from '../../ops/shapes/conv'
import { ArgumentError, ShapeError, show } from '../../errors'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { dequantizeValue, rne } from '../../tensor/rounding'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { Explanation, type BiasStep, type ExplanationData, type Operand, type Tap, type Terms } from './explanation'
import { findFaults } from './faults'
import { at, checkIndex, convWindow, linearWindow, type Position } from './window'

export {
  Explanation,
  type BiasStep,
  type ExplanationData,
  type Operand,
  type OutputStep,
  type Tap,
  type Terms,
} from './explanation'
export type { Fault, FaultCode } from './faults'

const { fround, imul } = Math

/** The float tensors that x and the weight were quantized from. */
export interface Originals {
  readonly x?: Tensor
  readonly weight?: Tensor
}

/** Options of {@link explain}. */
export interface ExplainOptions {
  /** The output element, in logical order: `[n, channel, y, x]`; `[row, feature]` of a linear layer. */
  readonly index: readonly number[]
  /** Scale of the output. @defaultValue 1, which is reported as unset */
  readonly scale?: number
  /** Code of 0.0 in the output. @defaultValue 0 */
  readonly zeroPoint?: number
  /** Type of the output's codes. @defaultValue that of x */
  readonly dtype?: QDType8
  /** A fused activation: `'relu'`, or a clip to real numbers. @defaultValue none */
  readonly activation?: 'relu' | { readonly min: number; readonly max: number }
  /** What was quantized: the float result then starts from it, and clipped values are counted. */
  readonly original?: Originals
}

const optionKeys = ['index', 'scale', 'zeroPoint', 'dtype', 'activation', 'original'] as const

/**
 * Explains one output element of a quantized convolution or linear layer.
 *
 * @param x - The input's codes, quint8 or qint8, per tensor.
 * @param packed - What `conv1dPrepack`, `conv2dPrepack`, `conv3dPrepack` or `linearPrepack` returned.
 * @param options - Which element, and the output's parameters as the op is given them.
 * @returns The steps as data; `String(…)` gives them as text.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError
 * @example
 * const qx = quantizePerTensor(tensor([[3, 4]]), 1, 0, 'quint8')
 * const packed = ops.quantized.linearPrepack(quantizePerTensor(tensor([[5, 6]]), 1, 0, 'qint8'))
 * quantization.explain(qx, packed, { index: [0, 0], scale: 0.5, zeroPoint: 0 }).code // 78
 */
export function explain(x: QTensor<QDType8>, packed: PackedConv | PackedLinear, options: ExplainOptions): Explanation {
  const op = 'quantization.explain'
  checkOptions(op, options, optionKeys)
  const input: Input = { ...readQTensor(op, x, 'x'), dtype: x.dtype }
  const target = readTarget(op, options.scale ?? 1, options.zeroPoint ?? 0, options.dtype ?? x.dtype)
  const activation = readActivation(op, options.activation)
  const layer = readLayer(op, x.shape, packed, options.index)
  const weight = layer.packed.unpack().weight
  const original = readOriginals(op, options.original, x.shape, weight.shape)
  const steps = computeSteps({ op, x, weight, input, target, activation, layer, original })
  const faults = findFaults(steps, {
    x,
    weight,
    scaleGiven: options.scale !== undefined,
    reach: reachOf(layer.packed, layer.channel, input, steps),
    originalX: original.x,
    originalWeight: original.weight,
  })
  return new Explanation({ ...steps, faults })
}

/** The layer and the element's window. */
interface Layer {
  readonly op: string
  readonly packed: PackedWeights
  readonly index: readonly number[]
  readonly channel: number
  readonly positions: readonly Position[]
}

function readLayer(op: string, xShape: Shape, packed: unknown, index: unknown): Layer {
  if (isPackedConv(packed)) {
    checkIndex(op, index, convGeometry(op, xShape, packed.params).shape)
    const positions = convWindow(index, xShape, packed.params)
    return { op: `conv${String(packed.axes)}d`, packed: packed.packed, index, channel: index[1] ?? 0, positions }
  }
  if (isPackedLinear(packed)) {
    const { inFeatures, outFeatures } = packed
    checkIndex(op, index, linearShape(op, xShape, inFeatures, outFeatures).shape)
    const positions = linearWindow(index, inFeatures)
    return { op: 'linear', packed: packed.packed, index, channel: index.at(-1) ?? 0, positions }
  }
  throw new ArgumentError({
    op,
    argument: 'packed',
    expected: 'what conv2dPrepack, conv1dPrepack, conv3dPrepack or linearPrepack returns',
    received: show(packed),
  })
}

function readActivation(op: string, activation: unknown): Activation {
  if (activation === undefined) return none
  if (activation === 'relu') return relu
  if (typeof activation === 'object' && activation !== null) {
    checkOptions(op, activation, ['min', 'max'])
    const { min, max } = activation as { readonly min?: unknown; readonly max?: unknown }
    return readClip(op, min, max)
  }
  throw new ArgumentError({
    op,
    argument: 'options.activation',
    expected: "'relu' or { min, max }",
    received: show(activation),
  })
}

function readOriginals(op: string, original: unknown, xShape: Shape, weightShape: Shape): Originals {
  if (original === undefined) return {}
  checkOptions(op, original, ['x', 'weight'])
  const { x, weight } = original as { readonly x?: unknown; readonly weight?: unknown }
  const read = (name: string, value: unknown, shape: Shape): Tensor => {
    checkTensor(op, value, `options.original.${name}`)
    if (!sameShape(value.shape, shape))
      throw new ShapeError({
        op,
        argument: `options.original.${name}`,
        expected: `of shape ${shapeText(shape)}, as what was quantized`,
        received: shapeText(value.shape),
      })
    return value
  }
  return {
    ...(x !== undefined && { x: read('x', x, xShape) }),
    ...(weight !== undefined && { weight: read('weight', weight, weightShape) }),
  }
}

interface Call {
  readonly op: string
  readonly x: QTensor<QDType8>
  readonly weight: QTensor<QDType8>
  readonly input: Input
  readonly target: Target
  readonly activation: Activation
  readonly layer: Layer
  readonly original: Originals
}

function computeSteps(call: Call): Omit<ExplanationData, 'faults'> {
  const { op, input, target, activation, layer } = call
  const { channel, packed } = layer
  const weight: Operand = {
    dtype: packed.dtype,
    scale: packed.scales[channel] ?? 1,
    zeroPoint: packed.weights.zeroPoints[channel] ?? 0,
  }
  const taps = tapsOf(call, weight)
  const terms = termsOf(taps, input.zeroPoint, weight.zeroPoint)
  const bias = biasOf(op, packed, channel, input.scale)
  const products = (terms.products + terms.weightZeroPoint + terms.inputZeroPoint + terms.bothZeroPoints) | 0
  const accumulator = (products + bias.codes) | 0
  const multiplier = productRatio(op, input.scale, weight.scale, target.scale)
  const scaled = fround(fround(accumulator) * multiplier)
  const [lo, hi] = codeBounds(target, activation)
  const cut = Math.min(Math.max(scaled, lo - target.zeroPoint), hi - target.zeroPoint)
  const rounded = rne(cut) + 0
  const code = target.zeroPoint + rounded
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
    rounded,
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
  const rounded = zeroPoint + rne(Math.min(Math.max(scaled, lo - zeroPoint - 1), hi - zeroPoint + 1))
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

function biasOf(op: string, packed: PackedWeights, channel: number, xScale: number): BiasStep {
  const codes = biasCodes(op, packed, xScale)[channel] ?? 0
  const { bias } = packed
  if (!(bias instanceof Float32Array)) return { real: undefined, exact: codes, codes }
  const real = bias[channel] ?? 0
  return { real, exact: real / (xScale * (packed.scales[channel] ?? 1)), codes }
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
function reachOf(
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
