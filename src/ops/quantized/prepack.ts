/** Packed weights as users hold them: what `…Prepack` returns and quantized convolutions and linear layers run with. */
import { ArgumentError, ShapeError, show } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import { checkQTensor, isQTensor, type QTensor } from '../../tensor/qtensor'
import { shapeText } from '../../tensor/shape'
import { isTensor } from '../../tensor/tensor'
import { checkOptions } from '../options'
import type { PadPair, SpatialAxes } from '../shapes/axes'
import { convOptionKeys, readConv, type ConvOptions, type ConvParams } from '../shapes/conv'
import { types8 } from './params'
import { copied, PackedWeights, type Bias } from './weights'

const convBrand: unique symbol = Symbol.for('int8.PackedConv')
const linearBrand: unique symbol = Symbol.for('int8.PackedLinear')

/** Options of {@link linearPrepack}. */
export interface PrepackOptions {
  /** The layer's name, for errors and warnings. */
  readonly name?: string
}

/** Options of {@link conv2dPrepack}. */
export interface ConvPrepackOptions extends ConvOptions, PrepackOptions {}

/** What {@link PackedConv.unpack} and {@link PackedLinear.unpack} give back. */
export interface Unpacked {
  readonly weight: QTensor<QDType8>
  readonly bias: Bias
}

/**
 * Weight, bias and geometry of a quantized convolution, packed for the kernels. Made by {@link conv2dPrepack} and its
 * kin. PyTorch: `Conv2dPackedParams`.
 */
export class PackedConv<A extends SpatialAxes = SpatialAxes> {
  declare readonly [convBrand]: A
  /** Number of spatial axes. */
  readonly axes: A
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly stride: readonly number[]
  /** `[before, after]` of each spatial axis. */
  readonly padding: readonly PadPair[]
  readonly dilation: readonly number[]
  readonly groups: number
  /** @internal */
  readonly params: ConvParams
  /** @internal */
  readonly packed: PackedWeights

  /** @internal Use {@link conv2dPrepack}. */
  constructor(axes: A, params: ConvParams, packed: PackedWeights) {
    this.axes = axes
    this.inChannels = params.inPerGroup * params.groups
    this.outChannels = params.outChannels
    this.kernelSize = params.kernel
    this.stride = params.stride
    this.padding = params.padding
    this.dilation = params.dilation
    this.groups = params.groups
    this.params = params
    this.packed = packed
    Object.defineProperty(this, convBrand, { value: axes })
    Object.freeze(this)
  }

  /** Copies of weight and bias. Writing to them changes nothing here: pack again instead. PyTorch: `unpack()`. */
  unpack(): Unpacked {
    return this.packed.unpack()
  }
}

/** Weight and bias of a quantized linear layer. Made by {@link linearPrepack}. PyTorch: `LinearPackedParams`. */
export class PackedLinear {
  declare readonly [linearBrand]: true
  readonly inFeatures: number
  readonly outFeatures: number
  /** @internal */
  readonly packed: PackedWeights

  /** @internal Use {@link linearPrepack}. */
  constructor(packed: PackedWeights) {
    const [outFeatures = 0, inFeatures = 0] = packed.shape
    this.outFeatures = outFeatures
    this.inFeatures = inFeatures
    this.packed = packed
    Object.defineProperty(this, linearBrand, { value: true })
    Object.freeze(this)
  }

  /** Copies of weight and bias. Writing to them changes nothing here: pack again instead. PyTorch: `unpack()`. */
  unpack(): Unpacked {
    return this.packed.unpack()
  }
}

function prepackConv<A extends SpatialAxes>(
  axes: A,
  weight: QTensor<QDType8>,
  bias: Bias,
  options: ConvPrepackOptions,
): PackedConv<A> {
  const op = `quantized.conv${String(axes)}dPrepack`
  checkQTensor(op, weight, 'weight', types8)
  checkOptions(op, options, [...convOptionKeys, 'name'])
  const params = readConv(op, weight.shape, axes, options)
  return new PackedConv(axes, params, new PackedWeights(op, copied(weight), bias, params.groups, options.name))
}

