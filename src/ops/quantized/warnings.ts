/** Warnings about weights: through `process.emitWarning`, with a code to filter by. */
import { codeRange, type QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'

/** Codes of the warnings of this library's quantized ops. */
export type WarningCode = 'INT8_WEIGHTS_CLIPPED' | 'INT8_BIAS_RANGE'

/** Warns, with the library's type and a code. */
export function warn(code: WarningCode, message: string): void {
  process.emitWarning(message, { type: 'Int8Warning', code })
}

/**
 * The end of the type's range on which more than a third of the codes sit: they were clipped when they were quantized. Each
 * scale's own extreme may sit there; so may codes that are all equal, and codes of exactly 0.
 */
export function clippedEnd(q: QTensor<QDType8>): { readonly end: number; readonly count: number } | undefined {
  const { storage, qparams, dtype } = q
  if (storage.length === 0 || allEqual(storage)) return undefined
  const scales = qparams.kind === 'perTensor' ? 1 : qparams.scales.length
  const isZero = (code: number): boolean =>
    qparams.kind === 'perTensor' ? qparams.zeroPoint === code : qparams.zeroPoints.includes(code)
  for (const end of codeRange[dtype]) {
    let count = 0
    for (const code of storage) if (code === end) count++
    if (!isZero(end) && count - scales > storage.length / 3) return { end, count }
  }
  return undefined
}

/** Warns of weights that were clipped, most often by a zero point that belongs to another type. */
export function warnClipped(op: string, layer: string, weight: QTensor<QDType8>): void {
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
function reach({ qparams }: QTensor, end: number): string {
  if (qparams.kind === 'perChannel') return ''
  const { scale, zeroPoint } = qparams
  const value = Number(((end - zeroPoint) * scale).toPrecision(4))
  return (
    ` With scale ${String(Number(scale.toPrecision(4)))} and zero point ${String(zeroPoint)}, no weight ` +
    `can be ${end > zeroPoint ? 'above' : 'below'} ${String(value)}.`
  )
}
