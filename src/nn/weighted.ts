/** What float convolutions and linear layers share: a weight, a bias, and what calibration watches at their input. */
import { ArgumentError, DTypeError, ShapeError } from '../errors'
import type { Observer } from '../quantization/observers/observer'
import type { Shape } from '../tensor/shape'
import { isTensor, type Tensor } from '../tensor/tensor'
import { ObservableModule, type StateSlot, type StateValue } from './module'
import { describe, plainSlotCheck } from './state'

/** A float leaf with a weight and a bias for each output channel or none. */
export abstract class WeightedModule extends ObservableModule {
  /**
   * Watches the input during calibration: conversion raises the weight scale of a channel whose bias would otherwise
   * leave int32 (numerics.md 4), for which it has to know the input's scale.
   */
  inputObserver: Observer | undefined = undefined
  /** Shape that {@link weight} has to have. */
  readonly weightShape: Shape
  /** Whether the layer has a bias. */
  readonly hasBias: boolean
  private weightTensor: Tensor | undefined = undefined
  private biasTensor: Tensor | undefined = undefined

  /** Axis of the weight along which its scales may lie: that of the output channels, within a group. */
  readonly channelAxis: 0 | 1
  private readonly biasLength: number

  constructor(weightShape: Shape, hasBias: boolean, biasLength: number = weightShape[0] ?? 0, channelAxis: 0 | 1 = 0) {
    super()
    this.biasLength = biasLength
    this.channelAxis = channelAxis
    this.weightShape = Object.freeze([...weightShape])
    this.hasBias = hasBias
  }

  /** The weight, or undefined until one is set or loaded. */
  get weight(): Tensor | undefined {
    return this.weightTensor
  }

  set weight(value: Tensor | undefined) {
    this.refuse('weight', value, value === undefined ? undefined : this.checkWeight(value))
    this.weightTensor = value
    this.weightsChanged()
  }

  /** The bias, one per output channel; null for a layer without one, undefined until one is set or loaded. */
  get bias(): Tensor | null | undefined {
    return this.hasBias ? this.biasTensor : null
  }

  set bias(value: Tensor | null | undefined) {
    if (value === null || !this.hasBias) {
      const fits = !this.hasBias && (value === null || value === undefined)
      if (!fits)
        throw new ArgumentError({
          op: this.label(),
          argument: 'bias',
          expected: this.hasBias ? 'a Tensor' : 'null',
          received: describe(value),
          hint: `Whether a layer has a bias is decided when it is made: { bias: ${String(!this.hasBias)} }.`,
        })
      return
    }
    this.refuse('bias', value, value === undefined ? undefined : this.checkBias(value))
    this.biasTensor = value
    this.weightsChanged()
  }

  /** Weight and bias, once both are there. @throws ArgumentError while they are not */
  requireWeights(): { readonly weight: Tensor; readonly bias: Tensor | null } {
    const { weight, bias } = this
    if (weight === undefined || bias === undefined)
      throw new ArgumentError({
        op: this.label(),
        message: weight === undefined ? 'this layer has no weights yet' : 'this layer has no bias yet',
        hint:
          weight === undefined
            ? 'Load them by loadStateDict, or set its weight.'
            : 'Load it by loadStateDict, set its bias, or make the layer with { bias: false }.',
      })
    return { weight, bias }
  }

  /** Drops what was made of the weights. */
  protected abstract weightsChanged(): void

  override state(): Readonly<Record<string, StateSlot>> {
    return {
      weight: { kind: 'parameter', value: this.weightTensor, check: (value) => this.checkWeight(value) },
      ...(this.hasBias && {
        bias: { kind: 'parameter', value: this.biasTensor, check: (value: StateValue) => this.checkBias(value) },
      }),
    }
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const weight = values.get('weight')
    const bias = values.get('bias')
    return () => {
      if (weight !== undefined) this.weightTensor = weight as Tensor
      if (bias !== undefined) this.biasTensor = bias as Tensor
      this.weightsChanged()
    }
  }

  private checkWeight(value: StateValue): string | undefined {
    return plainSlotCheck(value, 'float32', this.weightShape)
  }

  private checkBias(value: StateValue): string | undefined {
    return plainSlotCheck(value, 'float32', [this.biasLength])
  }

  private refuse(argument: string, value: Tensor | undefined, fault: string | undefined): void {
    if (fault === undefined) return
    const issue = { op: this.label(), message: `${argument} ${fault}` }
    throw isFloat(value) ? new ShapeError(issue) : new DTypeError(issue)
  }
}

function isFloat(value: unknown): boolean {
  return isTensor(value) && value.dtype === 'float32'
}
