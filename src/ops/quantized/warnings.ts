/** Warnings about weights: through `process.emitWarning`, with a code to filter by. */
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { QParams } from '../../tensor/qparams'

/** Codes of the warnings of this library's quantized ops. */
export type WarningCode = 'INT8_WEIGHTS_CLIPPED' | 'INT8_BIAS_RANGE'

/** Warns, with the library's type and a code. */
export function warn(code: WarningCode, message: string): void {
  process.emitWarning(message, { type: 'Int8Warning', code })
}

/** What of a quantized tensor is looked at. */
export interface CodesOf {
  readonly storage: Uint8Array | Int8Array
  readonly qparams: QParams
  readonly dtype: QDType8
}

/**
 * The end of the type's range on which more than a third of the codes sit: they were clipped when they were quantized. Each
 * scale's own extreme may sit there; so may codes that are all equal, and codes of exactly 0.
 */
export function clippedEnd(q: CodesOf): { readonly end: number; readonly count: number } | undefined {
  const { storage, qparams, dtype } = q
  if (storage.length === 0 || allEqual(storage)) return undefined
  const scales = qparams.kind === 'perTensor' ? 1 : qparams.scales.length
  const isZero = (code: number): boolean =>
    qparams.kind === 'perTensor' ? qparams.zeroPoint === code : qparams.zeroPoints.includes(code)
  for (const end of codeRange[dtype]) {
    if (isZero(end) || !seemsMany(storage, end)) continue
    const count = countOf(storage, end)
    if (count - scales > storage.length / 3) return { end, count }
  }
  return undefined
}

/** Whether a quarter of some thousand elements, spread over all, have this value: a look before all are counted. */
function seemsMany(codes: Uint8Array | Int8Array, value: number): boolean {
  const looks = 4096
  if (codes.length <= 4 * looks) return true
  // Odd, so that the looks do not all fall on one place of rows whose length is a power of two.
  const step = Math.floor(codes.length / looks) | 1
  let seen = 0
  let count = 0
  for (let at = 0; at < codes.length; at += step, seen++) if (codes[at] === value) count++
  return count > seen / 4
}

/** How many elements have this value: from one to the next where there are few, then one by one. */
function countOf(codes: Uint8Array | Int8Array, value: number): number {
  let count = 0
  let at = codes.indexOf(value)
  for (; at >= 0 && count < codes.length / 64; at = codes.indexOf(value, at + 1)) count++
  if (at < 0) return count
  for (; at < codes.length; at++) if (codes[at] === value) count++
  return count
}

/** Warns of weights that were clipped, most often by a zero point that belongs to another type. */
export function warnClipped(op: string, layer: string, weight: CodesOf): void {
  const clipped = clippedEnd(weight)
  if (clipped === undefined) return
  const { end, count } = clipped
  const { storage, dtype } = weight
  warn(
    'INT8_WEIGHTS_CLIPPED',
    `${op}: ${String(count)} of ${String(storage.length)} weights${layer} have the code ${String(end)}, an end of ${dtype}'s range: ` +
      `they were probably clipped there when they were quantized.${reach(weight, end)} ` +
      `The right zero point is qmin - round(min / scale), which for ${dtype} is ${String(codeRange[dtype][0])} - round(min / scale); ` +
      'a symmetric weight has 0. An observer computes both.',
  )
}

function allEqual(codes: Uint8Array | Int8Array): boolean {
  for (const code of codes) if (code !== codes[0]) return false
  return true
}

/** What the end of the range stands for, where one scale says it. */
function reach({ qparams }: CodesOf, end: number): string {
  if (qparams.kind === 'perChannel') return ''
  const { scale, zeroPoint } = qparams
  const value = Number(((end - zeroPoint) * scale).toPrecision(4))
  return (
    ` With scale ${String(Number(scale.toPrecision(4)))} and zero point ${String(zeroPoint)}, no weight ` +
    `can be ${end > zeroPoint ? 'above' : 'below'} ${String(value)}.`
  )
}
