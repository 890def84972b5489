/** The elements of a safetensors file: its dtypes, and their bytes as typed arrays and back. */
import type { DType, PlainArrays } from '../tensor/dtype'
import { Tensor } from '../tensor/tensor'
import type { Shape } from '../tensor/shape'

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** How a dtype of the format is read. */
interface FileDType {
  /** Bytes of one element. */
  readonly size: 1 | 2 | 4 | 8
  /** What it becomes: the same type, or the narrowest of ours that takes it. */
  readonly dtype: DType
  /** Makes the tensor from aligned bytes of its own. `undefined`: the bytes are no such elements. */
  readonly read: (bytes: ArrayBuffer, shape: Shape) => Tensor<DType> | undefined
}

function plain<D extends DType>(
  size: FileDType['size'],
  dtype: D,
  view: (bytes: ArrayBuffer) => PlainArrays[D],
): FileDType {
  return { size, dtype, read: (bytes, shape) => new Tensor<DType>(dtype, shape, view(bytes)) }
}

/** Every dtype that can be read, by the format's name for it. */
export const fileDTypes: ReadonlyMap<string, FileDType> = new Map<string, FileDType>([
  [
    'BOOL',
    {
      size: 1,
      dtype: 'bool',
      read: (bytes, shape) => {
        const values = new Uint8Array(bytes)
        return values.every((value) => value <= 1) ? new Tensor<DType>('bool', shape, values) : undefined
      },
    },
  ],
  ['U8', plain(1, 'uint8', (bytes) => new Uint8Array(bytes))],
  ['I8', plain(1, 'int8', (bytes) => new Int8Array(bytes))],
  ['I16', plain(2, 'int32', (bytes) => Int32Array.from(new Int16Array(bytes)))],
  ['U16', plain(2, 'int32', (bytes) => Int32Array.from(new Uint16Array(bytes)))],
  ['F16', plain(2, 'float32', (bytes) => Float32Array.from(new Uint16Array(bytes), halfToNumber))],
  ['BF16', plain(2, 'float32', (bytes) => brainFloats(new Uint16Array(bytes)))],
  ['I32', plain(4, 'int32', (bytes) => new Int32Array(bytes))],
  ['F32', plain(4, 'float32', (bytes) => new Float32Array(bytes))],
  ['F64', plain(8, 'float32', (bytes) => Float32Array.from(new Float64Array(bytes)))],
  ['I64', plain(8, 'int64', (bytes) => new BigInt64Array(bytes))],
])

/** The format's name for each of our dtypes, largest elements first: the order in which tensors are written. */
export const writtenDTypes: readonly (readonly [DType, string])[] = [
  ['int64', 'I64'],
  ['float32', 'F32'],
  ['int32', 'I32'],
  ['int8', 'I8'],
  ['uint8', 'U8'],
  ['bool', 'BOOL'],
]

/** Value of an IEEE half: 5 bits of exponent, 10 of fraction. Exact. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** A bfloat16 is the upper half of a float32. Exact. */
function brainFloats(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer)
}

/** Bytes of a file as aligned memory of their own, in this machine's byte order. */
export function ownBytes(bytes: Uint8Array, size: FileDType['size']): ArrayBuffer {
  const own = new ArrayBuffer(bytes.byteLength)
  new Uint8Array(own).set(bytes)
  toFileOrder(own, size)
  return own
}

/** A tensor's elements, row-major, as the bytes of a file. */
export function fileBytes(tensor: Tensor<DType>): Uint8Array {
  const { data } = tensor
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  if (littleEndian) return bytes
  const own = bytes.slice()
  toFileOrder(own.buffer, data.BYTES_PER_ELEMENT as FileDType['size'])
  return own
}

/** Swaps bytes in place where this machine is not little-endian, as the format is. */
function toFileOrder(bytes: ArrayBuffer, size: FileDType['size']): void {
  if (littleEndian) return
  const view = Buffer.from(bytes)
  if (size === 2) view.swap16()
  if (size === 4) view.swap32()
  if (size === 8) view.swap64()
}
