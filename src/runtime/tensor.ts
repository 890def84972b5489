/** Tensors of the ONNX face: type, elements and sizes, as onnxruntime's JavaScript API has them. */
import { ArgumentError, DTypeError, ShapeError, show } from '../errors'
import { arrayOf, isElementType, type ElementArrays, type ElementType } from '../onnx/types'
import { refuseShared } from '../tensor/dtype'
import { checkShape, shapeText, sizeOf } from '../tensor/shape'

const op = 'Tensor'

/**
 * A dense tensor in row-major order, as `InferenceSession` takes and gives it. onnxruntime: `Tensor`.
 *
 * @example
 * const x = new onnx.Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2])
 * x.size // 4
 */
export class Tensor<T extends ElementType = ElementType> {
  readonly type: T
  /** The elements; the array that was given, not a copy. float16 is held as its bits. */
  readonly data: ElementArrays[T]
  readonly dims: readonly number[]

  /**
   * @param type - Element type: `'float32'`, `'uint8'`, `'int64'`, …
   * @param data - Array of the type's class: `Float32Array`, …; `BigInt64Array` for int64; strings as a plain array.
   * @param dims - Sizes, outermost first. @defaultValue one axis
   * @throws DTypeError for another array, ShapeError where the sizes do not give the number of elements.
   */
  constructor(type: T, data: ElementArrays[T], dims: readonly number[] = [data.length]) {
    checkElements(op, type, data, dims)
    this.type = type
    this.data = data
    this.dims = Object.freeze([...dims])
    Object.freeze(this)
  }

  /** Number of elements. */
  get size(): number {
    return this.data.length
  }
}

/** What a feed has to be: a tensor of this library, or one of onnxruntime's. */
export interface TensorLike {
  readonly type: string
  readonly data: unknown
  readonly dims: readonly number[]
}

/** A feed that has been checked. */
export interface Checked {
  readonly type: ElementType
  readonly data: ElementArrays[ElementType]
  readonly dims: readonly number[]
}

/** Refuses what is no tensor. */
export function readTensor(op: string, argument: string, value: unknown): Checked {
  if (typeof value !== 'object' || value === null || !('type' in value && 'data' in value && 'dims' in value))
    throw new ArgumentError({
      op,
      argument,
      expected: 'a Tensor',
      received: show(value),
      hint: "Make one with new Tensor('float32', data, dims).",
    })
  const { type, data, dims } = value
  checkElements(`${op}: ${argument}`, type, data, dims)
  return { type: type as ElementType, data: data as ElementArrays[ElementType], dims: dims as readonly number[] }
}

function checkElements(op: string, type: unknown, data: unknown, dims: unknown): void {
  if (!isElementType(type))
    throw new DTypeError({ op, argument: 'type', expected: 'an element type of ONNX', received: show(type) })
  checkShape(op, dims, 'dims')
  const length = sizeOf(dims)
  if (type === 'string') {
    if (!Array.isArray(data) || !data.every((item) => typeof item === 'string'))
      throw new DTypeError({ op, argument: 'data', expected: 'an array of strings', received: show(data) })
  } else if (!(data instanceof arrayOf(type)) && !isArrayNamed(data, arrayOf(type).name))
    throw new DTypeError({
      op,
      argument: 'data',
      expected: `a ${arrayOf(type).name} for ${type}`,
      received: show(data),
    })
  refuseShared(op, 'data', data)
  const count = (data as { readonly length: number }).length
  if (count !== length)
    throw new ShapeError({
      op,
      argument: 'dims',
      expected: `the sizes of ${String(count)} elements`,
      received: `${shapeText(dims)}, which has ${String(length)}`,
    })
}

/** Whether a value is an array of this class, made in whichever realm. */
function isArrayNamed(value: unknown, name: string): boolean {
  return ArrayBuffer.isView(value) && Reflect.get(value, Symbol.toStringTag) === name
}
