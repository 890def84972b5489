/** Batch normalisation between codes. */
import { checkOptions } from '../../ops/options'
import * as Q from '../../ops/quantized'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { Tensor } from '../../tensor/tensor'
import * as float from '../batchnorm'
import type { BatchNormNd, BatchNormOptions } from '../batchnorm'
import * as intrinsic from '../intrinsic'
import type { Layer, StateSlot, StateValue } from '../module'
import { checkSource, observedDType, quantizedKeys, QuantizedModule, type QuantizedOptions } from './output'

/** Options of a quantized batch normalisation. */
export type QuantizedBatchNormOptions = BatchNormOptions & QuantizedOptions

/**
 * Dequantizes, normalises in float32 (numerics.md 7) and quantizes. It is what remains where no convolution stands before
 * the normalisation to fold it into.
 */
export abstract class QuantizedBatchNormNd extends QuantizedModule {
  /** The statistics, and the float layer that applies them; no child: its keys are this module's own. */
  private readonly norm: BatchNormNd

  constructor(op: string, norm: BatchNormNd, options: QuantizedOptions) {
    super(op, options)
    this.norm = norm
  }

  /** Number of channels. */
  get features(): number {
    return this.norm.features
  }

  override namedChildren(): [string, Layer][] {
    return []
  }

  override state(): Readonly<Record<string, StateSlot>> {
    return { ...this.norm.state(), ...super.state() }
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const setQParams = super.prepareLoad(values)
    const setStatistics = this.norm.prepareLoad(values)
    return () => {
      setStatistics()
      setQParams()
    }
  }

  /** Whether a ReLU follows. */
  protected readonly relu: boolean = false

  override forward(x: QTensor): QTensor {
    const op = this.relu ? Q.batchNormRelu : Q.batchNorm
    return op(...this.operands(x))
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    const op = this.relu ? Q.batchNormReluAsync : Q.batchNormAsync
    return op(...this.operands(x))
  }

  private operands(x: QTensor): [QTensor<QDType8>, Tensor, Tensor, Q.QuantizedBatchNormOptions] {
    this.checkCodes(x)
    this.checkDType(x)
    const { mean, variance, options } = this.norm.operands(x)
    return [x, mean, variance, { ...options, ...this.requireQParams() }]
  }

  /** Takes over a watched float layer: parameters of its output, statistics. */
  protected fill(source: BatchNormNd): this {
    this.adopt(source, source.activationPostProcess)
    this.norm.prepareLoad(stateOf(source))()
    return this
  }
}

function stateOf(module: Layer): Map<string, StateValue> {
  const values = new Map<string, StateValue>()
  for (const [key, { value }] of Object.entries(module.state())) if (value !== undefined) values.set(key, value)
  return values
}

function split(op: string, options: QuantizedBatchNormOptions): [BatchNormOptions, QuantizedOptions] {
  checkOptions(op, options, [...quantizedKeys, 'eps', 'affine'])
  const { dtype, ...norm } = options
  return [norm, dtype === undefined ? {} : { dtype }]
}

function optionsOf(source: BatchNormNd): QuantizedBatchNormOptions {
  const { eps, affine } = source
  return { eps, affine, dtype: observedDType(source, source.activationPostProcess) }
}

/** Batch normalisation of codes `[N, C, H, W]`. PyTorch: `torch.nn.quantized.BatchNorm2d`. */
export class BatchNorm2d extends QuantizedBatchNormNd {
  constructor(features: number, options: QuantizedBatchNormOptions = {}) {
    const op = 'nn.quantized.BatchNorm2d'
    const [norm, output] = split(op, options)
    super(op, new float.BatchNorm2d(features, norm), output)
  }

  override get typeName(): string {
    return 'nn.quantized.BatchNorm2d'
  }

  /** The layer of the same size, without statistics and output parameters: to load a state dict into. */
  static like(module: float.BatchNorm2d): BatchNorm2d {
    checkSource('nn.quantized.BatchNorm2d', module, 'nn.BatchNorm2d')
    return new BatchNorm2d(module.features, optionsOf(module))
  }

  /** The quantized form of a normalisation that calibration has watched. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: float.BatchNorm2d): BatchNorm2d {
    return BatchNorm2d.like(module).fill(module)
  }
}

/** Batch normalisation of codes `[N, C, D, H, W]`. PyTorch: `torch.nn.quantized.BatchNorm3d`. */
export class BatchNorm3d extends QuantizedBatchNormNd {
  constructor(features: number, options: QuantizedBatchNormOptions = {}) {
    const op = 'nn.quantized.BatchNorm3d'
    const [norm, output] = split(op, options)
    super(op, new float.BatchNorm3d(features, norm), output)
  }

  override get typeName(): string {
    return 'nn.quantized.BatchNorm3d'
  }

  /** The layer of the same size, without statistics and output parameters: to load a state dict into. */
  static like(module: float.BatchNorm3d): BatchNorm3d {
    checkSource('nn.quantized.BatchNorm3d', module, 'nn.BatchNorm3d')
    return new BatchNorm3d(module.features, optionsOf(module))
  }

  /** The quantized form of a normalisation that calibration has watched. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: float.BatchNorm3d): BatchNorm3d {
    return BatchNorm3d.like(module).fill(module)
  }
}

/** Batch normalisation, then ReLU, of codes `[N, C, H, W]`. PyTorch: `torch.nn.intrinsic.quantized.BNReLU2d`. */
export class BNReLU2d extends QuantizedBatchNormNd {
  constructor(features: number, options: QuantizedBatchNormOptions = {}) {
    const op = 'nn.quantized.BNReLU2d'
    const [norm, output] = split(op, options)
    super(op, new intrinsic.BNReLU2d(features, norm), output)
  }

  override get typeName(): string {
    return 'nn.quantized.BNReLU2d'
  }

  protected override readonly relu: boolean = true

  /** The layer of the same size, without statistics and output parameters: to load a state dict into. */
  static like(module: intrinsic.BNReLU2d): BNReLU2d {
    checkSource('nn.quantized.BNReLU2d', module, 'nn.intrinsic.BNReLU2d')
    return new BNReLU2d(module.features, optionsOf(module))
  }

  /** The quantized form of a normalisation that calibration has watched. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: intrinsic.BNReLU2d): BNReLU2d {
    return BNReLU2d.like(module).fill(module)
  }
}

/** Batch normalisation, then ReLU, of codes `[N, C, D, H, W]`. PyTorch: `torch.nn.intrinsic.quantized.BNReLU3d`. */
export class BNReLU3d extends QuantizedBatchNormNd {
  constructor(features: number, options: QuantizedBatchNormOptions = {}) {
    const op = 'nn.quantized.BNReLU3d'
    const [norm, output] = split(op, options)
    super(op, new intrinsic.BNReLU3d(features, norm), output)
  }

  override get typeName(): string {
    return 'nn.quantized.BNReLU3d'
  }

  protected override readonly relu: boolean = true

  /** The layer of the same size, without statistics and output parameters: to load a state dict into. */
  static like(module: intrinsic.BNReLU3d): BNReLU3d {
    checkSource('nn.quantized.BNReLU3d', module, 'nn.intrinsic.BNReLU3d')
    return new BNReLU3d(module.features, optionsOf(module))
  }

  /** The quantized form of a normalisation that calibration has watched. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: intrinsic.BNReLU3d): BNReLU3d {
    return BNReLU3d.like(module).fill(module)
  }
}
