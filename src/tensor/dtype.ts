/** Element types: names, storage arrays and ranges. */
import { DTypeError, show } from '../errors'

/** Storage of each plain element type. `bool` holds 0 and 1. */
export interface PlainArrays {
  readonly float32: Float32Array
  readonly int32: Int32Array
  readonly int64: BigInt64Array
  readonly uint8: Uint8Array
  readonly int8: Int8Array
  readonly bool: Uint8Array
}
/** Storage of each quantized element type. */
export interface QuantizedArrays {
  readonly quint8: Uint8Array
  readonly qint8: Int8Array
  readonly qint32: Int32Array
}

/** Element type of a {@link Tensor}. */
export type DType = keyof PlainArrays
/** Element type of a {@link QTensor}; PyTorch's `torch.quint8`, `torch.qint8`, `torch.qint32`. */
export type QDType = keyof QuantizedArrays
/** The two 8-bit quantized types, which kernels compute with. */
export type QDType8 = 'quint8' | 'qint8'

/** An array type made by length, as all typed arrays are. */
export interface ArrayClass<A> {
  new (lengthOrBuffer: number | ArrayBuffer): A
  readonly name: string
  readonly BYTES_PER_ELEMENT: number
}

const plainClasses: { readonly [D in DType]: ArrayClass<PlainArrays[D]> } = {
  float32: Float32Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  int8: Int8Array,
  bool: Uint8Array,
}
const quantizedClasses: { readonly [D in QDType]: ArrayClass<QuantizedArrays[D]> } = {
  quint8: Uint8Array,
  qint8: Int8Array,
  qint32: Int32Array,
}

/** Least and largest code of each quantized type. */
export const codeRange: Readonly<Record<QDType, readonly [min: number, max: number]>> = {
  quint8: [0, 255],
  qint8: [-128, 127],
  qint32: [-2147483648, 2147483647],
}

/** The typed array that stores a plain dtype. */
export function arrayClass<D extends DType>(dtype: D): ArrayClass<PlainArrays[D]> {
  return plainClasses[dtype]
}

/** The typed array that stores a quantized dtype. */
export function codeArrayClass<D extends QDType>(dtype: D): ArrayClass<QuantizedArrays[D]> {
  return quantizedClasses[dtype]
}

/** Whether a value names a plain dtype. */
export function isDType(value: unknown): value is DType {
  return typeof value === 'string' && Object.hasOwn(plainClasses, value)
}

/** Whether a value names a quantized dtype. */
export function isQDType(value: unknown): value is QDType {
  return typeof value === 'string' && Object.hasOwn(quantizedClasses, value)
}

/** Refuses what does not name a plain dtype. */
export function checkDType(op: string, dtype: unknown): asserts dtype is DType {
  if (!isDType(dtype))
    throw new DTypeError({
      op,
      argument: 'dtype',
      expected: Object.keys(plainClasses).join(', '),
      received: show(dtype),
      ...(isQDType(dtype) && { hint: 'A quantized tensor is made by quantizePerTensor or quantizePerChannel.' }),
    })
}

/** Refuses what does not name a quantized dtype, or is not among `allowed`. */
export function checkQDType<D extends QDType>(op: string, dtype: unknown, allowed: readonly D[]): asserts dtype is D {
  if (!isQDType(dtype) || !(allowed as readonly QDType[]).includes(dtype))
    throw new DTypeError({ op, argument: 'dtype', expected: allowed.join(' or '), received: show(dtype) })
}

/**
 * Refuses an array that is not of the class that stores the dtype (told by its tag, so that realms do not matter), or that
 * lies in memory which other threads can change under way.
 */
export function checkArray(op: string, storage: unknown, expected: ArrayClass<unknown>, dtype: string): void {
  if (tag(storage) !== `[object ${expected.name}]`)
    throw new DTypeError({
      op,
      argument: 'storage',
      expected: `a ${expected.name} for ${dtype}`,
      received: show(storage),
    })
  refuseShared(op, 'storage', storage)
}

/** Refuses an array over memory that other threads can change under way. */
export function refuseShared(op: string, argument: string, storage: unknown): void {
  if (ArrayBuffer.isView(storage) && tag(storage.buffer) === '[object SharedArrayBuffer]')
    throw new DTypeError({
      op,
      argument,
      expected: 'memory of this thread alone',
      received: 'a SharedArrayBuffer',
      hint: 'Other threads could write to it while a kernel reads: copy it first, by .slice().',
    })
}

function tag(value: unknown): string {
  return Object.prototype.toString.call(value)
}

/** Refuses a tensor whose memory has been taken from under it: a buffer that was transferred to a worker, or resized. */
export function checkMemory(op: string, argument: string, storage: ArrayLike<unknown>, size: number): void {
  if (storage.length !== size)
    throw new DTypeError({
      op,
      argument,
      expected: `a tensor that still has its ${String(size)} elements`,
      received: `one with ${String(storage.length)}`,
      hint: 'Its buffer was transferred or resized after the tensor was made: pass a copy to workers instead.',
    })
}

/**
 * Memory for a result of which every element will be written. It is not zeroed: for the result of a convolution that
 * would cost as much as the convolution.
 */
export function allocate<D extends DType>(dtype: D, length: number): PlainArrays[D] {
  return uninitialized(plainClasses[dtype], length)
}

/** {@link allocate} for codes. */
export function allocateCodes<D extends QDType>(dtype: D, length: number): QuantizedArrays[D] {
  return uninitialized(quantizedClasses[dtype], length)
}

function uninitialized<A>(Class: ArrayClass<A>, length: number): A {
  // A buffer of its own, never a part of Node's shared pool.
  const { buffer } = Buffer.allocUnsafeSlow(length * Class.BYTES_PER_ELEMENT)
  return new Class(buffer)
}
