/** What quantized convolutions and linear layers share: weights that live packed, and an output with its parameters. */
import { ArgumentError, FormatError } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import { checkQTensor, isQTensor, type QTensor } from '../../tensor/qtensor'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { isTensor } from '../../tensor/tensor'
import type { Bias } from '../../ops/quantized'
import type { StateSlot, StateValue } from '../module'
import { describe, plainSlotCheck } from '../state'
import type { WeightedModule } from '../weighted'
import { QuantizedModule, type QuantizedOptions } from './output'
import { observedInputScale, quantizeWeight, weightObserver } from './weights'

/** Weight and bias in the form that kernels read. */
export interface Packed {
  unpack(): { readonly weight: QTensor<QDType8>; readonly bias: Bias }
}

const weightTypes = ['qint8', 'quint8'] as const

/** A quantized layer with packed weights. */
export abstract class PackedModule<P extends Packed> extends QuantizedModule {
  /** Shape of the weight. */
  readonly weightShape: Shape
  private packed: P | undefined = undefined

  constructor(op: string, weightShape: Shape, options: QuantizedOptions) {
    super(op, options)
    this.weightShape = Object.freeze([...weightShape])
  }

  /** Packs checked weights. */
  protected abstract pack(weight: QTensor<QDType8>, bias: Bias): P

  /** The packed weights. @throws ArgumentError while there are none */
  protected requirePacked(): P {
    if (this.packed === undefined)
      throw new ArgumentError({
        op: this.label(),
        message: 'this layer has no weights yet',
        hint: 'Give it some by setWeightBias, by loadStateDict, or make the layer by fromFloat.',
      })
    return this.packed
  }

  /**
   * Gives the layer its weights and packs them. PyTorch: `set_weight_bias`.
   *
   * @param weight - Codes (qint8 or quint8), per tensor or per channel along axis 0, of the layer's weight shape.
   * @param bias - float32, one per output channel; or int32, taken as it is, at scale sx*sw; null for none.
   * @throws OverflowError where an int32 sum could overflow for some input; ShapeError, DTypeError
   */
  setWeightBias(weight: QTensor, bias: Bias): void {
    const op = this.label('setWeightBias')
    checkQTensor(op, weight, 'weight', weightTypes)
    const fault = this.checkWeight(weight, 'weight ') ?? (bias === null ? undefined : this.checkBias(bias, 'bias '))
    if (fault !== undefined) throw new ArgumentError({ op, message: fault })
    this.packed = this.pack(weight, bias)
  }

  /** The weight: codes, as they were given. PyTorch: `weight()`. @throws ArgumentError while there is none */
  get weight(): QTensor {
    return this.requirePacked().unpack().weight
  }

  set weight(_: QTensor) {
    throw this.readonly('weight')
  }

  /** The bias, or null. PyTorch: `bias()`. @throws ArgumentError while there are no weights */
  get bias(): Bias {
    return this.requirePacked().unpack().bias
  }

  set bias(_: Bias) {
    throw this.readonly('bias')
  }

  private readonly(field: string): ArgumentError {
    return new ArgumentError({
      op: this.label(),
      message: `${field} cannot be assigned: the layer computes with packed weights, which an assignment would not reach`,
      hint: 'Use setWeightBias(weight, bias), or make the layer by fromFloat.',
    })
  }

  /** The option that names the layer in the warnings and errors of packing. */
  protected get named(): { readonly name?: string } {
    return this.modulePath === undefined || this.modulePath === '' ? {} : { name: this.modulePath }
  }

  override state(): Readonly<Record<string, StateSlot>> {
    const { packed } = this
    return {
      weight: {
        kind: 'parameter',
        get value() {
          return packed?.unpack().weight
        },
        check: (value) => this.checkWeight(value),
      },
      bias: {
        kind: 'parameter',
        get value() {
          return packed?.unpack().bias ?? undefined
        },
        optional: true,
        check: (value) => this.checkBias(value),
      },
      ...super.state(),
    }
  }

  /** A dict with a weight replaces weight and bias: one without a bias means none. */
  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const setQParams = super.prepareLoad(values)
    const given = values.get('weight')
    const bias = values.get('bias')
    const weight = isQTensor(given) ? (given as QTensor<QDType8>) : this.packed?.unpack().weight
    if (bias !== undefined && weight === undefined)
      throw new FormatError({ op: this.label('loadStateDict'), message: 'the state dict has a bias but no weight' })
    const changed = given !== undefined || bias !== undefined
    const packed =
      changed && weight !== undefined
        ? this.pack(weight, isTensor(bias) ? (bias as NonNullable<Bias>) : null)
        : this.packed
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

  private checkWeight(value: StateValue, subject = ''): string | undefined {
    if (isQTensor(value) && value.dtype !== 'qint32' && sameShape(value.shape, this.weightShape)) return undefined
    return `${subject}must be a QTensor of ${weightTypes.join(' or ')} of shape ${shapeText(this.weightShape)}, but got ${describe(value)}`
  }

  private checkBias(value: StateValue, subject = ''): string | undefined {
    const shape = [this.weightShape[0] ?? 0]
    if (plainSlotCheck(value, 'int32', shape) === undefined) return undefined
    const fault = plainSlotCheck(value, 'float32', shape)
    return fault === undefined ? undefined : `${subject}${fault}`
  }
}
