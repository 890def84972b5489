/** Quantized linear layers. */
import * as Q from '../../ops/quantized'
import type { Bias, PackedLinear } from '../../ops/quantized'
import { checkOptions } from '../../ops/options'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type * as intrinsic from '../intrinsic'
import { linearConfig, type Linear as FloatLinear, type LinearModule } from '../linear'
import { checkSource, observedDType, quantizedKeys, type QuantizedOptions } from './output'
import { PackedModule } from './packed'

/** A quantized linear layer, plain or fused. */
export abstract class QuantizedLinearModule extends PackedModule<PackedLinear> {
  readonly inFeatures: number
  readonly outFeatures: number

  constructor(op: string, inFeatures: number, outFeatures: number, options: QuantizedOptions) {
    linearConfig(op, inFeatures, outFeatures, {}, [])
    checkOptions(op, options, quantizedKeys)
    super(op, [outFeatures, inFeatures], options)
    this.inFeatures = inFeatures
    this.outFeatures = outFeatures
  }

  protected override pack(weight: QTensor<QDType8>, bias: Bias): PackedLinear {
    return Q.linearPrepack(weight, bias, this.named)
  }
}

function optionsOf(source: LinearModule): QuantizedOptions {
  return { dtype: observedDType(source, source.activationPostProcess) }
}

/** Linear layer on codes `[…, inFeatures]`. PyTorch: `torch.nn.quantized.Linear`. */
export class Linear extends QuantizedLinearModule {
  constructor(inFeatures: number, outFeatures: number, options: QuantizedOptions = {}) {
    super('nn.quantized.Linear', inFeatures, outFeatures, options)
  }

  override get typeName(): string {
    return 'nn.quantized.Linear'
  }

  override forward(x: QTensor): QTensor {
    this.checkCodes(x)
    const { scale, zeroPoint } = this.requireQParams()
    return Q.linear(x, this.requirePacked(), scale, zeroPoint, { dtype: this.dtype })
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    this.checkCodes(x)
    const { scale, zeroPoint } = this.requireQParams()
    return Q.linearAsync(x, this.requirePacked(), scale, zeroPoint, { dtype: this.dtype })
  }

  /** The layer of the same size, without weights and output parameters: to load a state dict into. */
  static like(module: FloatLinear): Linear {
    checkSource('nn.quantized.Linear', module, 'nn.Linear')
    return new Linear(module.inFeatures, module.outFeatures, optionsOf(module))
  }

  /**
   * The quantized form of a linear layer that calibration has watched. PyTorch: `from_float`.
   *
   * @throws NotCalibratedError where its observer has seen nothing; ArgumentError for a module of another class
   */
  static fromFloat(module: FloatLinear): Linear {
    return Linear.like(module).fill(module)
  }
}

/** Linear layer and ReLU in one. PyTorch: `torch.nn.intrinsic.quantized.LinearReLU`. */
export class LinearReLU extends QuantizedLinearModule {
  constructor(inFeatures: number, outFeatures: number, options: QuantizedOptions = {}) {
    super('nn.quantized.LinearReLU', inFeatures, outFeatures, options)
  }

  override get typeName(): string {
    return 'nn.quantized.LinearReLU'
  }

  override forward(x: QTensor): QTensor {
    this.checkCodes(x)
    const { scale, zeroPoint } = this.requireQParams()
    return Q.linearRelu(x, this.requirePacked(), scale, zeroPoint, { dtype: this.dtype })
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    this.checkCodes(x)
    const { scale, zeroPoint } = this.requireQParams()
    return Q.linearReluAsync(x, this.requirePacked(), scale, zeroPoint, { dtype: this.dtype })
  }

  /** The layer of the same size, without weights and output parameters: to load a state dict into. */
  static like(module: intrinsic.LinearReLU): LinearReLU {
    checkSource('nn.quantized.LinearReLU', module, 'nn.intrinsic.LinearReLU')
    return new LinearReLU(module.inFeatures, module.outFeatures, optionsOf(module))
  }

  /** The quantized form of a fused linear layer that calibration has watched. PyTorch: `from_float`. */
  static fromFloat(module: intrinsic.LinearReLU): LinearReLU {
    return LinearReLU.like(module).fill(module)
  }
}
