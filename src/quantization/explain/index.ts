/**
 * Explains one output element of a quantized convolution or linear layer: every step from codes to code, what each number
 * stands for, the float result beside it, and what is wrong. Computed in JavaScript with the formulas that the ops use.
 */
import type { PackedConv, PackedLinear } from '../../ops/quantized'
import type { Input } from '../../ops/quantized/epilogue'
import { readQTensor, readTarget } from '../../ops/quantized/params'
import { checkOptions } from '../../ops/options'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { readActivation, readLayer, readOriginals, type Originals } from './call'
import { Explanation } from './explanation'
import { findFaults } from './faults'
import { computeSteps, reachOf } from './steps'

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
export type { Originals } from './call'

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
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError, and OverflowError where the op refuses the layer
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
