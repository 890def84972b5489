/** What an observer is made for: dtype, scheme, range of codes, least scale. */
import { ArgumentError, QParamsError, show } from '../../errors'
import { checkBoolean } from '../../ops/options'
import { checkQDType, codeRange, type QDType } from '../../tensor/dtype'
import { checkScale } from '../../tensor/qparams'

/**
 * How a range becomes a scale and a zero point. PyTorch: `torch.per_tensor_affine` and so on;
 * `perChannelAffineFloatQParams` (zero points that are not whole) is what embeddings use.
 */
export type ObserverScheme =
  'perTensorAffine' | 'perTensorSymmetric' | 'perChannelAffine' | 'perChannelSymmetric' | 'perChannelAffineFloatQParams'

/** Options of every observer that computes parameters from data. */
export interface ObserverOptions {
  /** @defaultValue 'quint8' */
  readonly dtype?: QDType
  /** @defaultValue 'perTensorAffine'; per channel observers: 'perChannelAffine' */
  readonly qscheme?: ObserverScheme
  /** Use half of the codes (7 bits). @defaultValue false */
  readonly reduceRange?: boolean
  /** Least code, at most 0; only together with `quantMax`. @defaultValue the dtype's */
  readonly quantMin?: number
  /** Largest code, at least 0. @defaultValue the dtype's */
  readonly quantMax?: number
  /** Least scale: what a range of 0 gives. @defaultValue 2^-23 */
  readonly eps?: number
}

/** The settings of an observer, all checked. */
export interface Settings {
  readonly dtype: QDType
  readonly qscheme: ObserverScheme
  readonly quantMin: number
  readonly quantMax: number
  readonly eps: number
  /** Zero point of the symmetric schemes. */
  readonly symmetricZeroPoint: number
}

/** Names of {@link ObserverOptions}. */
export const observerOptionNames: readonly string[] = ['dtype', 'qscheme', 'reduceRange', 'quantMin', 'quantMax', 'eps']

/** PyTorch's default least scale: `torch.finfo(torch.float32).eps`. */
export const defaultEps: number = 2 ** -23

/** Checks the options and computes the range of codes, as PyTorch does. */
export function resolveSettings(
  op: string,
  options: ObserverOptions,
  schemes: readonly ObserverScheme[],
  dtypes: readonly QDType[] = ['quint8', 'qint8', 'qint32'],
): Settings {
  const { dtype = 'quint8', qscheme = schemes[0] ?? 'perTensorAffine', reduceRange = false } = options
  checkQDType(op, dtype, dtypes)
  if (!schemes.includes(qscheme))
    throw new ArgumentError({ op, argument: 'options.qscheme', expected: schemes.join(', '), received: show(qscheme) })
  checkBoolean(op, 'options.reduceRange', reduceRange)
  const symmetric = qscheme === 'perTensorSymmetric' || qscheme === 'perChannelSymmetric'
  if (reduceRange && dtype === 'qint32')
    throw new ArgumentError({ op, argument: 'options.reduceRange', expected: 'false for qint32', received: 'true' })
  if (reduceRange && symmetric && dtype === 'quint8')
    throw new ArgumentError({
      op,
      argument: 'options.reduceRange',
      expected: 'false for a symmetric quint8 range',
      received: 'true',
      hint: "Its zero point, 128, does not lie in 0..127: use dtype 'qint8', or an affine scheme.",
    })
  const given = givenRange(op, options, dtype)
  const [min, max] = given ?? codeRange[dtype]
  const [quantMin, quantMax] = reduceRange ? [Math.floor(min / 2), Math.floor(max / 2)] : [min, max]
  const eps = checkScale(op, options.eps ?? defaultEps, 'options.eps')
  const middle = given === undefined ? 128 : Math.floor((quantMin + quantMax) / 2)
  return { dtype, qscheme, quantMin, quantMax, eps, symmetricZeroPoint: dtype === 'quint8' ? middle : 0 }
}

function givenRange(op: string, options: ObserverOptions, dtype: QDType): readonly [number, number] | undefined {
  const { quantMin, quantMax } = options
  if (quantMin === undefined && quantMax === undefined) return undefined
  if (quantMin === undefined || quantMax === undefined)
    throw new ArgumentError({
      op,
      argument: quantMin === undefined ? 'options.quantMin' : 'options.quantMax',
      expected: 'given where the other end is',
      received: 'undefined',
    })
  const codes = dtype === 'qint32' ? 2 ** 32 : 256
  const whole = Number.isInteger(quantMin) && Number.isInteger(quantMax)
  if (!whole || quantMin > 0 || quantMax < 0 || quantMin >= quantMax || quantMax - quantMin >= codes)
    throw new QParamsError({
      op,
      argument: 'options.quantMin, options.quantMax',
      expected: `whole numbers around 0 (min <= 0 <= max, min < max) that span at most ${String(codes)} codes`,
      received: `${show(quantMin)}, ${show(quantMax)}`,
    })
  return [quantMin, quantMax]
}
