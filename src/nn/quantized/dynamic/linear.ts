/** Linear layers whose weights are codes and whose activations are quantized as they come, by their own range. */
import { checkBoolean, checkOptions } from '../../../ops/options'
import {
  linearDynamic,
  linearDynamicAsync,
  linearPrepack,
  linearReluDynamic,
  linearReluDynamicAsync,
  type Bias,
  type PackedLinear,
} from '../../../ops/quantized'
import { MinMaxObserver } from '../../../quantization/observers'
import type { Observer } from '../../../quantization/observers/observer'
import type { QDType8 } from '../../../tensor/dtype'
import type { QTensor } from '../../../tensor/qtensor'
import type { Shape } from '../../../tensor/shape'
import { checkTensor, type Tensor } from '../../../tensor/tensor'
import type * as intrinsic from '../../intrinsic'
import { linearConfig, type Linear as FloatLinear, type LinearModule } from '../../linear'
import { Module, type StateSlot, type StateValue } from '../../module'
import { checkSource } from '../output'
import { checkWeights, loadedWeights, notAssignable, noWeights, weightSlots } from '../packed-state'
import { quantizeWeight, weightObserver } from '../weights'

/** Options of dynamic linear layers. */
export interface DynamicLinearOptions {
  /** Quantize the input to 7 bits, as PyTorch's modules do for engines that saturate. @defaultValue false */
  readonly reduceRange?: boolean
}

/** A dynamic linear layer, plain or fused: float in, float out. */
export abstract class DynamicLinearModule extends Module {
  readonly inFeatures: number
  readonly outFeatures: number
  readonly reduceRange: boolean
  private packed: PackedLinear | undefined = undefined

  constructor(op: string, inFeatures: number, outFeatures: number, options: DynamicLinearOptions) {
    linearConfig(op, inFeatures, outFeatures, {}, [])
    checkOptions(op, options, ['reduceRange'])
    const { reduceRange = false } = options
    checkBoolean(op, 'options.reduceRange', reduceRange)
    super()
    this.inFeatures = inFeatures
    this.outFeatures = outFeatures
    this.reduceRange = reduceRange
  }

  /** The packed weights, which the functional ops take too. @throws ArgumentError while there are none */
  get packedParams(): PackedLinear {
    if (this.packed === undefined) throw noWeights(this.label())
    return this.packed
  }

  /**
   * Gives the layer its weights and packs them. PyTorch: `set_weight_bias`.
   *
   * @param weight - Codes (qint8 or quint8) `[outFeatures, inFeatures]`, per tensor or per channel along axis 0.
   * @param bias - float32 `[outFeatures]`, or null.
   * @throws OverflowError where an int32 sum could overflow for some input; ShapeError, DTypeError, ArgumentError
   */
  setWeightBias(weight: QTensor, bias: Tensor | null): void {
    checkWeights(this.label('setWeightBias'), this.weightShape, weight, bias)
    this.packed = this.pack(weight, bias)
  }

  /** A copy of the weight's codes. PyTorch: `weight()`. @throws ArgumentError while there are none, and where assigned */
  get weight(): QTensor {
    return this.packedParams.unpack().weight
  }

  set weight(_: QTensor) {
    throw notAssignable(this.label(), 'weight')
  }

  /** A copy of the bias, or null. PyTorch: `bias()`. @throws ArgumentError while there are no weights, and where assigned */
  get bias(): Bias {
    return this.packedParams.unpack().bias
  }

  set bias(_: Bias) {
    throw notAssignable(this.label(), 'bias')
  }

  override state(): Readonly<Record<string, StateSlot>> {
    return weightSlots(this.weightShape, this.packed)
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const loaded = loadedWeights(this.label('loadStateDict'), values, this.packed)
    const packed = loaded === undefined ? this.packed : this.pack(loaded.weight, loaded.bias)
    return () => {
      this.packed = packed
    }
  }

  private get weightShape(): Shape {
    return [this.outFeatures, this.inFeatures]
  }

  private pack(weight: QTensor<QDType8>, bias: Bias): PackedLinear {
    return linearPrepack(weight, bias, this.modulePath === undefined ? {} : { name: this.modulePath })
  }

  /** Refuses an input or a state that cannot run, and gives what to run with. */
  protected operands(x: Tensor): [Tensor, PackedLinear, { readonly reduceRange: boolean }] {
    checkTensor(this.label(), x, 'x')
    return [x, this.packedParams, { reduceRange: this.reduceRange }]
  }

  /** Takes over a float layer's weights. */
  protected fill(source: LinearModule): this {
    if (source.modulePath !== undefined) this.modulePath = source.modulePath
    const observer = source.qconfig === undefined || source.qconfig === null ? symmetric() : weightObserver(source)
    this.setWeightBias(quantizeWeight(source, observer, undefined), source.requireWeights().bias)
    return this
  }
}

/** PyTorch's choice for dynamic weights: one symmetric scale. */
function symmetric(): Observer {
  return new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })
}

/**
 * Linear layer on floats `[…, inFeatures]` with 8-bit weights. PyTorch: `torch.nn.quantized.dynamic.Linear`.
 *
 * The activations' scale is that of the whole input tensor, so a sample's result depends on what else is in its batch.
 */
export class Linear extends DynamicLinearModule {
  constructor(inFeatures: number, outFeatures: number, options: DynamicLinearOptions = {}) {
    super('nn.quantized.dynamic.Linear', inFeatures, outFeatures, options)
  }

  override get typeName(): string {
    return 'nn.quantized.dynamic.Linear'
  }

  override forward(x: Tensor): Tensor {
    return linearDynamic(...this.operands(x))
  }

  override async forwardAsync(x: Tensor): Promise<Tensor> {
    return linearDynamicAsync(...this.operands(x))
  }

  /** The layer of the same size, without weights: to load a state dict into. */
  static like(module: FloatLinear): Linear {
    checkSource('nn.quantized.dynamic.Linear', module, 'nn.Linear')
    return new Linear(module.inFeatures, module.outFeatures)
  }

  /** The dynamic form of a linear layer; weights by its qconfig, or symmetric qint8 with one scale. PyTorch: `from_float`. */
  static fromFloat(module: FloatLinear): Linear {
    return Linear.like(module).fill(module)
  }
}

/** Dynamic linear layer and ReLU in one. PyTorch: `torch.nn.intrinsic.quantized.dynamic.LinearReLU`. */
export class LinearReLU extends DynamicLinearModule {
  constructor(inFeatures: number, outFeatures: number, options: DynamicLinearOptions = {}) {
    super('nn.quantized.dynamic.LinearReLU', inFeatures, outFeatures, options)
  }

  override get typeName(): string {
    return 'nn.quantized.dynamic.LinearReLU'
  }

  override forward(x: Tensor): Tensor {
    return linearReluDynamic(...this.operands(x))
  }

  override async forwardAsync(x: Tensor): Promise<Tensor> {
    return linearReluDynamicAsync(...this.operands(x))
  }

  /** The layer of the same size, without weights: to load a state dict into. */
  static like(module: intrinsic.LinearReLU): LinearReLU {
    checkSource('nn.quantized.dynamic.LinearReLU', module, 'nn.intrinsic.LinearReLU')
    return new LinearReLU(module.inFeatures, module.outFeatures)
  }

  /** The dynamic form of a fused linear layer. PyTorch: `from_float`. */
  static fromFloat(module: intrinsic.LinearReLU): LinearReLU {
    return LinearReLU.like(module).fill(module)
  }
}
