/** Float convolutions. */
import { runAsync, runSync, type Steps } from '../backend/steps'
import { packedConvSteps } from '../ops/float/conv'
import { packConv, type FloatPackedConv } from '../ops/float/packed'
import { checkBoolean, checkOptions, checkWhole, readPerAxis, type PerAxis } from '../ops/options'
import { convOptionKeys, readConv, type ConvOptions as ConvGeometryOptions } from '../ops/shapes/conv'
import type { SpatialAxes } from '../ops/shapes/axes'
import { ShapeError, show } from '../errors'
import { checkTensor, type Tensor } from '../tensor/tensor'
import { WeightedModule } from './weighted'

/** Options of a convolution layer; PyTorch's keyword arguments. */
export interface ConvOptions extends ConvGeometryOptions {
  /** Whether it has a bias. @defaultValue true */
  readonly bias?: boolean
}

/** A convolution's numbers, as layers of every kind (float, fused, quantized) keep them. */
export interface ConvConfig {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  /** stride, padding, dilation, groups as given, and whether there is a bias. */
  readonly options: ConvOptions
}

/** Checks the arguments of a convolution layer's constructor. */
export function convConfig(
  op: string,
  axes: SpatialAxes,
  inChannels: number,
  outChannels: number,
  kernelSize: PerAxis,
  options: ConvOptions,
  keys: readonly string[] = ['bias'],
): ConvConfig {
  checkOptions(op, options, [...convOptionKeys, ...keys])
  checkWhole(op, 'inChannels', inChannels, 1)
  checkWhole(op, 'outChannels', outChannels, 1)
  const { groups = 1, bias = true } = options
  checkWhole(op, 'options.groups', groups, 1)
  checkBoolean(op, 'options.bias', bias)
  for (const [argument, channels] of [
    ['inChannels', inChannels],
    ['outChannels', outChannels],
  ] as const)
    if (channels % groups !== 0)
      throw new ShapeError({
        op,
        argument,
        expected: `a multiple of groups (${String(groups)})`,
        received: show(channels),
      })
  const config: ConvConfig = {
    inChannels,
    outChannels,
    kernelSize: Object.freeze(readPerAxis(op, 'kernelSize', kernelSize, axes, 1)),
    options: Object.freeze({ ...geometryOf(options), groups, bias }),
  }
  readConv(op, convWeightShape(config), axes, convGeometry(config))
  return config
}

/** Shape of a convolution's weight: `[outChannels, inChannels / groups, …kernelSize]`. */
export function convWeightShape({ inChannels, outChannels, kernelSize, options }: ConvConfig): readonly number[] {
  return [outChannels, inChannels / (options.groups ?? 1), ...kernelSize]
}

/** The options that the functional ops take: all but `bias`. */
export function convGeometry({ options }: ConvConfig): ConvGeometryOptions {
  return geometryOf(options)
}

function geometryOf(options: ConvOptions): ConvGeometryOptions {
  return Object.fromEntries(
    convOptionKeys.filter((key) => options[key] !== undefined).map((key) => [key, options[key]]),
  )
}

/** A float convolution over 1, 2 or 3 spatial axes. */
export abstract class ConvNd extends WeightedModule implements ConvConfig {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: readonly number[]
  readonly options: ConvOptions
  private packed: FloatPackedConv | undefined = undefined

  constructor(config: ConvConfig) {
    super(convWeightShape(config), config.options.bias ?? true)
    this.inChannels = config.inChannels
    this.outChannels = config.outChannels
    this.kernelSize = config.kernelSize
    this.options = config.options
  }

  /** Number of spatial axes. */
  get spatialAxes(): SpatialAxes {
    return this.kernelSize.length as SpatialAxes
  }

  /** Bounds that a fused activation clamps the result to. */
  protected get bounds(): readonly [lo: number, hi: number] {
    return [-Infinity, Infinity]
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
    this.packed ??= packConv(op, weight, bias, this.spatialAxes, convGeometry(this))
    checkTensor(op, x, 'x')
    this.inputObserver?.forward(x)
    return packedConvSteps(op, x, this.packed, ...this.bounds)
  }
}

/**
 * Convolution over a sequence: x `[N, inChannels, L]`. PyTorch: `torch.nn.Conv1d`.
 *
 * @example
 * new nn.Conv1d(8, 16, 3, { padding: 1 })
 */
export class Conv1d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.Conv1d', 1, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.Conv1d'
  }
}

/**
 * Convolution over an image: x `[N, inChannels, H, W]`, weight `[outChannels, inChannels / groups, kh, kw]`. The result is
 * channels-last. PyTorch: `torch.nn.Conv2d`.
 *
 * @example
 * new nn.Conv2d(3, 16, 3, { stride: 2, padding: 1, bias: false })
 */
export class Conv2d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.Conv2d', 2, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.Conv2d'
  }
}

/** Convolution over a volume: x `[N, inChannels, D, H, W]`. PyTorch: `torch.nn.Conv3d`. */
export class Conv3d extends ConvNd {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvOptions = {}) {
    super(convConfig('nn.Conv3d', 3, inChannels, outChannels, kernelSize, options))
  }

  override get typeName(): string {
    return 'nn.Conv3d'
  }
}
