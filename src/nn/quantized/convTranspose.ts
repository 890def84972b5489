/** Quantized transposed convolutions. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import * as Q from '../../ops/quantized'
import type { Bias, PackedConvTranspose } from '../../ops/quantized'
import { convTransposeSteps } from '../../ops/quantized/convTranspose'
import { none } from '../../ops/quantized/params'
import type { PerAxis } from '../../ops/options'
import type { SpatialAxes } from '../../ops/shapes/axes'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type * as float from '../convTranspose'
import {
  convTransposeConfig,
  convTransposeGeometryOf,
  convTransposeWeightShape,
  type ConvTransposeConfig,
  type ConvTransposeNd,
  type ConvTransposeOptions,
} from '../convTranspose'
import { checkSource, observedDType, quantizedKeys, type QuantizedOptions } from './output'
import { PackedModule } from './packed'

/** Options of a quantized transposed convolution; weights are given with a bias or without. */
export type QuantizedConvTransposeOptions = Omit<ConvTransposeOptions, 'bias'> & QuantizedOptions

const prepack = { 1: Q.convTranspose1dPrepack, 2: Q.convTranspose2dPrepack, 3: Q.convTranspose3dPrepack } as const

/** A quantized transposed convolution over 1, 2 or 3 spatial axes. */
export abstract class QuantizedConvTransposeNd<A extends SpatialAxes = SpatialAxes>
  extends PackedModule<PackedConvTranspose<A>>
  implements ConvTransposeConfig
{
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly options: ConvTransposeOptions

  constructor(
    op: string,
    axes: A,
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: QuantizedConvTransposeOptions,
  ) {
    const config = convTransposeConfig(op, axes, inChannels, outChannels, kernelSize, options, quantizedKeys)
    super(op, convTransposeWeightShape(config), options, outChannels)
    this.inChannels = inChannels
    this.outChannels = outChannels
    this.kernelSize = config.kernelSize
    this.options = config.options
  }

  /** Number of spatial axes. */
  get spatialAxes(): A {
    return this.kernelSize.length as A
  }

  protected override pack(weight: QTensor<QDType8>, bias: Bias): PackedConvTranspose<A> {
    const options = { ...convTransposeGeometryOf(this), ...this.named }
    const packed: PackedConvTranspose = prepack[this.spatialAxes](weight, bias, options)
    return packed as PackedConvTranspose<A>
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
    const out = { ...this.requireQParams(), dtype: this.dtype }
    return convTransposeSteps(this.label(), this.spatialAxes, x, packed, out, none)
  }
}

function optionsOf(source: ConvTransposeNd): QuantizedConvTransposeOptions {
  return { ...convTransposeGeometryOf(source), dtype: observedDType(source, source.activationPostProcess) }
}

/** Transposed convolution of codes `[N, inChannels, L]`. PyTorch: `torch.nn.quantized.ConvTranspose1d`. */
export class ConvTranspose1d extends QuantizedConvTransposeNd<1> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: QuantizedConvTransposeOptions = {},
  ) {
    super('nn.quantized.ConvTranspose1d', 1, inChannels, outChannels, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvTranspose1d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: float.ConvTranspose1d): ConvTranspose1d {
    checkSource('nn.quantized.ConvTranspose1d', module, 'nn.ConvTranspose1d')
    return new ConvTranspose1d(module.inChannels, module.outChannels, module.kernelSize, optionsOf(module))
  }

  /**
   * The quantized form of a transposed convolution that calibration has watched. PyTorch: `from_float`, which refuses
   * weights per channel.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: float.ConvTranspose1d): ConvTranspose1d {
    return ConvTranspose1d.like(module).fill(module)
  }
}

/** Transposed convolution of codes `[N, inChannels, H, W]`. PyTorch: `torch.nn.quantized.ConvTranspose2d`. */
export class ConvTranspose2d extends QuantizedConvTransposeNd<2> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: QuantizedConvTransposeOptions = {},
  ) {
    super('nn.quantized.ConvTranspose2d', 2, inChannels, outChannels, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvTranspose2d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: float.ConvTranspose2d): ConvTranspose2d {
    checkSource('nn.quantized.ConvTranspose2d', module, 'nn.ConvTranspose2d')
    return new ConvTranspose2d(module.inChannels, module.outChannels, module.kernelSize, optionsOf(module))
  }

  /**
   * The quantized form of a transposed convolution that calibration has watched. PyTorch: `from_float`, which refuses
   * weights per channel.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: float.ConvTranspose2d): ConvTranspose2d {
    return ConvTranspose2d.like(module).fill(module)
  }
}

/** Transposed convolution of codes `[N, inChannels, D, H, W]`. PyTorch: `torch.nn.quantized.ConvTranspose3d`. */
export class ConvTranspose3d extends QuantizedConvTransposeNd<3> {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PerAxis,
    options: QuantizedConvTransposeOptions = {},
  ) {
    super('nn.quantized.ConvTranspose3d', 3, inChannels, outChannels, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvTranspose3d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: float.ConvTranspose3d): ConvTranspose3d {
    checkSource('nn.quantized.ConvTranspose3d', module, 'nn.ConvTranspose3d')
    return new ConvTranspose3d(module.inChannels, module.outChannels, module.kernelSize, optionsOf(module))
  }

  /**
   * The quantized form of a transposed convolution that calibration has watched. PyTorch: `from_float`, which refuses
   * weights per channel.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: float.ConvTranspose3d): ConvTranspose3d {
    return ConvTranspose3d.like(module).fill(module)
  }
}
