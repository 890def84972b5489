/** What can be wrong with a quantized layer, told from one of its elements and the tensors around it. */
import { clippedEnd } from '../../ops/quantized/warnings'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type { Tensor } from '../../tensor/tensor'
import type { ExplanationData, Operand } from './explanation'
import { number } from './text'

/** Names of faults. */
export type FaultCode =
  | 'OUTPUT_SCALE_UNSET'
  | 'OUTPUT_SATURATED'
  | 'OUTPUT_SCALE_TOO_LARGE'
  | 'WEIGHTS_ZERO'
  | 'WEIGHTS_CLIPPED'
  | 'WEIGHT_ZERO_POINT'
  | 'INPUT_CLIPPED'
  | 'INPUT_ZERO_POINT'
  | 'BIAS_CLIPPED'
  | 'WINDOW_IN_PADDING'

/** Something that makes the result differ from the float one by more than rounding, and the way out. */
export interface Fault {
  readonly code: FaultCode
  readonly message: string
  readonly hint: string
}

/** What faults are looked for in, beside the steps. */
export interface Context {
  readonly x: QTensor<QDType8>
  readonly weight: QTensor<QDType8>
  /** Whether the output's scale and zero point were given. */
  readonly scaleGiven: boolean
  /** Least and largest real value that the channel can reach with any input. */
  readonly reach: readonly [lo: number, hi: number]
  readonly originalX: Tensor | undefined
  readonly originalWeight: Tensor | undefined
}

const biasLimit = 2 ** 30

/** All faults of an element, worst first. */
export function findFaults(steps: Omit<ExplanationData, 'faults'>, context: Context): Fault[] {
  return [
    ...scaleUnset(steps, context),
    ...saturated(steps),
    ...tooLarge(steps, context),
    ...zeroWeights(steps),
    ...clipped('weight', context.weight, steps.weight, context.originalWeight),
    ...clipped('input', context.x, steps.input, context.originalX),
    ...biasClipped(steps),
    ...padding(steps),
  ]
}

function scaleUnset({ output }: Omit<ExplanationData, 'faults'>, { scaleGiven }: Context): Fault[] {
  if (output.scale !== 1 || output.zeroPoint !== 0) return []
  return [
    {
      code: 'OUTPUT_SCALE_UNSET',
      message:
        `the output has scale 1 and zero point 0${scaleGiven ? '' : ' (none were given)'}: ` +
        'what a layer has before anything has set it',
      hint: "Calibrate: an observer of the layer's output computes both from real data.",
    },
  ]
}

function saturated({ clamped, scaled, output, accumulator }: Omit<ExplanationData, 'faults'>): Fault[] {
  if (clamped !== 'range') return []
  const [min, max] = codeRange[output.dtype]
  const high = scaled > 0
  const end = high ? max : min
  const limit = (end - output.zeroPoint) * output.scale
  const span = high ? max - output.zeroPoint : min - output.zeroPoint
  const value = accumulator.real
  return [
    {
      code: 'OUTPUT_SATURATED',
      message:
        `the value is ${number(value)}, but with scale ${number(output.scale)} and zero point ` +
        `${String(output.zeroPoint)} ${output.dtype} ends at ${number(limit)}: the code is cut off at ${String(end)}`,
      hint:
        span === 0
          ? `With zero point ${String(output.zeroPoint)} there is no code ${high ? 'above' : 'below'} 0.0: take one inside the range.`
          : `This value needs a scale of at least ${number(value / span)}.`,
    },
  ]
}

function tooLarge({ output, op }: Omit<ExplanationData, 'faults'>, { reach: [lo, hi] }: Context): Fault[] {
  if (hi - lo >= output.scale || hi === lo) return []
  return [
    {
      code: 'OUTPUT_SCALE_TOO_LARGE',
      message:
        `whatever the input, this channel of ${op} stays between ${number(lo)} and ${number(hi)}: ` +
        `less than one step of the output, which is ${number(output.scale)}`,
      hint: `A scale of ${number((hi - lo) / 255)} would divide that range into 255 steps.`,
    },
  ]
}

function zeroWeights({ taps, weight }: Omit<ExplanationData, 'faults'>): Fault[] {
  if (taps.length === 0 || taps.some((tap) => tap.w !== weight.zeroPoint)) return []
  return [
    {
      code: 'WEIGHTS_ZERO',
      message: 'every weight of this output channel stands for 0.0, so the result is the bias alone',
      hint: 'If that is not meant, the weights never reached the layer: give them by setWeightBias, loadStateDict or fromFloat.',
    },
  ]
}

