/** Float transposed convolutions. */
import { runAsync, runSync, type Steps } from '../backend/steps'
import { ShapeError, show } from '../errors'
import { packConvTranspose, packedConvTransposeSteps, type FloatPackedConvTranspose } from '../ops/float/convTranspose'
import { checkBoolean, checkOptions, checkWhole, readPerAxis, type PerAxis } from '../ops/options'
import type { SpatialAxes } from '../ops/shapes/axes'
import {
  convTransposeKeys,
  readConvTranspose,
  type ConvTransposeOptions as GeometryOptions,
} from '../ops/shapes/convTranspose'
import { checkTensor, type Tensor } from '../tensor/tensor'
import { WeightedModule } from './weighted'

/** Options of a transposed convolution layer; PyTorch's keyword arguments. */
export interface ConvTransposeOptions extends GeometryOptions {
  /** Whether it has a bias. @defaultValue true */
  readonly bias?: boolean
}

/** A transposed convolution's numbers, as float and quantized layers keep them. */
export interface ConvTransposeConfig {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  /** stride, padding, outputPadding, dilation, groups as given, and whether there is a bias. */
  readonly options: ConvTransposeOptions
}

/** Checks the arguments of a transposed convolution layer's constructor. */
export function convTransposeConfig(
  op: string,
  axes: SpatialAxes,
  inChannels: number,
  outChannels: number,
  kernelSize: PerAxis,
  options: ConvTransposeOptions,
  keys: readonly string[] = ['bias'],
): ConvTransposeConfig {
  checkOptions(op, options, [...convTransposeKeys, ...keys])
  checkWhole(op, 'inChannels', inChannels, 1)
  checkWhole(op, 'outChannels', outChannels, 1)
  const { groups = 1, bias = true } = options
  checkWhole(op, 'options.groups', groups, 1)
  checkBoolean(op, 'options.bias', bias)
  if (outChannels % groups !== 0)
    throw new ShapeError({
      op,
      argument: 'outChannels',
      expected: `a multiple of groups (${String(groups)})`,
      received: show(outChannels),
    })
  const config: ConvTransposeConfig = {
    inChannels,
    outChannels,
    kernelSize: Object.freeze(readPerAxis(op, 'kernelSize', kernelSize, axes, 1)),
    options: Object.freeze({ ...geometryOf(options), groups, bias }),
  }
  readConvTranspose(op, convTransposeWeightShape(config), axes, convTransposeGeometryOf(config))
  return config
}

/** Shape of the weight: `[inChannels, outChannels / groups, …kernelSize]`. */
export function convTransposeWeightShape(config: ConvTransposeConfig): readonly number[] {
  return [config.inChannels, config.outChannels / (config.options.groups ?? 1), ...config.kernelSize]
}

/** The options that the functional ops take: all but `bias`. */
export function convTransposeGeometryOf({ options }: ConvTransposeConfig): GeometryOptions {
  return geometryOf(options)
}

function geometryOf(options: ConvTransposeOptions): GeometryOptions {
  return Object.fromEntries(
    convTransposeKeys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  )
}

/** A float transposed convolution over 1, 2 or 3 spatial axes. */
export abstract class ConvTransposeNd extends WeightedModule implements ConvTransposeConfig {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly options: ConvTransposeOptions
  private packed: FloatPackedConvTranspose | undefined = undefined

  constructor(config: ConvTransposeConfig) {
    super(convTransposeWeightShape(config), config.options.bias ?? true, config.outChannels, 1)
    this.inChannels = config.inChannels
    this.outChannels = config.outChannels
    this.kernelSize = config.kernelSize
    this.options = config.options
  }

  /** Number of spatial axes. */
  get spatialAxes(): SpatialAxes {
    return this.kernelSize.length as SpatialAxes
  }

  protected override weightsChanged(): void {
    this.packed = undefined
  }

  protected override compute(x: Tensor): Tensor {
    return runSync(this.steps(x))
  }

  protected override async computeAsync(x: Tensor): Promise<Tensor> {
    return runAsync(this.steps(x))
  }

  private steps(x: Tensor): Steps<Tensor> {
    const { weight, bias } = this.requireWeights()
    const op = this.label()
    this.packed ??= packConvTranspose(op, weight, bias, this.spatialAxes, convTransposeGeometryOf(this))
    checkTensor(op, x, 'x')
    this.inputObserver?.forward(x)
    return packedConvTransposeSteps(op, x, this.packed)
  }
}

/**
 * Transposed convolution over a sequence: x `[N, inChannels, L]`. PyTorch: `torch.nn.ConvTranspose1d`.
 */
export class ConvTranspose1d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(convTransposeConfig('nn.ConvTranspose1d', 1, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.ConvTranspose1d'
  }
}

/**
 * Transposed convolution over an image: x `[N, inChannels, H, W]`, weight
 * `[inChannels, outChannels / groups, kh, kw]`. PyTorch: `torch.nn.ConvTranspose2d`.
 *
 * @example
 * new nn.ConvTranspose2d(64, 32, 2, { stride: 2 })
 */
export class ConvTranspose2d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(convTransposeConfig('nn.ConvTranspose2d', 2, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.ConvTranspose2d'
  }
}

/**
 * Transposed convolution over a volume: x `[N, inChannels, D, H, W]`. PyTorch: `torch.nn.ConvTranspose3d`.
 */
export class ConvTranspose3d extends ConvTransposeNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeOptions = {}) {
    super(convTransposeConfig('nn.ConvTranspose3d', 3, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.ConvTranspose3d'
  }
}
