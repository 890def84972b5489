/** Quantized ops that move codes: concatenate, flatten, pad; and requantize (numerics.md 5, 8 bit to 8 bit). */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { DTypeError } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
import { catShape, firstOf, flattenShape, padSteps, placeSteps, rowMajorSteps, type FlattenOptions } from '../movement'
import { checkFinite, checkOptions } from '../options'
import type { PadOptions } from '../float/shaping'
import { codesOf, requantizeCodesSteps } from './codes'
import { codeBounds, codeOf, none, qparamsOf, readQTensor, readTarget, relu, type Activation } from './params'

/** Options of {@link cat}. */
export interface CatOptions {
  /** Scale of the result. @defaultValue that of the first tensor */
  readonly scale?: number
  /** Code of 0.0 in the result. @defaultValue that of the first tensor */
  readonly zeroPoint?: number
}

/** {@link cat} under another op's name, with an activation. */
export function* catSteps<D extends QDType8>(
  op: string,
  tensors: readonly QTensor<D>[],
  dim: number,
  options: CatOptions,
  activation: Activation,
): Steps<QTensor<D>> {
  const first = firstOf(op, tensors)
  const inputs = tensors.map((q, i) => {
    const from = readQTensor(op, q, `tensors[${String(i)}]`)
    if (q.dtype !== first.dtype)
      throw new DTypeError({
        op,
        argument: `tensors[${String(i)}]`,
        expected: `a QTensor of ${first.dtype}, as tensors[0] is`,
        received: `a QTensor of ${q.dtype}`,
      })
    return { q, from }
  })
  checkOptions(op, options, ['scale', 'zeroPoint'])
  const { dtype, memoryFormat } = first
  const { scale = first.scale, zeroPoint = first.zeroPoint } = options
  const target = readTarget(op, scale, zeroPoint, dtype)
  const { axis, shape } = catShape(
    op,
    first.shape,
    tensors.map((q) => q.shape),
    dim,
  )
  const bounds = codeBounds(target, activation)
  const y = codesOf(dtype)(sizeOf(shape))
  let begin = 0
  for (const { q, from } of inputs) {
    const storage = yield* requantizeCodesSteps(op, q, from, target, bounds)
    yield* placeSteps({ ...layoutOf(q), storage }, y, { shape, memoryFormat }, axis, begin)
    begin += q.shape[axis] ?? 0
  }
  return new QTensor(dtype, shape, y, qparamsOf(target), memoryFormat)
}

function layoutOf({ shape, memoryFormat }: QTensor): Pick<QTensor, 'shape' | 'memoryFormat'> {
  return { shape, memoryFormat }
}

/**
 * Joins tensors along an axis; each is requantized where its parameters differ from the result's. The result has the
 * memory format of the first. PyTorch: `torch.ops.quantized.cat`.
 *
 * @param tensors - One or more, of one dtype, per tensor, and of equal shapes but for `dim`. While {@link catAsync} is
 * pending they must not be written to.
 * @param dim - The axis; negative counts from the end.
 * @param options - `scale`, `zeroPoint` of the result: the first tensor's if absent.
 * @throws DTypeError, ShapeError, QParamsError, ArgumentError
 */
export function cat<D extends QDType8>(tensors: readonly QTensor<D>[], dim = 0, options: CatOptions = {}): QTensor<D> {
  return runSync(catSteps('quantized.cat', tensors, dim, options, none))
}

/** {@link cat} off the event loop. */
export function catAsync<D extends QDType8>(
  tensors: readonly QTensor<D>[],
  dim = 0,
  options: CatOptions = {},
): Promise<QTensor<D>> {
  return runAsync(catSteps('quantized.cat', tensors, dim, options, none))
}

/** {@link cat}, then ReLU. PyTorch: `torch.ops.quantized.cat_relu`. */
export function catRelu<D extends QDType8>(
  tensors: readonly QTensor<D>[],
  dim = 0,
  options: CatOptions = {},
): QTensor<D> {
  return runSync(catSteps('quantized.catRelu', tensors, dim, options, relu))
}

/** {@link catRelu} off the event loop. */
export function catReluAsync<D extends QDType8>(
  tensors: readonly QTensor<D>[],
  dim = 0,
  options: CatOptions = {},
): Promise<QTensor<D>> {
  return runAsync(catSteps('quantized.catRelu', tensors, dim, options, relu))
}

/** Options of {@link requantize}. */
export interface RequantizeOptions<D extends QDType8> {
  /** Type of the result's codes. @defaultValue that of x */
  readonly dtype?: D
}

