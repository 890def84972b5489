/** Arrays in files (.npy, .safetensors), read in rows of their first axis: a file may be larger than memory. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { FormatError } from '../errors'
import { readHeader, type Refuse } from '../io/header'
import { npyPrefix, readNpyHeader, refuseNpy } from '../io/npy'
import { arrayOf, type NumericArray, type NumericType } from '../onnx/types'
import { sizeOf } from '../tensor/shape'
import { UsageError } from './usage'

/** An array in a file. */
export interface ArrayFile {
  /** The tensor's name; `''` in an .npy file. */
  readonly name: string
  readonly type: NumericType
  readonly shape: readonly number[]
  /** Elements of `count` entries of the first axis, from `first` on; of all of an array without axes. */
  readonly rows: (first: number, count: number) => NumericArray
}

const npyTypes: Readonly<Record<string, NumericType>> = {
  f4: 'float32',
  f8: 'float64',
  f2: 'float16',
  u1: 'uint8',
  i1: 'int8',
  u2: 'uint16',
  i2: 'int16',
  u4: 'uint32',
  i4: 'int32',
  u8: 'uint64',
  i8: 'int64',
  b1: 'bool',
}
const safetensorsTypes: Readonly<Record<string, NumericType>> = {
  F32: 'float32',
  F64: 'float64',
  F16: 'float16',
  BF16: 'bfloat16',
  U8: 'uint8',
  I8: 'int8',
  U16: 'uint16',
  I16: 'int16',
  U32: 'uint32',
  I32: 'int32',
  I64: 'int64',
  U64: 'uint64',
  BOOL: 'bool',
}

/** The arrays of a file. */
export function openArrays(path: string): ArrayFile[] {
  switch (extname(path).toLowerCase()) {
    case '.npy':
      return [openNpy(path)]
    case '.safetensors':
      return openSafetensors(path)
    default:
      throw new UsageError(`${path}: only .npy and .safetensors files can be read`)
  }
}

function openNpy(path: string): ArrayFile {
  const refuse = refuseNpy('int8', path)
  return withFile(path, (read, size) => {
    const { descr, shape, dataStart } = readNpyHeader(read(0, Math.min(size, npyPrefix)), refuse)
    const type = npyTypes[descr]
    if (type === undefined) return refuse(`its type is ${descr}`)
    return arrayAt(path, '', type, shape, dataStart, size, refuse)
  })
}

function openSafetensors(path: string): ArrayFile[] {
  const refuse: Refuse = (fault) => {
    throw new FormatError({ op: 'int8', message: `${path} is not a safetensors file: ${fault}` })
  }
  return withFile(path, (read, size) => {
    const length = size < 8 ? 0 : Number(new DataView(read(0, 8).buffer).getBigUint64(0, true))
    if (size < 8 || length > size - 8) refuse('its header is longer than the file')
    const { tensors } = readHeader(Buffer.from(read(8, length)).toString('utf8'), refuse)
    return [...tensors].map(([name, { dtype, shape, begin, end }]) => {
      const type = safetensorsTypes[dtype]
      if (type === undefined) return refuse(`tensor "${name}" is of ${dtype}`)
      const file = arrayAt(path, name, type, shape, 8 + length + begin, size, refuse)
      if (end - begin !== sizeOf(shape) * arrayOf(type).BYTES_PER_ELEMENT)
        refuse(`tensor "${name}" has ${String(end - begin)} bytes`)
      return file
    })
  })
}

function arrayAt(
  path: string,
  name: string,
  type: NumericType,
  shape: readonly number[],
  offset: number,
  size: number,
  refuse: Refuse,
): ArrayFile {
  const ArrayClass = arrayOf(type)
  const inner = sizeOf(shape.slice(1))
  const length = sizeOf(shape) * ArrayClass.BYTES_PER_ELEMENT
  if (!Number.isSafeInteger(length) || offset + length > size)
    refuse(`${name === '' ? 'the array' : `tensor "${name}"`} needs ${String(length)} bytes, more than there are`)
  return {
    name,
    type,
    shape,
    rows: (first, count) => {
      const bytes = inner * ArrayClass.BYTES_PER_ELEMENT
      return withFile(path, (read) => new ArrayClass(read(offset + first * bytes, count * bytes).buffer))
    },
  }
}

/** Opens a file and hands over a reader of its bytes, each time into memory of its own. */
function withFile<R>(
  path: string,
  use: (read: (offset: number, length: number) => Uint8Array<ArrayBuffer>, size: number) => R,
): R {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const read = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
      const bytes = new Uint8Array(length)
      for (let done = 0; done < length;) {
        const count = readSync(file, bytes, done, length - done, offset + done)
        if (count === 0) throw new FormatError({ op: 'int8', message: `${path} was cut off while it was read` })
        done += count
      }
      return bytes
    }
    return use(read, size)
  } finally {
    closeSync(file)
  }
}
