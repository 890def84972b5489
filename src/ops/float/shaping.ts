/** Float ops that move elements: concatenate, flatten, pad. */
import { runAsync, runSync, type Steps } from '../../backend/steps'
import { DTypeError, show } from '../../errors'
import { allocate, type DType, type PlainArrays } from '../../tensor/dtype'
import { checkShape, sizeOf } from '../../tensor/shape'
import { checkTensor, isTensor, Tensor } from '../../tensor/tensor'
import { catShape, firstOf, flattenShape, padSteps, placeSteps, rowMajorSteps, type FlattenOptions } from '../movement'
import { checkOptions } from '../options'

const maker =
  <D extends DType>(dtype: D): ((length: number) => PlainArrays[D]) =>
  (length) =>
    allocate(dtype, length)

/** Refuses what is not a plain tensor, of whatever dtype. */
function checkAny(op: string, x: Tensor<DType>, argument: string, dtype?: DType): void {
  checkTensor(op, x, argument, dtype ?? (isTensor(x) ? x.dtype : 'float32'))
}

function* catSteps<D extends DType>(tensors: readonly Tensor<D>[], dim: number): Steps<Tensor<D>> {
  const op = 'functional.cat'
  const first = firstOf(op, tensors)
  checkAny(op, first, 'tensors[0]')
  tensors.forEach((x, i) => {
    checkAny(op, x, `tensors[${String(i)}]`, first.dtype)
  })
  const { axis, shape } = catShape(
    op,
    first.shape,
    tensors.map((x) => x.shape),
    dim,
  )
  const { dtype, memoryFormat } = first
  const y = maker(dtype)(sizeOf(shape))
  let begin = 0
  for (const x of tensors) {
    yield* placeSteps(x, y, { shape, memoryFormat }, axis, begin)
    begin += x.shape[axis] ?? 0
  }
  return new Tensor(dtype, shape, y, memoryFormat)
}

/**
 * Joins tensors along an axis; the result has the memory format of the first. PyTorch: `torch.cat`.
 *
 * @param tensors - One or more, of one dtype and of equal shapes but for `dim`. While {@link catAsync} is pending they
 * must not be written to.
 * @param dim - The axis; negative counts from the end.
 * @throws ShapeError, DTypeError, ArgumentError
 * @example
 * cat([tensor([1, 2]), tensor([3])]).data // 1, 2, 3
 */
export function cat<D extends DType>(tensors: readonly Tensor<D>[], dim = 0): Tensor<D> {
  return runSync(catSteps(tensors, dim))
}

/** {@link cat} off the event loop. */
export function catAsync<D extends DType>(tensors: readonly Tensor<D>[], dim = 0): Promise<Tensor<D>> {
  return runAsync(catSteps(tensors, dim))
}

function* flattenSteps<D extends DType>(x: Tensor<D>, options: FlattenOptions): Steps<Tensor<D>> {
  const op = 'functional.flatten'
  checkAny(op, x, 'x')
  const shape = flattenShape(op, x.shape, options)
  checkShape(op, shape, 'the output shape')
  return new Tensor(x.dtype, shape, yield* rowMajorSteps(x, maker(x.dtype)))
}

/**
 * Joins the axes from `startDim` (0) to `endDim` (-1) into one, in row-major order; shares memory with x where that is
 * contiguous. PyTorch: `torch.flatten`.
 *
 * @throws ShapeError
 * @example
 * flatten(zeros([2, 3, 4]), { startDim: 1 }).shape // [2, 12]
 */
export function flatten<D extends DType>(x: Tensor<D>, options: FlattenOptions = {}): Tensor<D> {
  return runSync(flattenSteps(x, options))
}

/** {@link flatten} off the event loop. */
export function flattenAsync<D extends DType>(x: Tensor<D>, options: FlattenOptions = {}): Promise<Tensor<D>> {
  return runAsync(flattenSteps(x, options))
}

/** Options of {@link pad}. */
export interface PadOptions {
  /** The value of the new elements. @defaultValue 0 */
  readonly value?: number
}

function* constantPadSteps(x: Tensor, pads: readonly number[], options: PadOptions): Steps<Tensor> {
  const op = 'functional.pad'
  checkTensor(op, x, 'x')
  checkOptions(op, options, ['value'])
  const { value = 0 } = options
  const given: unknown = value
  if (typeof given !== 'number')
    throw new DTypeError({ op, argument: 'options.value', expected: 'a number', received: show(given) })
  const { y, shape } = yield* padSteps(op, x, pads, (length) => new Float32Array(length).fill(value))
  return new Tensor('float32', shape, y, x.memoryFormat)
}

/**
 * Adds elements at the ends of the last axes; negative numbers take away. PyTorch: `torch.nn.functional.pad`, constant.
 *
 * @param x - float32.
 * @param pads - `[before, after]` of the last axis, then of the one before it, and so on: PyTorch's order.
 * @param options - `value` of the new elements, 0.
 * @throws ShapeError, ArgumentError
 * @example
 * pad(tensor([1, 2]), [1, 2]).data // 0, 1, 2, 0, 0
 */
export function pad(x: Tensor, pads: readonly number[], options: PadOptions = {}): Tensor {
  return runSync(constantPadSteps(x, pads, options))
}

/** {@link pad} off the event loop. */
export function padAsync(x: Tensor, pads: readonly number[], options: PadOptions = {}): Promise<Tensor> {
  return runAsync(constantPadSteps(x, pads, options))
}
