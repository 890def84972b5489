/** Pooling layers, for float tensors and codes alike. */
import * as F from '../ops/float'
import { checkOptions, readPerAxis, type PerAxis } from '../ops/options'
import * as Q from '../ops/quantized'
import type { SpatialAxes } from '../ops/shapes/axes'
import type { AvgPoolOptions, MaxPoolOptions, OutputSize } from '../ops/shapes/pool'
import { PolymorphicModule, type Face } from './polymorphic'

type Faces<A extends readonly unknown[]> = Readonly<Record<SpatialAxes, Face<A>>>

const maxPool: Faces<[PerAxis, MaxPoolOptions]> = {
  1: { float: F.maxPool1d, floatAsync: F.maxPool1dAsync, quantized: Q.maxPool1d, quantizedAsync: Q.maxPool1dAsync },
  2: { float: F.maxPool2d, floatAsync: F.maxPool2dAsync, quantized: Q.maxPool2d, quantizedAsync: Q.maxPool2dAsync },
  3: { float: F.maxPool3d, floatAsync: F.maxPool3dAsync, quantized: Q.maxPool3d, quantizedAsync: Q.maxPool3dAsync },
}
const avgPool: Faces<[PerAxis, AvgPoolOptions]> = {
  1: { float: F.avgPool1d, floatAsync: F.avgPool1dAsync, quantized: Q.avgPool1d, quantizedAsync: Q.avgPool1dAsync },
  2: { float: F.avgPool2d, floatAsync: F.avgPool2dAsync, quantized: Q.avgPool2d, quantizedAsync: Q.avgPool2dAsync },
  3: { float: F.avgPool3d, floatAsync: F.avgPool3dAsync, quantized: Q.avgPool3d, quantizedAsync: Q.avgPool3dAsync },
}
const adaptiveAvgPool: Faces<[OutputSize]> = {
  1: {
    float: F.adaptiveAvgPool1d,
    floatAsync: F.adaptiveAvgPool1dAsync,
    quantized: Q.adaptiveAvgPool1d,
    quantizedAsync: Q.adaptiveAvgPool1dAsync,
  },
  2: {
    float: F.adaptiveAvgPool2d,
    floatAsync: F.adaptiveAvgPool2dAsync,
    quantized: Q.adaptiveAvgPool2d,
    quantizedAsync: Q.adaptiveAvgPool2dAsync,
  },
  3: {
    float: F.adaptiveAvgPool3d,
    floatAsync: F.adaptiveAvgPool3dAsync,
    quantized: Q.adaptiveAvgPool3d,
    quantizedAsync: Q.adaptiveAvgPool3dAsync,
  },
}
const adaptiveMaxPool: Faces<[OutputSize]> = {
  1: {
    float: F.adaptiveMaxPool1d,
    floatAsync: F.adaptiveMaxPool1dAsync,
    quantized: Q.adaptiveMaxPool1d,
    quantizedAsync: Q.adaptiveMaxPool1dAsync,
  },
  2: {
    float: F.adaptiveMaxPool2d,
    floatAsync: F.adaptiveMaxPool2dAsync,
    quantized: Q.adaptiveMaxPool2d,
    quantizedAsync: Q.adaptiveMaxPool2dAsync,
  },
  3: {
    float: F.adaptiveMaxPool3d,
    floatAsync: F.adaptiveMaxPool3dAsync,
    quantized: Q.adaptiveMaxPool3d,
    quantizedAsync: Q.adaptiveMaxPool3dAsync,
  },
}

/** What max poolings share. */
export abstract class MaxPoolNd extends PolymorphicModule<[PerAxis, MaxPoolOptions]> {
  readonly kernelSize: readonly number[]
  readonly options: MaxPoolOptions

  constructor(op: string, axes: SpatialAxes, kernelSize: PerAxis, options: MaxPoolOptions) {
    super()
    checkOptions(op, options, ['stride', 'padding', 'dilation', 'ceilMode'])
    this.kernelSize = Object.freeze(readPerAxis(op, 'kernelSize', kernelSize, axes, 1))
    this.options = Object.freeze({ ...options })
  }

  protected override get face(): Face<[PerAxis, MaxPoolOptions]> {
    return maxPool[this.kernelSize.length as SpatialAxes]
  }

  protected override get args(): [PerAxis, MaxPoolOptions] {
    return [this.kernelSize, this.options]
  }
}

/** The largest value of each window of `[N, C, L]`. PyTorch: `torch.nn.MaxPool1d`. */
export class MaxPool1d extends MaxPoolNd {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('nn.MaxPool1d', 1, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.MaxPool1d'
  }
}

/** The largest value of each window of `[N, C, H, W]`. PyTorch: `torch.nn.MaxPool2d`. */
export class MaxPool2d extends MaxPoolNd {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('nn.MaxPool2d', 2, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.MaxPool2d'
  }
}

/** The largest value of each window of `[N, C, D, H, W]`. PyTorch: `torch.nn.MaxPool3d`. */
export class MaxPool3d extends MaxPoolNd {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('nn.MaxPool3d', 3, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.MaxPool3d'
  }
}

