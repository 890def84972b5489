/** Quantized sums and products of two tensors (numerics.md 6). */
import { runAsync, runSync, step, type Steps } from '../../backend/steps'
import { DTypeError } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
import { checkOptions } from '../options'
import { planBroadcast } from '../shapes/broadcast'
import { codesOf } from './codes'
import {
  codeBounds,
  none,
  productRatio,
  qparamsOf,
  readClip,
  readQTensor,
  readTarget,
  relu,
  summandRatio,
  type Activation,
} from './params'

/** Real bounds of a fused clip. */
export interface FusedClipOptions {
  /** Least real value of the result. */
  readonly min: number
  /** Largest real value of the result. */
  readonly max: number
}

/** {@link add} or {@link mul} under another op's name, with an activation. */
export function* pairSteps<D extends QDType8>(
  kernel: 'qadd' | 'qmul',
  op: string,
  a: QTensor<D>,
  b: QTensor<D>,
  scale: number,
  zeroPoint: number,
  activation: Activation,
): Steps<QTensor<D>> {
  const left = readQTensor(op, a, 'a')
  const right = readQTensor(op, b, 'b')
  if (a.dtype !== b.dtype)
    throw new DTypeError({
      op,
      argument: 'b',
      expected: `a QTensor of ${a.dtype}, as a is`,
      received: `a QTensor of ${b.dtype}`,
      hint: `quantized.requantize(b, scale, zeroPoint, { dtype: '${a.dtype}' }) makes it one.`,
    })
  const target = readTarget(op, scale, zeroPoint, a.dtype)
  const { shape, memoryFormat, broadcast } = planBroadcast(op, a, b)
  const y = codesOf(a.dtype)(sizeOf(shape))
  const [lo, hi] = codeBounds(target, activation)
  if (kernel === 'qadd') {
    const aMultiplier = summandRatio(op, left.scale, target.scale)
    const bMultiplier = summandRatio(op, right.scale, target.scale)
    if (y.length > 0)
      yield step('qadd', {
        a: a.storage,
        b: b.storage,
        y,
        broadcast,
        aZeroPoint: left.zeroPoint,
        bZeroPoint: right.zeroPoint,
        yZeroPoint: target.zeroPoint,
        aMultiplier,
        bMultiplier,
        lo,
        hi,
      })
  } else {
    const multiplier = productRatio(op, left.scale, right.scale, target.scale)
    if (y.length > 0)
      yield step('qmul', {
        a: a.storage,
        b: b.storage,
        y,
        broadcast,
        aZeroPoint: left.zeroPoint,
        bZeroPoint: right.zeroPoint,
        yZeroPoint: target.zeroPoint,
        multiplier,
        lo,
        hi,
      })
  }
  return new QTensor(a.dtype, shape, y, qparamsOf(target), memoryFormat)
}

function* addClipSteps<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<D>,
  scale: number,
  zeroPoint: number,
  options: FusedClipOptions,
): Steps<QTensor<D>> {
  const op = 'quantized.addClip'
  checkOptions(op, options, ['min', 'max'])
  return yield* pairSteps('qadd', op, a, b, scale, zeroPoint, readClip(op, options.min, options.max))
}

/**
 * `y = zy + round(clamp(f(f((a - za) * A) + f((b - zb) * B))))` with `A = f(sa/sy)`, `B = f(sb/sy)` (numerics.md 6). PyTorch:
 * `torch.ops.quantized.add`.
 *
 * @param a - quint8 or qint8, per tensor.
 * @param b - The same dtype; its shape broadcasts with a's. The result has the memory format of the operand that has
 * its shape, a before b.
 * @param scale - Scale of the result.
 * @param zeroPoint - Code of 0.0 in the result.
 * @throws DTypeError, ShapeError, QParamsError
 * @example
 * const a = quantizePerTensor(tensor([1, 2]), 0.5, 0, 'quint8')
 * add(a, a, 0.5, 0).dequantize().data // 2, 4
 */
export function add<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): QTensor<D> {
  return runSync(pairSteps('qadd', 'quantized.add', a, b, scale, zeroPoint, none))
}

/** {@link add} off the event loop. */
export function addAsync<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): Promise<QTensor<D>> {
  return runAsync(pairSteps('qadd', 'quantized.add', a, b, scale, zeroPoint, none))
}

/** {@link add} with a ReLU in the same pass. PyTorch: `torch.ops.quantized.add_relu`. */
export function addRelu<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): QTensor<D> {
  return runSync(pairSteps('qadd', 'quantized.addRelu', a, b, scale, zeroPoint, relu))
}

/** {@link addRelu} off the event loop. */
export function addReluAsync<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): Promise<QTensor<D>> {
  return runAsync(pairSteps('qadd', 'quantized.addRelu', a, b, scale, zeroPoint, relu))
}

/** {@link add} clipped to the real numbers `options.min` to `options.max`. */
export function addClip<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
  options: FusedClipOptions,
): QTensor<D> {
  return runSync(addClipSteps(a, b, scale, zeroPoint, options))
}

/** {@link addClip} off the event loop. */
export function addClipAsync<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
  options: FusedClipOptions,
): Promise<QTensor<D>> {
  return runAsync(addClipSteps(a, b, scale, zeroPoint, options))
}

/**
 * `y = zy + round(clamp(f(((a - za)(b - zb)) * M)))` with `M = f(f(sa*sb) / sy)` (numerics.md 6); operands as in {@link add}.
 * PyTorch: `torch.ops.quantized.mul`.
 */
export function mul<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): QTensor<D> {
  return runSync(pairSteps('qmul', 'quantized.mul', a, b, scale, zeroPoint, none))
}

/** {@link mul} off the event loop. */
export function mulAsync<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): Promise<QTensor<D>> {
  return runAsync(pairSteps('qmul', 'quantized.mul', a, b, scale, zeroPoint, none))
}

/** {@link mul} with a ReLU in the same pass. PyTorch: `torch.ops.quantized.mul_relu`. */
export function mulRelu<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): QTensor<D> {
  return runSync(pairSteps('qmul', 'quantized.mulRelu', a, b, scale, zeroPoint, relu))
}

/** {@link mulRelu} off the event loop. */
export function mulReluAsync<D extends QDType8>(
  a: QTensor<D>,
  b: QTensor<NoInfer<D>>,
  scale: number,
  zeroPoint: number,
): Promise<QTensor<D>> {
  return runAsync(pairSteps('qmul', 'quantized.mulRelu', a, b, scale, zeroPoint, relu))
}
