/** What quantized convolutions and linear layers share: weights that live packed, and an output with its parameters. */
import type { Bias } from '../../ops/quantized'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { Shape } from '../../tensor/shape'
import type { StateSlot, StateValue } from '../module'
import type { WeightedModule } from '../weighted'
import { QuantizedModule, type QuantizedOptions } from './output'
import { checkWeights, loadedWeights, notAssignable, noWeights, weightSlots, type Packed } from './packed-state'
import { observedInputScale, quantizeWeight, weightObserver } from './weights'

/** A quantized layer with packed weights. */
export abstract class PackedModule<P extends Packed> extends QuantizedModule {
  /** Shape of the weight. */
  readonly weightShape: Shape
  private packed: P | undefined = undefined

  private readonly biasLength: number

  constructor(op: string, weightShape: Shape, options: QuantizedOptions, biasLength: number = weightShape[0] ?? 0) {
    super(op, options)
    this.biasLength = biasLength
    this.weightShape = Object.freeze([...weightShape])
  }

  /** Packs checked weights. */
  protected abstract pack(weight: QTensor<QDType8>, bias: Bias): P

  /** The packed weights, which the functional ops take too. @throws ArgumentError while there are none */
  get packedParams(): P {
    if (this.packed === undefined) throw noWeights(this.label())
    return this.packed
  }

  /**
   * Gives the layer its weights and packs them. PyTorch: `set_weight_bias`.
   *
   * @param weight - Codes (qint8 or quint8), per tensor or per output channel (axis 0; of a transposed convolution 1), of
   *   the layer's weight shape.
   * @param bias - float32, one per output channel; or int32, taken as it is, at scale sx*sw; null for none.
   * @throws OverflowError where an int32 sum could overflow for some input; ShapeError, DTypeError, ArgumentError
   */
  setWeightBias(weight: QTensor, bias: Bias): void {
    checkWeights(this.label('setWeightBias'), this.weightShape, weight, bias, this.biasLength)
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

  /** The option that names the layer in the warnings and errors of packing. */
  protected get named(): { readonly name?: string } {
    return this.modulePath === undefined || this.modulePath === '' ? {} : { name: this.modulePath }
  }

  override state(): Readonly<Record<string, StateSlot>> {
    return { ...weightSlots(this.weightShape, this.packed, this.biasLength), ...super.state() }
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const setQParams = super.prepareLoad(values)
    const loaded = loadedWeights(this.label('loadStateDict'), values, this.packed)
    const packed = loaded === undefined ? this.packed : this.pack(loaded.weight, loaded.bias)
    return () => {
      this.packed = packed
      setQParams()
    }
  }

  /** Takes over a watched float layer: parameters of its output, quantized weight, bias. */
  protected fill(source: WeightedModule): this {
    this.adopt(source, source.activationPostProcess)
    const weight = quantizeWeight(source, weightObserver(source), observedInputScale(source))
    this.setWeightBias(weight, source.requireWeights().bias)
    return this
  }
}
