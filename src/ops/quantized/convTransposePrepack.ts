/** Packed weights of transposed convolutions. */
import { ArgumentError, QParamsError, show } from '../../errors'
import { allocateCodes, type QDType8 } from '../../tensor/dtype'
import type { QParams } from '../../tensor/qparams'
import { checkQTensor, QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
import { fromKernelOrder, toKernelOrder, type TransposedSizes } from '../convTransposeWeights'
import { checkOptions } from '../options'
import { dims3, type PadPair, type SpatialAxes } from '../shapes/axes'
import {
  convTransposeKeys,
  readConvTranspose,
  type ConvTransposeOptions,
  type ConvTransposeParams,
} from '../shapes/convTranspose'
import { types8 } from './params'
import type { PrepackOptions, Unpacked } from './prepack'
import { copied, PackedWeights, type Bias } from './weights'

const brand: unique symbol = Symbol.for('int8.PackedConvTranspose')

/** Options of {@link convTranspose2dPrepack}. */
export interface ConvTransposePrepackOptions extends ConvTransposeOptions, PrepackOptions {}

/**
 * Weight, bias and geometry of a quantized transposed convolution, packed for the kernels. Made by
 * {@link convTranspose2dPrepack} and its kin. PyTorch: `ConvTranspose2dPackedParams`.
 */
export class PackedConvTranspose<A extends SpatialAxes = SpatialAxes> {
  declare readonly [brand]: A
  /** Number of spatial axes. */
  readonly axes: A
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly stride: readonly number[]
  /** `[before, after]` of each spatial axis. */
  readonly padding: readonly PadPair[]
  readonly outputPadding: readonly number[]
  readonly dilation: readonly number[]
  readonly groups: number
  /** @internal */
  readonly params: ConvTransposeParams
  /** @internal Weights in the order `[outChannels, inChannels / groups, kernel…]`. */
  readonly packed: PackedWeights
  private readonly qparams: QParams

  /** @internal Use {@link convTranspose2dPrepack}. */
  constructor(axes: A, params: ConvTransposeParams, packed: PackedWeights, qparams: QParams) {
    this.axes = axes
    this.inChannels = params.inChannels
    this.outChannels = params.outChannels
    this.kernelSize = params.kernel
    this.stride = params.stride
    this.padding = params.padding
    this.outputPadding = params.outputPadding
    this.dilation = params.dilation
    this.groups = params.groups
    this.params = params
    this.packed = packed
    this.qparams = qparams
    Object.defineProperty(this, brand, { value: axes })
    Object.freeze(this)
  }

  /** Copies of weight and bias. Writing to them changes nothing here: pack again instead. PyTorch: `unpack()`. */
  unpack(): Unpacked {
    const { packed, params } = this
    const codes = allocateCodes(packed.dtype, sizeOf(params.weightShape))
    if (codes.length > 0) fromKernelOrder(packed.weights.codes, codes, sizesOf(params))
    return { weight: new QTensor(packed.dtype, params.weightShape, codes, this.qparams), bias: packed.unpack().bias }
  }
}

function sizesOf({ groups, inChannels, outChannels, kernel }: ConvTransposeParams): TransposedSizes {
  return { groups, inPerGroup: inChannels / groups, outPerGroup: outChannels / groups, taps: sizeOf(kernel) }
}

function prepack<A extends SpatialAxes>(
  axes: A,
  weight: QTensor<QDType8>,
  bias: Bias,
  options: ConvTransposePrepackOptions,
): PackedConvTranspose<A> {
  const op = `quantized.convTranspose${String(axes)}dPrepack`
  checkQTensor(op, weight, 'weight', types8)
  checkOptions(op, options, [...convTransposeKeys, 'name'])
  const params = readConvTranspose(op, weight.shape, axes, options)
  const { groups, inChannels, outChannels, kernel, stride, dilation } = params
  const shape = [outChannels, inChannels / groups, ...kernel]
  const codes = toKernelOrder(weight.contiguous().storage, allocateCodes(weight.dtype, weight.size), sizesOf(params))
  const qparams = channelParams(op, weight.qparams, groups)
  const ordered = new QTensor(weight.dtype, shape, codes, qparams, 'channelsLast')
  const transposed = { stride: dims3(stride, 1), dilation: dims3(dilation, 1) }
  const packed = new PackedWeights(op, copied(ordered), bias, groups, options.name, transposed)
  return new PackedConvTranspose(axes, params, packed, weight.qparams)
}

/** Parameters by output channel: those along axis 1 hold for every group. */
function channelParams(op: string, qparams: QParams, groups: number): QParams {
  if (qparams.kind === 'perTensor') return qparams
  const { axis, scales, zeroPoints } = qparams
  if (axis !== 1)
    throw new QParamsError({
      op,
      argument: 'weight',
      expected: 'quantized per tensor, or per channel along axis 1 (the output channels)',
      received: `scales along axis ${String(axis)}`,
      hint: 'The weight of a transposed convolution is [inChannels, outChannels / groups, kernel…].',
    })
  const each = Array.from({ length: groups })
  return {
    kind: 'perChannel',
    axis: 0,
    scales: Float32Array.from(each.flatMap(() => [...scales])),
    zeroPoints: Int32Array.from(each.flatMap(() => [...zeroPoints])),
  }
}

/**
 * Packs the weight and bias of a quantized transposed convolution. PyTorch:
 * `torch.ops.quantized.conv_transpose2d_prepack`.
 *
 * Proves that no input can overflow an int32 accumulator (numerics.md 4), as {@link conv2dPrepack} does.
 *
 * @param weight - qint8 or quint8 `[C, O / groups, kH, kW]`, per tensor or per channel along axis 1, any zero point. With
 *   groups, a scale of axis 1 holds for its channel of every group (PyTorch refuses that).
 * @param bias - float32 `[O]`; int32 `[O]` at the scale `sx * sw` already; or null.
 * @param options - `stride`, `padding`, `outputPadding`, `dilation`, `groups`; `name` of the layer, for messages.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where an accumulator could overflow.
 * @example
 * const weight = quantizePerTensor(tensor([1, 1, 1, 1], [1, 1, 2, 2]), 0.5, 0, 'qint8')
 * convTranspose2dPrepack(weight, null, { stride: 2 }).unpack().weight.shape // [1, 1, 2, 2]
 */
export function convTranspose2dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvTransposePrepackOptions = {},
): PackedConvTranspose<2> {
  return prepack(2, weight, bias, options)
}

/** {@link convTranspose2dPrepack} for one spatial axis: weight `[C, O / groups, k]`. */
export function convTranspose1dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvTransposePrepackOptions = {},
): PackedConvTranspose<1> {
  return prepack(1, weight, bias, options)
}

/** {@link convTranspose2dPrepack} for three spatial axes: weight `[C, O / groups, kD, kH, kW]`. */
export function convTranspose3dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvTransposePrepackOptions = {},
): PackedConvTranspose<3> {
  return prepack(3, weight, bias, options)
}

/** Refuses what is not a transposed convolution's packed weights of so many axes. */
export function checkPackedConvTranspose(
  op: string,
  value: unknown,
  axes: SpatialAxes,
): asserts value is PackedConvTranspose {
  const own: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, brand) : undefined
  if (own !== axes)
    throw new ArgumentError({
      op,
      argument: 'packed',
      expected: `what quantized.convTranspose${String(axes)}dPrepack returns`,
      received: own === undefined ? show(value) : `what convTranspose${show(own)}dPrepack returns`,
    })
}
