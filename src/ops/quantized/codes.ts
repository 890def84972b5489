/** Kernels on codes that several ops share: clamp, requantize, table. */
import { step, type Steps } from '../../backend/steps'
import { allocateCodes, codeRange, type QDType8, type QuantizedArrays } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { QTensor } from '../../tensor/qtensor'
import { qparamsOf, ratio, type Target } from './params'

/** An array of codes of a dtype. */
export function codesOf<D extends QDType8>(dtype: D): (length: number) => QuantizedArrays[D] {
  return (length) => allocateCodes(dtype, length)
}

/** The tensor with its codes inside `[lo, hi]`. */
export function* clampCodesSteps<D extends QDType8>(q: QTensor<D>, lo: number, hi: number): Steps<QTensor<D>> {
  const y = codesOf(q.dtype)(q.size)
  if (y.length > 0) yield step('qclamp', { x: q.storage, y, lo, hi })
  return new QTensor(q.dtype, q.shape, y, q.qparams, q.memoryFormat)
}

/**
 * The codes under other parameters, inside `[lo, hi]` (numerics.md 5, 8 bit to 8 bit); the same array where nothing
 * changes.
 */
export function* requantizeCodesSteps<D extends QDType8>(
  op: string,
  q: QTensor<QDType8>,
  from: PerTensorQParams,
  target: Target<D>,
  [lo, hi]: readonly [number, number],
): Steps<QuantizedArrays[D]> {
  const [min, max] = codeRange[target.dtype]
  const { dtype, scale, zeroPoint } = target
  if (q.size === 0) return codesOf(dtype)(0)
  const same = hasDType(q, dtype) && from.scale === scale && from.zeroPoint === zeroPoint
  if (same && lo === min && hi === max) return q.storage
  const y = codesOf(dtype)(q.size)
  if (same) yield step('qclamp', { x: q.storage, y, lo, hi })
  else
    yield step('requantize', {
      x: q.storage,
      y,
      xZeroPoint: from.zeroPoint,
      yZeroPoint: zeroPoint,
      multiplier: ratio(op, from.scale, scale),
      lo,
      hi,
    })
  return y
}

function hasDType<D extends QDType8>(q: QTensor<QDType8>, dtype: D): q is QTensor<D> {
  return q.dtype === dtype
}

/** A table of result codes, one per byte of x: what the `lookup` kernel takes. */
export function buildTable(dtype: QDType8, codeFor: (code: number) => number): Uint8Array {
  const [min, max] = codeRange[dtype]
  const table = new Uint8Array(256)
  for (let code = min; code <= max; code++) table[code & 255] = codeFor(code) & 255
  return table
}

/** The tensor with each code replaced from a table. */
export function* lookupSteps<D extends QDType8>(
  q: QTensor<D>,
  table: Uint8Array,
  qparams: PerTensorQParams,
): Steps<QTensor<D>> {
  const y = codesOf(q.dtype)(q.size)
  if (y.length > 0) yield step('lookup', { x: q.storage, y, table })
  return new QTensor(q.dtype, q.shape, y, qparamsOf(qparams), q.memoryFormat)
}

/** The same codes in the same shape, read under other parameters; shares memory. */
export function relabel<D extends QDType8>(q: QTensor<D>, qparams: PerTensorQParams): QTensor<D> {
  return new QTensor(q.dtype, q.shape, q.storage, qparamsOf(qparams), q.memoryFormat)
}
