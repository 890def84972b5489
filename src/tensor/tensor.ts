/** Plain tensors. */
import { runSync } from '../backend/steps'
import { DTypeError, ShapeError, show } from '../errors'
import { allocate, arrayClass, checkArray, checkDType, checkMemory, type DType, type PlainArrays } from './dtype'
import { tensorText } from './format'
import { permuteSteps, reformatSteps } from './movement'
import { checkMemoryFormat, checkShape, sameShape, shapeText, sizeOf, type MemoryFormat, type Shape } from './shape'
import { checkPermutation, resolveReshape } from './views'

const brand: unique symbol = Symbol.for('int8.Tensor')

/** Nested arrays of numbers, as `toArray` gives and `tensor` takes. */
export type Nested<T> = T | readonly Nested<T>[]

/** What one element of a dtype is in JavaScript. */
export type Element<D extends DType> = D extends 'int64' ? bigint : D extends 'bool' ? boolean : number

/**
 * A dense array of plain elements with a shape: PyTorch's `torch.Tensor`.
 *
 * Made by {@link tensor}, {@link zeros} and the ops; float32 unless its type says otherwise. The shape is logical
 * (`[N, C, H, W]`) whatever the memory format.
 */
export class Tensor<D extends DType = 'float32'> {
  declare readonly [brand]: 'Tensor'
  readonly dtype: D
  readonly shape: Shape
  readonly memoryFormat: MemoryFormat
  /** The elements in the order of the memory format; the tensor's own memory, not a copy. */
  readonly storage: PlainArrays[D]

  static {
    Object.defineProperty(this.prototype, brand, { value: 'Tensor' })
  }

  /** @internal Use {@link tensor} or {@link fromStorage}: arguments are not checked here. */
  constructor(dtype: D, shape: Shape, storage: PlainArrays[D], memoryFormat: MemoryFormat = 'contiguous') {
    this.dtype = dtype
    this.shape = Object.isFrozen(shape) ? shape : Object.freeze([...shape])
    this.storage = storage
    this.memoryFormat = memoryFormat
    Object.freeze(this)
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /**
   * The elements in row-major order of the shape. The tensor's own memory where the memory format is `contiguous`, a
   * copy where it is `channelsLast`.
   */
  get data(): PlainArrays[D] {
    return this.contiguous().storage
  }

  /** This tensor in another memory format; itself where nothing changes. PyTorch: `contiguous(memory_format=…)`. */
  contiguous(format: MemoryFormat = 'contiguous'): Tensor<D> {
    checkMemoryFormat('Tensor.contiguous', format, this.rank)
    if (format === this.memoryFormat) return this
    const storage = runSync(reformatSteps(this, format, (length) => allocate(this.dtype, length)))
    return new Tensor(this.dtype, this.shape, storage, format)
  }

  /**
   * The same elements, in row-major order, under another shape; one size may be -1: it is inferred. Shares memory with
   * this tensor where that is contiguous. PyTorch: `reshape`.
   */
  reshape(shape: Shape): Tensor<D> {
    return new Tensor(this.dtype, resolveReshape('Tensor.reshape', this.shape, shape), this.data)
  }

  /** A copy with its axes in the order `axes`. PyTorch: `permute` (which gives a view). */
  permute(axes: readonly number[]): Tensor<D> {
    const order = checkPermutation('Tensor.permute', axes, this.rank)
    const storage = runSync(permuteSteps(this, order, (length) => allocate(this.dtype, length)))
    return new Tensor(
      this.dtype,
      order.map((axis) => this.shape[axis] ?? 1),
      storage,
    )
  }

  /** The elements as nested arrays, one level per axis; a lone value for a scalar. */
  toArray(): Nested<Element<D>> {
    return nest(this.shape, this.data, (value) => toElement(this.dtype, value))
  }

  /** The one element of a tensor of size 1. PyTorch: `item`. */
  item(): Element<D> {
    const value = this.storage[0]
    if (this.size !== 1 || value === undefined)
      throw new ShapeError({
        op: 'Tensor.item',
        argument: 'this',
        expected: 'of one element',
        received: shapeText(this.shape),
      })
    return toElement(this.dtype, value)
  }

  /** The tensor as PyTorch prints it. */
  toString(): string {
    return tensorText(this)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return tensorText(this)
  }
}

function toElement<D extends DType>(dtype: D, value: number | bigint): Element<D> {
  return (dtype === 'bool' ? value !== 0 : value) as Element<D>
}

function nest<T>(shape: Shape, data: ArrayLike<number | bigint>, convert: (value: number | bigint) => T): Nested<T> {
  let offset = 0
  const level = (axis: number): Nested<T> => {
    const length = shape[axis]
    if (length === undefined) return convert(data[offset++] ?? 0)
    return Array.from({ length }, () => level(axis + 1))
  }
  return level(0)
}

/** Whether a value is a {@link Tensor}, of this or another copy of the library. */
export function isTensor(value: unknown): value is Tensor<DType> {
  return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === 'Tensor'
}

/** What {@link tensor} takes as data. */
export type TensorData = ArrayLike<number> | ArrayLike<bigint> | Nested<number> | Nested<boolean> | Nested<bigint>

/**
 * Makes a tensor from numbers. PyTorch: `torch.tensor(data).reshape(shape)`.
 *
 * @param data - A number, nested arrays of numbers, or a typed array; copied.
 * @param shape - Sizes of the axes; without it the nesting of `data` gives them.
 * @param options - `dtype`, float32 if absent.
 * @throws ShapeError where the number of elements is not the product of the shape, or the nesting is ragged.
 * @throws DTypeError where `dtype` does not exist, or an element does not fit it.
 * @example
 * tensor([1, 2, 3, 4], [2, 2]).toArray() // [[1, 2], [3, 4]]
 */
export function tensor<D extends DType = 'float32'>(
  data: TensorData,
  shape?: Shape,
  options: { readonly dtype?: D } = {},
): Tensor<NoInfer<D>> {
  const dtype = (options.dtype ?? 'float32') as D
  checkDType('tensor', dtype)
  const inferred: number[] = []
  const flat = flatten(data, inferred)
  const sizes = shape ?? inferred
  checkShape('tensor', sizes)
  if (sizeOf(sizes) !== flat.length)
    throw new ShapeError({
      op: 'tensor',
      argument: 'data',
      expected: `${String(sizeOf(sizes))} numbers for shape ${shapeText(sizes)}`,
      received: String(flat.length),
    })
  const storage = allocate(dtype, flat.length)
  fill(dtype, storage, flat)
  return new Tensor(dtype, sizes, storage)
}

/** A tensor of zeros. PyTorch: `torch.zeros`. */
export function zeros<D extends DType = 'float32'>(
  shape: Shape,
  options: { readonly dtype?: D } = {},
): Tensor<NoInfer<D>> {
  const dtype = (options.dtype ?? 'float32') as D
  checkDType('zeros', dtype)
  checkShape('zeros', shape)
  return new Tensor(dtype, shape, new (arrayClass(dtype))(sizeOf(shape)))
}

/**
 * Wraps a typed array as a tensor without copying; the caller gives it away.
 *
 * @throws DTypeError where the array is not the one that stores `dtype`, ShapeError where its length is not the shape's.
 */
export function fromStorage<D extends DType>(
  dtype: D,
  storage: PlainArrays[D],
  shape: Shape,
  memoryFormat: MemoryFormat = 'contiguous',
): Tensor<D> {
  checkDType('fromStorage', dtype)
  checkShape('fromStorage', shape)
  checkMemoryFormat('fromStorage', memoryFormat, shape.length)
  checkArray('fromStorage', storage, arrayClass(dtype), dtype)
  if (storage.length !== sizeOf(shape))
    throw new ShapeError({
      op: 'fromStorage',
      argument: 'storage',
      expected: `${String(sizeOf(shape))} elements for shape ${shapeText(shape)}`,
      received: String(storage.length),
    })
  return new Tensor(dtype, shape, storage, memoryFormat)
}

function flatten(data: unknown, shape: number[]): ArrayLike<unknown> {
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) {
    const view = data as unknown as ArrayLike<unknown>
    shape.push(view.length)
    return view
  }
  const out: unknown[] = []
  const walk = (value: unknown, depth: number): void => {
    if (!Array.isArray(value)) {
      if (depth !== shape.length) throw ragged()
      out.push(value)
      return
    }
    const items: unknown[] = value
    if (out.length === 0 && shape.length === depth) shape.push(items.length)
    else if (shape[depth] !== items.length) throw ragged()
    for (const item of items) walk(item, depth + 1)
  }
  walk(data, 0)
  return out
}

