/** Quantized convolutions with a fused ReLU or clip: the clamp costs nothing, and the scale covers only what remains. */
import { relu, type Activation } from '../../ops/quantized/params'
import type { PerAxis } from '../../ops/options'
import type { SpatialAxes } from '../../ops/shapes/axes'
import { clipBounds, type HardtanhOptions } from '../activation'
import type { ConvConfig } from '../conv'
import type * as intrinsic from '../intrinsic'
import { convOptionsOf, QuantizedConvNd, quantizedConvConfig, type QuantizedConvOptions } from './conv'
import { checkSource, type QuantizedOptions } from './output'

/** Options of a quantized convolution with a clip; ReLU6 if no bounds are given. */
export type QuantizedClipOptions = QuantizedConvOptions & HardtanhOptions

/** A quantized convolution whose codes are clamped from the zero point up. */
export abstract class QuantizedConvReLUNd<A extends SpatialAxes = SpatialAxes> extends QuantizedConvNd<A> {
  protected override get activation(): Activation {
    return relu
  }
}

/** A quantized convolution whose codes are clamped to those of `[min, max]`. */
export abstract class QuantizedConvClipNd<A extends SpatialAxes = SpatialAxes> extends QuantizedConvNd<A> {
  readonly min: number
  readonly max: number

  constructor(op: string, config: ConvConfig, options: QuantizedOptions & HardtanhOptions) {
    super(op, config, options)
    const { min, max } = clipBounds(op, options, { min: 0, max: 6 })
    this.min = min
    this.max = max
  }

  protected override get activation(): Activation {
    return { kind: 'clip', min: this.min, max: this.max }
  }
}

/** 1-D convolution and ReLU in one. PyTorch: `torch.nn.intrinsic.quantized.ConvReLU1d`. */
export class ConvReLU1d extends QuantizedConvReLUNd<1> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.ConvReLU1d'
    super(op, quantizedConvConfig(op, 1, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvReLU1d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvReLU1d): ConvReLU1d {
    checkSource('nn.quantized.ConvReLU1d', module, 'nn.intrinsic.ConvReLU1d')
    return new ConvReLU1d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /** The quantized form of a fused convolution that calibration has watched. PyTorch: `from_float`. */
  static fromFloat(module: intrinsic.ConvReLU1d): ConvReLU1d {
    return ConvReLU1d.like(module).fill(module)
  }
}

/** 2-D convolution and ReLU in one. PyTorch: `torch.nn.intrinsic.quantized.ConvReLU2d`. */
export class ConvReLU2d extends QuantizedConvReLUNd<2> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.ConvReLU2d'
    super(op, quantizedConvConfig(op, 2, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvReLU2d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvReLU2d): ConvReLU2d {
    checkSource('nn.quantized.ConvReLU2d', module, 'nn.intrinsic.ConvReLU2d')
    return new ConvReLU2d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /** The quantized form of a fused convolution that calibration has watched. PyTorch: `from_float`. */
  static fromFloat(module: intrinsic.ConvReLU2d): ConvReLU2d {
    return ConvReLU2d.like(module).fill(module)
  }
}

/** 3-D convolution and ReLU in one. PyTorch: `torch.nn.intrinsic.quantized.ConvReLU3d`. */
export class ConvReLU3d extends QuantizedConvReLUNd<3> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedConvOptions = {}) {
    const op = 'nn.quantized.ConvReLU3d'
    super(op, quantizedConvConfig(op, 3, inChannels, outChannels, kernelSize, options), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvReLU3d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvReLU3d): ConvReLU3d {
    checkSource('nn.quantized.ConvReLU3d', module, 'nn.intrinsic.ConvReLU3d')
    return new ConvReLU3d(module.inChannels, module.outChannels, module.kernelSize, convOptionsOf(module))
  }

  /** The quantized form of a fused convolution that calibration has watched. PyTorch: `from_float`. */
  static fromFloat(module: intrinsic.ConvReLU3d): ConvReLU3d {
    return ConvReLU3d.like(module).fill(module)
  }
}

/** 1-D convolution and clip to `[min, max]` in one: what ReLU6 and hardtanh become. */
export class ConvClip1d extends QuantizedConvClipNd<1> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedClipOptions = {}) {
    const op = 'nn.quantized.ConvClip1d'
    super(op, quantizedConvConfig(op, 1, inChannels, outChannels, kernelSize, options, ['min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvClip1d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvClip1d): ConvClip1d {
    checkSource('nn.quantized.ConvClip1d', module, 'nn.intrinsic.ConvClip1d')
    const { min, max } = module
    const options = { ...convOptionsOf(module), min, max }
    return new ConvClip1d(module.inChannels, module.outChannels, module.kernelSize, options)
  }

  /** The quantized form of a fused convolution that calibration has watched. */
  static fromFloat(module: intrinsic.ConvClip1d): ConvClip1d {
    return ConvClip1d.like(module).fill(module)
  }
}

/** 2-D convolution and clip to `[min, max]` in one: what ReLU6 and hardtanh become. */
export class ConvClip2d extends QuantizedConvClipNd<2> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedClipOptions = {}) {
    const op = 'nn.quantized.ConvClip2d'
    super(op, quantizedConvConfig(op, 2, inChannels, outChannels, kernelSize, options, ['min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvClip2d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvClip2d): ConvClip2d {
    checkSource('nn.quantized.ConvClip2d', module, 'nn.intrinsic.ConvClip2d')
    const { min, max } = module
    const options = { ...convOptionsOf(module), min, max }
    return new ConvClip2d(module.inChannels, module.outChannels, module.kernelSize, options)
  }

  /** The quantized form of a fused convolution that calibration has watched. */
  static fromFloat(module: intrinsic.ConvClip2d): ConvClip2d {
    return ConvClip2d.like(module).fill(module)
  }
}

/** 3-D convolution and clip to `[min, max]` in one: what ReLU6 and hardtanh become. */
export class ConvClip3d extends QuantizedConvClipNd<3> {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: QuantizedClipOptions = {}) {
    const op = 'nn.quantized.ConvClip3d'
    super(op, quantizedConvConfig(op, 3, inChannels, outChannels, kernelSize, options, ['min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.quantized.ConvClip3d'
  }

  /** The layer of the same geometry, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.ConvClip3d): ConvClip3d {
    checkSource('nn.quantized.ConvClip3d', module, 'nn.intrinsic.ConvClip3d')
    const { min, max } = module
    const options = { ...convOptionsOf(module), min, max }
    return new ConvClip3d(module.inChannels, module.outChannels, module.kernelSize, options)
  }

  /** The quantized form of a fused convolution that calibration has watched. */
  static fromFloat(module: intrinsic.ConvClip3d): ConvClip3d {
    return ConvClip3d.like(module).fill(module)
  }
}
