/** Softmax on codes (numerics.md 6). */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import { permuteSteps } from '../../tensor/movement'
import { QTensor } from '../../tensor/qtensor'
import { Recent } from '../../tensor/recent'
import { rne } from '../../tensor/rounding'
import { resolveAxis, storageOrder } from '../../tensor/shape'
import { checkOptions } from '../options'
import { codesOf } from './codes'
import { qparamsOf, readQTensor, readTarget } from './params'

/** Options of {@link softmax}. */
export interface SoftmaxOptions<D extends QDType8> {
  /** Scale of the result. @defaultValue 1/256 */
  readonly scale?: number
  /** Code of 0.0 in the result. @defaultValue the least code of its type */
  readonly zeroPoint?: number
  /** Type of the result's codes. @defaultValue that of x */
  readonly dtype?: D
}

/** Tables by the input's scale. */
const tables = new Recent<number, Int32Array>(8, (a, b) => a === b)

/** `rne(2^23 * exp(-d * scale))` for the differences d of two codes. */
function exponentials(scale: number): Int32Array {
  const known = tables.find(scale)
  if (known !== undefined) return known
  const table = Int32Array.from({ length: 256 }, (_, d) => rne(2 ** 23 * Math.exp(-d * scale)))
  tables.keep(scale, table)
  return table
}

/** {@link softmax} under another op's name. */
export function* softmaxSteps<Y extends QDType8>(
  op: string,
  x: QTensor<QDType8>,
  dim: number,
  options: SoftmaxOptions<Y>,
): Steps<QTensor<Y>> {
  const from = readQTensor(op, x, 'x')
  checkOptions(op, options, ['scale', 'zeroPoint', 'dtype'])
  const { scale = 1 / 256, dtype = x.dtype as Y } = options
  const [lo, hi] = codeRange[dtype]
  const target = readTarget(op, scale, options.zeroPoint ?? lo, dtype)
  const axis = resolveAxis(op, dim, Math.max(1, x.rank), 'dim')
  const length = x.shape[axis] ?? 1
  const make = codesOf(dtype)
  const y = make(x.size)
  const qparams = qparamsOf(target)
  if (y.length === 0) return new QTensor(dtype, x.shape, y, qparams, x.memoryFormat)
  const rows = x.size / length
  const parameters = {
    y,
    rows,
    length,
    table: exponentials(from.scale),
    scale: target.scale,
    zeroPoint: target.zeroPoint,
    lo,
    hi,
  }
  if (x.rank === 0 || storageOrder(x.rank, x.memoryFormat).at(-1) === axis) {
    yield step('qsoftmax', { x: x.storage, ...parameters })
    return new QTensor(dtype, x.shape, y, qparams, x.memoryFormat)
  }
  const axes = [...x.shape.keys()].filter((other) => other !== axis).concat(axis)
  yield step('qsoftmax', { x: yield* permuteSteps(x, axes, codesOf(x.dtype)), ...parameters })
  const shape = axes.map((other) => x.shape[other] ?? 1)
  const back = [...x.shape.keys()].map((other) => axes.indexOf(other))
  const storage = yield* permuteSteps({ storage: y, shape, memoryFormat: 'contiguous' }, back, make)
  return new QTensor(dtype, x.shape, storage, qparams)
}

/**
 * `exp(x - max) / Σ exp(x - max)` along an axis, on codes: integer sums and one exact division (numerics.md 6). PyTorch:
 * `torch.ops.quantized.softmax`.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param dim - The axis; negative counts from the end.
 * @param options - `scale` (1/256), `zeroPoint` (the least code) and `dtype` (x's) of the result.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError
 * @example
 * softmax(quantizePerTensor(tensor([0, 0]), 0.1, 0, 'quint8'), 0).dequantize().data // 0.5, 0.5
 */
export function softmax<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  dim: number,
  options: SoftmaxOptions<Y> = {},
): QTensor<Y> {
  return runSync(softmaxSteps('quantized.softmax', x, dim, options))
}

/** {@link softmax} off the event loop. */
export function softmaxAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  dim: number,
  options: SoftmaxOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(softmaxSteps('quantized.softmax', x, dim, options))
}
