/** ONNX's element types: their names, numbers and arrays. */

/** The array that holds each element type. */
export interface ElementArrays {
  readonly float32: Float32Array
  readonly uint8: Uint8Array
  readonly int8: Int8Array
  readonly uint16: Uint16Array
  readonly int16: Int16Array
  readonly int32: Int32Array
  readonly int64: BigInt64Array
  /** One string per element. */
  readonly string: string[]
  /** 0 and 1. */
  readonly bool: Uint8Array
  /** The bits of IEEE binary16. */
  readonly float16: Uint16Array
  readonly float64: Float64Array
  readonly uint32: Uint32Array
  readonly uint64: BigUint64Array
  /** The upper half of a float32's bits. */
  readonly bfloat16: Uint16Array
  /** One element per byte, 0 to 15. */
  readonly uint4: Uint8Array
  /** One element per byte, -8 to 7. */
  readonly int4: Int8Array
}

/** Element type of an ONNX value, by onnxruntime's names. */
export type ElementType = keyof ElementArrays
/** Every type but strings. */
export type NumericType = Exclude<ElementType, 'string'>
/** Arrays of numbers. */
export type NumericArray = ElementArrays[NumericType]

interface ArrayClass<A> {
  new (length: number): A
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): A
  readonly BYTES_PER_ELEMENT: number
}

const classes: { readonly [T in NumericType]: ArrayClass<ElementArrays[T]> } = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  float64: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bfloat16: Uint16Array,
  uint4: Uint8Array,
  int4: Int8Array,
}

/** `TensorProto.DataType` by name. */
export const typeNumbers: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
}

const typesByNumber = new Map(Object.entries(typeNumbers).map(([name, n]) => [n, name as ElementType]))

/** The type of a `TensorProto.DataType` number; undefined for those that this library does not read. */
export function typeOfNumber(n: number): ElementType | undefined {
  return typesByNumber.get(n)
}

/** The typed array class of a type. */
export function arrayOf<T extends NumericType>(type: T): ArrayClass<ElementArrays[T]> {
  return classes[type]
}

/** Whether a value names an element type. */
export function isElementType(value: unknown): value is ElementType {
  return typeof value === 'string' && Object.hasOwn(typeNumbers, value)
}

let mostElements = Infinity

/** Thrown inside {@link withinElements} before an array that is too long is made. */
export class TooManyElements extends Error {}

/** Does something in which {@link allocateElements} makes arrays of up to so many elements. */
export function withinElements<R>(most: number, act: () => R): R {
  const before = mostElements
  mostElements = most
  try {
    return act()
  } finally {
    mostElements = before
  }
}

/** A new array of zeros (of empty strings). */
export function allocateElements<T extends ElementType>(type: T, length: number): ElementArrays[T] {
  if (length > mostElements)
    throw new TooManyElements(`${String(length)} elements are more than ${String(mostElements)}`)
  const numeric: NumericType | undefined = type === 'string' ? undefined : type
  const array = numeric === undefined ? new Array<string>(length).fill('') : new (arrayOf(numeric))(length)
  return array as ElementArrays[T]
}

/** Types whose elements are bigints in JavaScript. */
export function isBigType(type: ElementType): type is 'int64' | 'uint64' {
  return type === 'int64' || type === 'uint64'
}