/** What average poolings share. */
export abstract class AvgPoolNd extends PolymorphicModule<[PerAxis, AvgPoolOptions]> {
  readonly kernelSize: readonly number[]
  readonly options: AvgPoolOptions

  constructor(op: string, axes: SpatialAxes, kernelSize: PerAxis, options: AvgPoolOptions) {
    super()
    checkOptions(op, options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'])
    this.kernelSize = Object.freeze(readPerAxis(op, 'kernelSize', kernelSize, axes, 1))
    this.options = Object.freeze({ ...options })
  }

  protected override get face(): Face<[PerAxis, AvgPoolOptions]> {
    return avgPool[this.kernelSize.length as SpatialAxes]
  }

  protected override get args(): [PerAxis, AvgPoolOptions] {
    return [this.kernelSize, this.options]
  }
}

/** The mean of each window of `[N, C, L]`. PyTorch: `torch.nn.AvgPool1d`. */
export class AvgPool1d extends AvgPoolNd {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('nn.AvgPool1d', 1, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.AvgPool1d'
  }
}

/** The mean of each window of `[N, C, H, W]`. PyTorch: `torch.nn.AvgPool2d`. */
export class AvgPool2d extends AvgPoolNd {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('nn.AvgPool2d', 2, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.AvgPool2d'
  }
}

/** The mean of each window of `[N, C, D, H, W]`. PyTorch: `torch.nn.AvgPool3d`. */
export class AvgPool3d extends AvgPoolNd {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('nn.AvgPool3d', 3, kernelSize, options)
  }

  override get typeName(): string {
    return 'nn.AvgPool3d'
  }
}

/** What average poolings to a given size share. */
export abstract class AdaptiveAvgPoolNd extends PolymorphicModule<[OutputSize]> {
  readonly outputSize: readonly (number | null)[]

  constructor(op: string, axes: SpatialAxes, outputSize: OutputSize) {
    super()
    this.outputSize = checkOutputSize(op, outputSize, axes)
  }

  protected override get face(): Face<[OutputSize]> {
    return adaptiveAvgPool[this.outputSize.length as SpatialAxes]
  }

  protected override get args(): [OutputSize] {
    return [this.outputSize]
  }
}

/** Means over a grid of `outputSize` windows of `[N, C, L]`. PyTorch: `torch.nn.AdaptiveAvgPool1d`. */
export class AdaptiveAvgPool1d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveAvgPool1d', 1, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveAvgPool1d'
  }
}

/** Means over a grid of `outputSize` windows of `[N, C, H, W]`. PyTorch: `torch.nn.AdaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveAvgPool2d', 2, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveAvgPool2d'
  }
}

/** Means over a grid of `outputSize` windows of `[N, C, D, H, W]`. PyTorch: `torch.nn.AdaptiveAvgPool3d`. */
export class AdaptiveAvgPool3d extends AdaptiveAvgPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveAvgPool3d', 3, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveAvgPool3d'
  }
}

/** What max poolings to a given size share. */
export abstract class AdaptiveMaxPoolNd extends PolymorphicModule<[OutputSize]> {
  readonly outputSize: readonly (number | null)[]

  constructor(op: string, axes: SpatialAxes, outputSize: OutputSize) {
    super()
    this.outputSize = checkOutputSize(op, outputSize, axes)
  }

  protected override get face(): Face<[OutputSize]> {
    return adaptiveMaxPool[this.outputSize.length as SpatialAxes]
  }

  protected override get args(): [OutputSize] {
    return [this.outputSize]
  }
}

/** Maxima over a grid of `outputSize` windows of `[N, C, L]`. PyTorch: `torch.nn.AdaptiveMaxPool1d`. */
export class AdaptiveMaxPool1d extends AdaptiveMaxPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveMaxPool1d', 1, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveMaxPool1d'
  }
}

/** Maxima over a grid of `outputSize` windows of `[N, C, H, W]`. PyTorch: `torch.nn.AdaptiveMaxPool2d`. */
export class AdaptiveMaxPool2d extends AdaptiveMaxPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveMaxPool2d', 2, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveMaxPool2d'
  }
}

/** Maxima over a grid of `outputSize` windows of `[N, C, D, H, W]`. PyTorch: `torch.nn.AdaptiveMaxPool3d`. */
export class AdaptiveMaxPool3d extends AdaptiveMaxPoolNd {
  constructor(outputSize: OutputSize) {
    super('nn.AdaptiveMaxPool3d', 3, outputSize)
  }

  override get typeName(): string {
    return 'nn.AdaptiveMaxPool3d'
  }
}

/** One size per axis; null keeps the input's. */
function checkOutputSize(op: string, outputSize: OutputSize, axes: number): readonly (number | null)[] {
  if (!Array.isArray(outputSize)) return Object.freeze(readPerAxis(op, 'outputSize', outputSize, axes, 1))
  const sizes = outputSize as readonly (number | null)[]
  const numbers = readPerAxis(
    op,
    'outputSize',
    sizes.map((size) => size ?? 1),
    axes,
    1,
  )
  return Object.freeze(sizes.map((size, axis) => (size === null ? null : (numbers[axis] ?? 1))))
}