/** Codes cut off at an end of their type, and a zero point counted from the start of the other type. */
function clipped(
  what: 'weight' | 'input',
  q: QTensor<QDType8>,
  operand: Operand,
  original: Tensor | undefined,
): Fault[] {
  const { dtype, scale, zeroPoint } = operand
  const [min, max] = codeRange[dtype]
  const real = (code: number): string => number((code - zeroPoint) * scale)
  const faults: Fault[] = []
  const many = clippedEnd(q)
  const outside = original === undefined || q.qparams.kind === 'perChannel' ? 0 : countOutside(original, operand)
  if (many !== undefined || outside > 0) {
    const lost =
      outside > 0
        ? `${String(outside)} of ${String(q.size)} values lie outside of ${real(min)} … ${real(max)}, which is all that ` +
          `${dtype} holds with scale ${number(scale)} and zero point ${String(zeroPoint)}`
        : `${String(many?.count)} of ${String(q.size)} codes are ${String(many?.end)}, an end of ${dtype}: they stand for ${real(many?.end ?? 0)}, and were probably more`
    faults.push({
      code: what === 'weight' ? 'WEIGHTS_CLIPPED' : 'INPUT_CLIPPED',
      message: `the ${what} is clipped: ${lost}`,
      hint: `Take scale and zero point from an observer of the ${what}: its range then fits the codes.`,
    })
  }
  const shifted = countedFromOther(q)
  if (shifted !== undefined && zeroPoint !== 0 && (many !== undefined || outside > 0))
    faults.push({
      code: what === 'weight' ? 'WEIGHT_ZERO_POINT' : 'INPUT_ZERO_POINT',
      message:
        `the ${what}'s zero point ${String(zeroPoint)} looks as if it was counted from ${String(shifted.from)}, where ` +
        `${shifted.other} begins, but ${dtype} begins at ${String(min)}: no code is ${shifted.unused}, half of the range`,
      hint: `The formula is qmin - round(min / scale), with qmin ${String(min)} for ${dtype} and a range that includes 0${
        what === 'weight' ? '; a symmetric weight has zero point 0' : ''
      }.`,
    })
  return faults
}

/** How many values no code comes within half a step of. */
function countOutside(original: Tensor, { dtype, scale, zeroPoint }: Operand): number {
  const [min, max] = codeRange[dtype]
  const lo = (min - 0.5 - zeroPoint) * scale
  const hi = (max + 0.5 - zeroPoint) * scale
  let count = 0
  for (const value of original.data) if (value < lo || value > hi) count++
  return count
}

/** Whether the codes use only the half of their range that the other 8-bit type has too, and reach its end. */
function countedFromOther(q: QTensor<QDType8>): { from: number; other: QDType8; unused: string } | undefined {
  let least = Infinity
  let most = -Infinity
  for (const code of q.storage) {
    least = Math.min(least, code)
    most = Math.max(most, code)
  }
  if (q.dtype === 'qint8')
    return least >= 0 && most === 127 ? { from: 0, other: 'quint8', unused: 'below 0' } : undefined
  return most <= 127 && least === 0 ? { from: -128, other: 'qint8', unused: 'above 127' } : undefined
}

function biasClipped({ bias, input, weight }: Omit<ExplanationData, 'faults'>): Fault[] {
  if (Math.abs(bias.codes) <= biasLimit && Math.abs(bias.exact) <= biasLimit) return []
  return [
    {
      code: 'BIAS_CLIPPED',
      message:
        `the bias is ${number(bias.exact)} steps of the accumulator, which are sx*sw = ` +
        `${number(input.scale * weight.scale)} each: beyond or near the end of int32`,
      hint: 'The weight scale of this channel is too small for its bias; conversion from float raises such scales by itself.',
    },
  ]
}

function padding({ taps }: Omit<ExplanationData, 'faults'>): Fault[] {
  if (taps.length === 0 || taps.some((tap) => tap.xIndex !== undefined)) return []
  return [
    {
      code: 'WINDOW_IN_PADDING',
      message: 'the whole window lies in the padding, where x is 0.0, so the result is the bias alone',
      hint: 'The padding is larger than the kernel: make it smaller if such outputs are not meant.',
    },
  ]
}