/**
 * Packs the weight and bias of a quantized convolution. PyTorch: `torch.ops.quantized.conv2d_prepack`.
 *
 * Proves that no input can overflow an int32 accumulator (numerics.md 4), and warns (`INT8_WEIGHTS_CLIPPED`) where the
 * weights look clipped. The bias becomes int32 when the input's scale is known: at the first run.
 *
 * @param weight - qint8 or quint8 `[O, C / groups, kH, kW]`, per tensor or per channel along axis 0, any zero point.
 * @param bias - float32 `[O]`; int32 `[O]` at the scale `sx * sw` already; or null.
 * @param options - `stride`, `padding`, `dilation`, `groups`; `name` of the layer, for messages.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where an accumulator could overflow.
 * @example
 * const packed = conv2dPrepack(quantizePerTensor(tensor([1, 1, 1, 1], [1, 1, 2, 2]), 0.5, 0, 'qint8'), null)
 * packed.unpack().weight.shape // [1, 1, 2, 2]
 */
export function conv2dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvPrepackOptions = {},
): PackedConv<2> {
  return prepackConv(2, weight, bias, options)
}

/** {@link conv2dPrepack} for one spatial axis: weight `[O, C / groups, k]`. */
export function conv1dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvPrepackOptions = {},
): PackedConv<1> {
  return prepackConv(1, weight, bias, options)
}

/** {@link conv2dPrepack} for three spatial axes: weight `[O, C / groups, kD, kH, kW]`. */
export function conv3dPrepack(
  weight: QTensor<QDType8>,
  bias: Bias = null,
  options: ConvPrepackOptions = {},
): PackedConv<3> {
  return prepackConv(3, weight, bias, options)
}

/**
 * Packs the weight and bias of a quantized linear layer, as {@link conv2dPrepack} does. PyTorch:
 * `torch.ops.quantized.linear_prepack`.
 *
 * @param weight - qint8 or quint8 `[outFeatures, inFeatures]`, per tensor or per channel along axis 0, any zero point.
 * @param bias - float32 `[outFeatures]`; int32 at the scale `sx * sw` already; or null.
 * @param options - `name` of the layer, for messages.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError; OverflowError where an accumulator could overflow.
 */
export function linearPrepack(weight: QTensor<QDType8>, bias: Bias = null, options: PrepackOptions = {}): PackedLinear {
  const op = 'quantized.linearPrepack'
  checkQTensor(op, weight, 'weight', types8)
  checkOptions(op, options, ['name'])
  if (weight.rank !== 2)
    throw new ShapeError({
      op,
      argument: 'weight',
      expected: 'of shape [outFeatures, inFeatures]',
      received: shapeText(weight.shape),
    })
  return new PackedLinear(new PackedWeights(op, copied(weight), bias, 1, options.name))
}

function brandOf(value: unknown, brand: symbol): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, brand) : undefined
}

/** Whether a value is what `conv1dPrepack`, `conv2dPrepack` or `conv3dPrepack` returns. */
export function isPackedConv(value: unknown): value is PackedConv {
  return brandOf(value, convBrand) !== undefined
}

/** Whether a value is what {@link linearPrepack} returns. */
export function isPackedLinear(value: unknown): value is PackedLinear {
  return brandOf(value, linearBrand) !== undefined
}

/** Refuses what is not a convolution's packed weights of so many axes. */
export function checkPackedConv(op: string, value: unknown, axes: SpatialAxes): asserts value is PackedConv {
  if (!isPackedConv(value) || value.axes !== axes)
    throw notPacked(op, value, `conv${String(axes)}dPrepack`, isPackedConv(value) ? value.axes : undefined)
}

/** Refuses what is not a linear layer's packed weights. */
export function checkPackedLinear(op: string, value: unknown): asserts value is PackedLinear {
  if (!isPackedLinear(value)) throw notPacked(op, value, 'linearPrepack', undefined)
}

function notPacked(op: string, value: unknown, maker: string, axes: number | undefined): ArgumentError {
  const raw = isTensor(value) || isQTensor(value)
  return new ArgumentError({
    op,
    argument: 'packed',
    expected: `what quantized.${maker} returns`,
    received:
      axes !== undefined ? `what quantized.conv${String(axes)}dPrepack returns` : raw ? 'a tensor' : show(value),
    ...(raw && { hint: `Pack the weight once: quantized.${maker}(weight, bias).` }),
  })
}
