/** Tensors as ONNX files hold them. */
import { create } from '@bufbuild/protobuf'
import { FormatError, UnsupportedOperatorError } from '../errors'
import { checkShape, shapeText, sizeOf, type Shape } from '../tensor/shape'
import { known, type Value } from '../runtime/value'
import { arrayOf, typeNumbers, typeOfNumber, type ElementArrays, type NumericArray, type NumericType } from './types'
import { TensorProtoSchema, type TensorProto } from './proto/onnx_pb'

const op = 'onnx'
/** `TensorProto.DataLocation.EXTERNAL` */
const externalLocation = 1

/** Gives the bytes of a tensor that lies in another file. */
export type ExternalReader = (location: string, offset: number, length: number | undefined) => Uint8Array

/** Reads a tensor. Its declared size is compared with the bytes that are there before anything is allocated. */
export function valueOfTensor(proto: TensorProto, external: ExternalReader): Value {
  const name = proto.name === '' ? 'a tensor' : `tensor "${proto.name}"`
  const type = typeOfNumber(proto.dataType)
  if (type === undefined)
    throw new UnsupportedOperatorError({ op, message: `${name} has element type ${String(proto.dataType)}` })
  const dims = proto.dims.map(Number)
  checkShape(op, dims, `dims of ${name}`)
  const count = sizeOf(dims)
  if (type === 'string') {
    if (proto.stringData.length !== count) throw wrongCount(name, dims, proto.stringData.length, 'strings')
    const decoder = new TextDecoder()
    return known(
      type,
      dims,
      proto.stringData.map((bytes) => decoder.decode(bytes)),
    )
  }
  if (proto.dataLocation === externalLocation)
    return known(type, dims, ofBytes(name, type, dims, externalBytes(name, proto, external))) as Value
  if (proto.rawData.length > 0) return known(type, dims, ofBytes(name, type, dims, proto.rawData)) as Value
  return known(type, dims, ofFields(name, type, dims, proto)) as Value
}

function externalBytes(name: string, proto: TensorProto, external: ExternalReader): Uint8Array {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]))
  const location = entries.get('location')
  if (location === undefined) throw new FormatError({ op, message: `${name} lies in another file, but names none` })
  const whole = (key: string): number | undefined => {
    const text = entries.get(key)
    if (text === undefined) return undefined
    if (!/^\d{1,15}$/.test(text)) throw new FormatError({ op, message: `${name} has the external ${key} "${text}"` })
    return Number(text)
  }
  return external(location, whole('offset') ?? 0, whole('length'))
}

/** Bytes that `count` elements of a type take in a file. */
function byteLength(type: NumericType, count: number): number {
  return type === 'int4' || type === 'uint4' ? Math.ceil(count / 2) : count * arrayOf(type).BYTES_PER_ELEMENT
}

function ofBytes<T extends NumericType>(name: string, type: T, dims: Shape, bytes: Uint8Array): ElementArrays[T] {
  const count = sizeOf(dims)
  if (bytes.length !== byteLength(type, count)) throw wrongCount(name, dims, bytes.length, `bytes of ${type}`)
  if (type === 'int4' || type === 'uint4') return nibbles(type, bytes, count) as ElementArrays[T]
  const ArrayClass = arrayOf(type)
  // In place, where the address allows it: the file's bytes belong to the model.
  if (type !== 'bool' && bytes.byteOffset % ArrayClass.BYTES_PER_ELEMENT === 0)
    return new ArrayClass(bytes.buffer, bytes.byteOffset, count)
  const array = new ArrayClass(count)
  new Uint8Array(array.buffer).set(bytes)
  if (type === 'bool') normalizeBools(array as Uint8Array)
  return array
}

/** Two elements per byte, the lower half first. */
function nibbles(type: 'int4' | 'uint4', bytes: ArrayLike<number>, count: number): Int8Array | Uint8Array {
  const array = new (arrayOf<'int4' | 'uint4'>(type))(count)
  for (let i = 0; i < count; i++) {
    const nibble = ((bytes[i >> 1] ?? 0) >> (i % 2 === 0 ? 0 : 4)) & 15
    array[i] = type === 'int4' && nibble > 7 ? nibble - 16 : nibble
  }
  return array
}

function normalizeBools(array: Uint8Array): void {
  array.forEach((value, i) => {
    if (value > 1) array[i] = 1
  })
}

/** Elements that lie in the typed fields. */
function ofFields(name: string, type: NumericType, dims: Shape, proto: TensorProto): NumericArray {
  const count = sizeOf(dims)
  const expect = <A extends { readonly length: number }>(field: A, length = count): A => {
    if (field.length !== length) throw wrongCount(name, dims, field.length, `elements of ${type}`)
    return field
  }
  switch (type) {
    case 'float32':
      return Float32Array.from(expect(proto.floatData))
    case 'float64':
      return Float64Array.from(expect(proto.doubleData))
    case 'int64':
      return BigInt64Array.from(expect(proto.int64Data))
    case 'uint64':
      return BigUint64Array.from(expect(proto.uint64Data))
    case 'uint32':
      return Uint32Array.from(expect(proto.uint64Data), Number)
    case 'int4':
    case 'uint4':
      return nibbles(type, expect(proto.int32Data, Math.ceil(count / 2)), count)
    default: {
      const array = new (arrayOf<NumericType>(type))(count) as Exclude<NumericArray, BigInt64Array | BigUint64Array>
      expect(proto.int32Data).forEach((value, i) => {
        array[i] = value
      })
      if (type === 'bool') normalizeBools(array as Uint8Array)
      return array
    }
  }
}

function wrongCount(name: string, dims: Shape, length: number, what: string): FormatError {
  return new FormatError({
    op,
    message: `${name} of shape ${shapeText(dims)} has ${String(length)} ${what}`,
    hint: 'The file is damaged or was cut off.',
  })
}

/** A tensor for a file. The value must be contiguous. */
export function tensorOfValue(name: string, value: Value): TensorProto {
  const head = { name, dims: value.dims.map(BigInt), dataType: typeNumbers[value.type] }
  if (value.type === 'string') {
    const encoder = new TextEncoder()
    return create(TensorProtoSchema, { ...head, stringData: value.data.map((text) => encoder.encode(text)) })
  }
  return create(TensorProtoSchema, { ...head, rawData: bytesOf(value) })
}

function bytesOf(value: Exclude<Value, { readonly type: 'string' }>): Uint8Array<ArrayBuffer> {
  const { data } = value
  if (value.type !== 'int4' && value.type !== 'uint4')
    return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  const bytes = new Uint8Array(Math.ceil(data.length / 2))
  value.data.forEach((element, i) => {
    bytes[i >> 1] = (bytes[i >> 1] ?? 0) | ((element & 15) << (i % 2 === 0 ? 0 : 4))
  })
  return bytes
}

/** An element type by its number, for messages. */
export function typeName(n: number): string {
  return typeOfNumber(n) ?? `type ${String(n)}`
}
