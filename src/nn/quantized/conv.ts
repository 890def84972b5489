/** Quantized convolutions. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import * as Q from '../../ops/quantized'
import type { Bias, PackedConv } from '../../ops/quantized'
import { none, type Activation } from '../../ops/quantized/params'
import { convSteps } from '../../ops/quantized/run'
import type { PerAxis } from '../../ops/options'
import type { SpatialAxes } from '../../ops/shapes/axes'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { convConfig, convGeometry, convWeightShape, type ConvConfig, type ConvNd, type ConvOptions } from '../conv'
import type { Conv1d as FloatConv1d, Conv2d as FloatConv2d, Conv3d as FloatConv3d } from '../conv'
import { checkSource, observedDType, quantizedKeys, type QuantizedOptions } from './output'
import { PackedModule } from './packed'

/** Options of a quantized convolution; `bias` says nothing here: weights are given with a bias or without. */
export type QuantizedConvOptions = Omit<ConvOptions, 'bias'> & QuantizedOptions

const prepack = { 1: Q.conv1dPrepack, 2: Q.conv2dPrepack, 3: Q.conv3dPrepack } as const

/** Checks the arguments of a quantized convolution's constructor. */
export function quantizedConvConfig(
  op: string,
  axes: SpatialAxes,
  inChannels: number,
  outChannels: number,
  kernelSize: PerAxis,
  options: QuantizedConvOptions,
  moreKeys: readonly string[] = [],
): ConvConfig {
  return convConfig(op, axes, inChannels, outChannels, kernelSize, options, [...quantizedKeys, ...moreKeys])
}

/** A quantized convolution over 1, 2 or 3 spatial axes, plain or fused. */
export abstract class QuantizedConvNd<A extends SpatialAxes = SpatialAxes>
  extends PackedModule<PackedConv<A>>
  implements ConvConfig
{
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly options: ConvOptions

  constructor(op: string, config: ConvConfig, options: QuantizedOptions) {
    super(op, convWeightShape(config), options)
    this.inChannels = config.inChannels
    this.outChannels = config.outChannels
    this.kernelSize = config.kernelSize
    this.options = config.options
  }

  /** Number of spatial axes. */
  get spatialAxes(): A {
    return this.kernelSize.length as A
  }

  protected override pack(weight: QTensor<QDType8>, bias: Bias): PackedConv<A> {
    const packed: PackedConv = prepack[this.spatialAxes](weight, bias, { ...convGeometry(this), ...this.named })
    return packed as PackedConv<A>
  }

  /** What the layer does with its result before it becomes codes. */
  protected get activation(): Activation {
    return none
  }

  override forward(x: QTensor): QTensor {
    return runSync(this.steps(x))
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    return runAsync(this.steps(x))
  }

  private steps(x: QTensor): Steps<QTensor> {
    this.checkCodes(x)
    const packed = this.packedParams
    const { scale, zeroPoint } = this.requireQParams()
    const out = { scale, zeroPoint, dtype: this.dtype }
    return convSteps(this.label(), this.spatialAxes, x, packed, out, this.activation)
  }
}

/** The options of the quantized layer that takes a float one's place. */
export function convOptionsOf(source: ConvNd): QuantizedConvOptions {
  return { ...convGeometry(source), dtype: observedDType(source, source.activationPostProcess) }
}

/** Convolution of codes `[N, inChannels, L]`. PyTorch: `torch.nn.quantized.Conv1d`. */
export class Conv1d extends QuantizedConvNd<1> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.Conv1d'
    super(op, quantizedConvConfig(op, 1, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.Conv1d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: FloatConv1d): Conv1d {
    checkSource('nn.quantized.Conv1d', module, 'nn.Conv1d')
    return new Conv1d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /**
   * The quantized form of a convolution that calibration has watched. PyTorch: `from_float`.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: FloatConv1d): Conv1d {
    return Conv1d.like(module).fill(module)
  }
}

/** Convolution of codes `[N, inChannels, H, W]`. PyTorch: `torch.nn.quantized.Conv2d`. */
export class Conv2d extends QuantizedConvNd<2> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.Conv2d'
    super(op, quantizedConvConfig(op, 2, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.Conv2d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: FloatConv2d): Conv2d {
    checkSource('nn.quantized.Conv2d', module, 'nn.Conv2d')
    return new Conv2d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /**
   * The quantized form of a convolution that calibration has watched. PyTorch: `from_float`.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: FloatConv2d): Conv2d {
    return Conv2d.like(module).fill(module)
  }
}

/** Convolution of codes `[N, inChannels, D, H, W]`. PyTorch: `torch.nn.quantized.Conv3d`. */
export class Conv3d extends QuantizedConvNd<3> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.Conv3d'
    super(op, quantizedConvConfig(op, 3, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.Conv3d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: FloatConv3d): Conv3d {
    checkSource('nn.quantized.Conv3d', module, 'nn.Conv3d')
    return new Conv3d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /**
   * The quantized form of a convolution that calibration has watched. PyTorch: `from_float`.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: FloatConv3d): Conv3d {
    return Conv3d.like(module).fill(module)
  }
}
