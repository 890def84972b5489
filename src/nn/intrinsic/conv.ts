/** Fused float convolutions: what `fuseModules` makes of conv + ReLU and conv + clip. */
import { clipBounds, type HardtanhOptions } from '../activation'
import type { PerAxis } from '../../ops/options'
import { ConvNd, convConfig, type ConvConfig, type ConvOptions } from '../conv'

/** Bounds of a fused clip; ReLU6 if absent. */
export type ClipOptions = ConvOptions & HardtanhOptions

/** A convolution whose result is clamped from 0 up. */
export abstract class ConvReLUNd extends ConvNd {
  protected override get bounds(): readonly [number, number] {
    return [0, Infinity]
  }
}

/** A convolution whose result is clamped to `[min, max]`. */
export abstract class ConvClipNd extends ConvNd {
  readonly min: number
  readonly max: number

  constructor(op: string, config: ConvConfig, options: HardtanhOptions) {
    super(config)
    const { min, max } = clipBounds(op, options, { min: 0, max: 6 })
    this.min = min
    this.max = max
  }

  protected override get bounds(): readonly [number, number] {
    return [this.min, this.max]
  }
}

/** 1-D convolution, then ReLU. PyTorch: `torch.nn.intrinsic.ConvReLU1d`, but one layer, with the convolution's keys. */
export class ConvReLU1d extends ConvReLUNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.intrinsic.ConvReLU1d', 1, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvReLU1d'
  }
}

/** 2-D convolution, then ReLU. PyTorch: `torch.nn.intrinsic.ConvReLU2d`, but one layer, with the convolution's keys. */
export class ConvReLU2d extends ConvReLUNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.intrinsic.ConvReLU2d', 2, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvReLU2d'
  }
}

/** 3-D convolution, then ReLU. PyTorch: `torch.nn.intrinsic.ConvReLU3d`, but one layer, with the convolution's keys. */
export class ConvReLU3d extends ConvReLUNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.intrinsic.ConvReLU3d', 3, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvReLU3d'
  }
}

/** 1-D convolution, then a clip to `[min, max]`: ReLU6 or hardtanh, which PyTorch cannot fuse. */
export class ConvClip1d extends ConvClipNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ClipOptions = {}) {
    const op = 'nn.intrinsic.ConvClip1d'
    super(op, convConfig(op, 1, inChannels, outChannels, kernelSize, options, ['bias', 'min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvClip1d'
  }
}

/** 2-D convolution, then a clip to `[min, max]`: ReLU6 or hardtanh, which PyTorch cannot fuse. */
export class ConvClip2d extends ConvClipNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ClipOptions = {}) {
    const op = 'nn.intrinsic.ConvClip2d'
    super(op, convConfig(op, 2, inChannels, outChannels, kernelSize, options, ['bias', 'min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvClip2d'
  }
}

/** 3-D convolution, then a clip to `[min, max]`: ReLU6 or hardtanh, which PyTorch cannot fuse. */
export class ConvClip3d extends ConvClipNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ClipOptions = {}) {
    const op = 'nn.intrinsic.ConvClip3d'
    super(op, convConfig(op, 3, inChannels, outChannels, kernelSize, options, ['bias', 'min', 'max']), options)
  }

  override get typeName(): string {
    return 'nn.intrinsic.ConvClip3d'
  }
}
