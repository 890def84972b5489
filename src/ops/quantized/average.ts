/** Mean of codes over axes (numerics.md 6): an average pool over the axes that go. */
import type { PoolWindows } from '../../backend/contract'
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { OverflowError, ShapeError } from '../../errors'
import { codeRange, type QDType8 } from '../../tensor/dtype'
import { permuteSteps } from '../../tensor/movement'
import { QTensor } from '../../tensor/qtensor'
import { shapeText, sizeOf, storageOrder } from '../../tensor/shape'
import { readReduce, type Dims, type ReduceOptions, type ReducePlan } from '../shapes/reduce'
import { codesOf } from './codes'
import { averageRatio, readQTensor } from './params'

/** Refuses more codes in one average than whose sum, at most 255 each, is sure to fit int32. */
export function checkAverage(op: string, count: number): void {
  if (count * 255 > 2147483647)
    throw new OverflowError({
      op,
      argument: 'x',
      expected: 'such that an average is of at most 8421504 codes, whose sum fits int32',
      received: String(count),
      hint: 'Average in two steps, or dequantize first.',
    })
}

/**
 * The input of an average as `[outer, length, inner]`: in place where the axes that go are stored side by side and those
 * that stay in their order, else permuted.
 */
function* layOutSteps<D extends QDType8>(
  x: QTensor<D>,
  { kept, reduced, rows }: ReducePlan,
): Steps<{ readonly storage: QTensor<D>['storage']; readonly outer: number; readonly inner: number }> {
  const stored = storageOrder(x.rank, x.memoryFormat)
  const begin = stored.findIndex((axis) => reduced.includes(axis))
  const sideBySide = stored.slice(begin, begin + reduced.length).every((axis) => reduced.includes(axis))
  const keptInOrder = stored.filter((axis) => kept.includes(axis)).every((axis, i) => axis === kept[i])
  if (sideBySide && keptInOrder) {
    const outer = sizeOf(stored.slice(0, Math.max(0, begin)).map((axis) => x.shape[axis] ?? 1))
    return { storage: x.storage, outer, inner: rows / outer }
  }
  return { storage: yield* permuteSteps(x, [...kept, ...reduced], codesOf(x.dtype)), outer: rows, inner: 1 }
}

function* meanSteps<D extends QDType8>(
  x: QTensor<D>,
  dims: Dims | undefined,
  options: ReduceOptions,
): Steps<QTensor<D>> {
  const op = 'quantized.mean'
  const qparams = readQTensor(op, x, 'x')
  const plan = readReduce(op, x.shape, dims, options)
  const { rows, length, shape } = plan
  if (length === 0)
    throw new ShapeError({
      op,
      argument: 'x',
      expected: 'such that there is something to average: codes cannot say NaN',
      received: shapeText(x.shape),
    })
  checkAverage(op, length)
  const y = codesOf(x.dtype)(rows)
  if (rows === 0) return new QTensor(x.dtype, shape, y, qparams)
  const { scale, zeroPoint } = qparams
  const { storage, outer, inner } = yield* layOutSteps(x, plan)
  const one = Int32Array.of(1)
  const zero = Int32Array.of(0)
  const windows: PoolWindows = {
    batch: outer,
    channels: inner,
    input: [1, 1, length],
    output: [1, 1, 1],
    starts: [zero, zero, zero],
    counts: [one, one, Int32Array.of(length)],
    steps: [1, 1, 1],
  }
  const [lo, hi] = codeRange[x.dtype]
  yield step('qavgPool', {
    x: storage,
    y,
    windows,
    xZeroPoint: zeroPoint,
    yZeroPoint: zeroPoint,
    multipliers: Float32Array.of(averageRatio(op, scale, scale, length)),
    lo,
    hi,
  })
  return new QTensor(x.dtype, shape, y, qparams)
}

/**
 * Mean over axes: `y = zx + round(clamp(f(f(S) * f(sx / f(sx*n)))))` with `S` the exact sum of `q - zx` (numerics.md 6); scale
 * and zero point stay. PyTorch: `torch.mean` of a quantized tensor.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param dims - An axis, several, or all of them if absent; negative counts from the end.
 * @param options - `keepDim`: reduced axes stay, with size 1.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError
 */
export function mean<D extends QDType8>(x: QTensor<D>, dims?: Dims, options: ReduceOptions = {}): QTensor<D> {
  return runSync(meanSteps(x, dims, options))
}

/** {@link mean} off the event loop. */
export function meanAsync<D extends QDType8>(
  x: QTensor<D>,
  dims?: Dims,
  options: ReduceOptions = {},
): Promise<QTensor<D>> {
  return runAsync(meanSteps(x, dims, options))
}