function* requantizeSteps<Y extends QDType8>(
  x: QTensor<QDType8>,
  scale: number,
  zeroPoint: number,
  options: RequantizeOptions<Y>,
): Steps<QTensor<Y>> {
  const op = 'quantized.requantize'
  const from = readQTensor(op, x, 'x')
  checkOptions(op, options, ['dtype'])
  const target = readTarget<Y>(op, scale, zeroPoint, options.dtype ?? (x.dtype as Y))
  const y = yield* requantizeCodesSteps(op, x, from, target, codeBounds(target, none))
  return new QTensor(target.dtype, x.shape, y, qparamsOf(target), x.memoryFormat)
}

/**
 * The same real values under other parameters: `y = zy + round(clamp(f((q - zx) * f(sx/sy))))` (numerics.md 5); with equal
 * parameters the result shares memory with x.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param scale - Scale of the result.
 * @param zeroPoint - Code of 0.0 in the result, in its type's range.
 * @param options - `dtype` of the result; x's if absent.
 * @throws DTypeError, QParamsError
 */
export function requantize<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  scale: number,
  zeroPoint: number,
  options: RequantizeOptions<Y> = {},
): QTensor<Y> {
  return runSync(requantizeSteps(x, scale, zeroPoint, options))
}

/** {@link requantize} off the event loop. */
export function requantizeAsync<X extends QDType8, Y extends QDType8 = X>(
  x: QTensor<X>,
  scale: number,
  zeroPoint: number,
  options: RequantizeOptions<Y> = {},
): Promise<QTensor<Y>> {
  return runAsync(requantizeSteps(x, scale, zeroPoint, options))
}

function* flattenSteps<D extends QDType8>(x: QTensor<D>, options: FlattenOptions): Steps<QTensor<D>> {
  const op = 'quantized.flatten'
  const qparams = readQTensor(op, x, 'x')
  const shape = flattenShape(op, x.shape, options)
  return new QTensor(x.dtype, shape, yield* rowMajorSteps(x, codesOf(x.dtype)), qparams)
}

/**
 * Joins the axes from `startDim` (0) to `endDim` (-1) into one, in row-major order; shares memory with x where that is
 * contiguous. PyTorch: `torch.flatten`.
 *
 * @throws ShapeError, DTypeError, QParamsError
 */
export function flatten<D extends QDType8>(x: QTensor<D>, options: FlattenOptions = {}): QTensor<D> {
  return runSync(flattenSteps(x, options))
}

/** {@link flatten} off the event loop. */
export function flattenAsync<D extends QDType8>(x: QTensor<D>, options: FlattenOptions = {}): Promise<QTensor<D>> {
  return runAsync(flattenSteps(x, options))
}

function* constantPadSteps<D extends QDType8>(
  x: QTensor<D>,
  pads: readonly number[],
  options: PadOptions,
): Steps<QTensor<D>> {
  const op = 'quantized.pad'
  const qparams = readQTensor(op, x, 'x')
  checkOptions(op, options, ['value'])
  const { value = 0 } = options
  checkFinite(op, 'options.value', value)
  const code = codeOf(value, { ...qparams, dtype: x.dtype })
  const make = codesOf(x.dtype)
  const { y, shape } = yield* padSteps(op, x, pads, (length) => filled(make(length), code))
  return new QTensor(x.dtype, shape, y, qparams, x.memoryFormat)
}

function filled<A extends Uint8Array | Int8Array>(codes: A, code: number): A {
  codes.fill(code)
  return codes
}

/**
 * Adds elements at the ends of the last axes; negative numbers take away. PyTorch: `torch.nn.functional.pad`, constant.
 *
 * @param x - quint8 or qint8, per tensor.
 * @param pads - `[before, after]` of the last axis, then of the one before it, and so on: PyTorch's order.
 * @param options - `value` of the new elements, quantized as any value is: 0.0, the zero point, if absent.
 * @throws ShapeError, DTypeError, QParamsError, ArgumentError
 */
export function pad<D extends QDType8>(x: QTensor<D>, pads: readonly number[], options: PadOptions = {}): QTensor<D> {
  return runSync(constantPadSteps(x, pads, options))
}

/** {@link pad} off the event loop. */
export function padAsync<D extends QDType8>(
  x: QTensor<D>,
  pads: readonly number[],
  options: PadOptions = {},
): Promise<QTensor<D>> {
  return runAsync(constantPadSteps(x, pads, options))
}
