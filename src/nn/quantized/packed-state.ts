/** Checks, state and messages of packed weights, for layers that hold some. */
import { ArgumentError, FormatError, ShapeError } from '../../errors'
import type { Bias } from '../../ops/quantized'
import type { QDType8 } from '../../tensor/dtype'
import { checkQTensor, isQTensor, type QTensor } from '../../tensor/qtensor'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { isTensor } from '../../tensor/tensor'
import type { StateSlot, StateValue } from '../module'
import { describe, plainSlotCheck } from '../state'

/** Weight and bias in the form that kernels read. */
export interface Packed {
  unpack(): { readonly weight: QTensor<QDType8>; readonly bias: Bias }
}

const weightTypes = ['qint8', 'quint8'] as const

/** Refuses a weight or a bias that a layer of this weight shape cannot take. */
export function checkWeights(
  op: string,
  shape: Shape,
  weight: QTensor,
  bias: Bias,
  channels: number = shape[0] ?? 0,
): asserts weight is QTensor<QDType8> {
  checkQTensor(op, weight, 'weight', weightTypes)
  const weightFault = checkWeight(weight, shape)
  if (weightFault !== undefined) throw new ShapeError({ op, message: `weight ${weightFault}` })
  const biasFault = bias === null ? undefined : checkBias(bias, channels)
  if (biasFault !== undefined) throw new ArgumentError({ op, message: `bias ${biasFault}` })
}

/** The slots `weight` and `bias`. */
export function weightSlots(
  shape: Shape,
  packed: Packed | undefined,
  channels: number = shape[0] ?? 0,
): Record<'weight' | 'bias', StateSlot> {
  return {
    weight: {
      kind: 'parameter',
      get value() {
        return packed?.unpack().weight
      },
      check: (value) => checkWeight(value, shape),
    },
    bias: {
      kind: 'parameter',
      get value() {
        return packed?.unpack().bias ?? undefined
      },
      optional: true,
      check: (value) => checkBias(value, channels),
    },
  }
}

/**
 * What a layer packs after loading these values; nothing where they change nothing. A dict with a weight replaces weight
 * and bias: one without a bias means none.
 */
export function loadedWeights(
  op: string,
  values: ReadonlyMap<string, StateValue>,
  packed: Packed | undefined,
): { readonly weight: QTensor<QDType8>; readonly bias: Bias } | undefined {
  const given = values.get('weight')
  const bias = values.get('bias')
  if (given === undefined && bias === undefined) return undefined
  const weight = isQTensor(given) ? (given as QTensor<QDType8>) : packed?.unpack().weight
  if (weight === undefined)
    throw new FormatError({ op, message: 'the state dict has a bias, but no weight to go with it' })
  return { weight, bias: isTensor(bias) ? (bias as NonNullable<Bias>) : null }
}

function checkWeight(value: StateValue, shape: Shape): string | undefined {
  if (isQTensor(value) && value.dtype !== 'qint32' && sameShape(value.shape, shape)) return undefined
  return `must be a QTensor of ${weightTypes.join(' or ')} of shape ${shapeText(shape)}, but got ${describe(value)}`
}

function checkBias(value: StateValue, channels: number): string | undefined {
  if (plainSlotCheck(value, 'int32', [channels]) === undefined) return undefined
  return plainSlotCheck(value, 'float32', [channels])
}

/** The error of a layer that has no weights yet. */
export function noWeights(op: string): ArgumentError {
  return new ArgumentError({
    op,
    message: 'this layer has no weights yet',
    hint: 'Give it some by setWeightBias or loadStateDict, or make the layer by fromFloat.',
  })
}

/** The error of an assignment to a layer's weight or bias. */
export function notAssignable(op: string, field: string): ArgumentError {
  return new ArgumentError({
    op,
    message: `${field} cannot be assigned: the layer computes with packed weights, which an assignment would not reach`,
    hint: 'Use setWeightBias(weight, bias), or make the layer by fromFloat.',
  })
}