function ragged(): ShapeError {
  return new ShapeError({
    op: 'tensor',
    argument: 'data',
    expected: 'nested arrays of equal lengths',
    received: 'ragged ones',
  })
}

function fill<D extends DType>(dtype: D, storage: PlainArrays[D], values: ArrayLike<unknown>): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    const ok =
      dtype === 'int64'
        ? typeof value === 'bigint' || Number.isSafeInteger(value)
        : dtype === 'bool'
          ? typeof value === 'boolean' || value === 0 || value === 1
          : typeof value === 'number'
    if (!ok)
      throw new DTypeError({
        op: 'tensor',
        argument: `data[${String(i)}]`,
        expected: `a value of dtype ${dtype}`,
        received: show(value),
      })
    const stored = dtype === 'int64' ? BigInt(value as number | bigint) : Number(value)
    storage[i] = stored
    if (dtype !== 'float32' && storage[i] !== stored)
      throw new DTypeError({
        op: 'tensor',
        argument: `data[${String(i)}]`,
        expected: `a value of dtype ${dtype}`,
        received: show(value),
      })
  }
}

/** Refuses what is not a plain tensor of the given dtype; a quantized one is told how to become one. */
export function checkTensor<D extends DType = 'float32'>(
  op: string,
  value: unknown,
  argument: string,
  dtype: D = 'float32' as D,
): asserts value is Tensor<D> {
  if (!isTensor(value))
    throw new DTypeError({
      op,
      argument,
      expected: `a Tensor of ${dtype}`,
      received: show(value),
      ...(isQuantized(value) && {
        hint: 'It is quantized: call .dequantize(), put an nn.DeQuantStub before this layer, or use the op of the same name in ops.quantized.',
      }),
    })
  if (value.dtype !== dtype)
    throw new DTypeError({ op, argument, expected: `a Tensor of ${dtype}`, received: `a Tensor of ${value.dtype}` })
  checkMemory(op, argument, value.storage, value.size)
}

function isQuantized(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, Symbol.for('int8.QTensor')) === 'QTensor'
}

/** Whether two tensors hold the same dtype, shape and bytes (in row-major order; NaN equals itself). */
export function equal(a: Tensor<DType>, b: Tensor<DType>): boolean {
  if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) return false
  const x = a.data
  const y = b.data
  for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false
  return true
}
