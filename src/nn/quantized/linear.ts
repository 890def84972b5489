/** Quantized linear layers. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { linearPrepack, type Bias, type PackedLinear } from '../../ops/quantized'
import { none, relu, type Activation } from '../../ops/quantized/params'
import { linearSteps } from '../../ops/quantized/run'
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
    return linearPrepack(weight, bias, this.named)
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
    return linearSteps(this.label(), x, packed, out, this.activation)
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

  protected override get activation(): Activation {
    return relu
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
