/**
 * safetensors in and out: 8 bytes of header length, a JSON header, the elements.
 *
 * A file is a stranger's: every number of its header is checked before anything is read or allocated by it, in the order
 * length, limit, UTF-8, grammar, dtype and shape, size, offsets; the data must be covered exactly, without hole or
 * overlap. Elements are copied out, so that they are aligned and outlive the file's buffer.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { ArgumentError, DTypeError, FormatError, show } from '../errors'
import type { DType } from '../tensor/dtype'
import type { QTensor } from '../tensor/qtensor'
import { maxElements, shapeText } from '../tensor/shape'
import { isTensor, type Tensor } from '../tensor/tensor'
import { fileBytes, fileDTypes, ownBytes, writtenDTypes } from './elements'
import { metadataKey, readHeader, type Refuse, type TensorInfo } from './header'
import { fromTensors, toTensors } from './state-dict'

export { fromTensors, toTensors }

/** Content of a safetensors file. */
export interface SafetensorsFile {
  /** Tensors by name, in the order of the header. */
  readonly tensors: Map<string, Tensor<DType>>
  /** The header's text about the file; empty where it has none. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Largest header that is read, as the format's own reader has it. */
const maxHeaderLength = 100_000_000

/**
 * Reads the bytes of a safetensors file.
 *
 * F32, I32, I64, U8, I8 and BOOL keep their type; F16 and BF16 become float32, I16 and U16 int32 (exactly), F64 float32
 * (rounded). Codes of quantized tensors stay plain tensors: `fromTensors` joins them with their scales.
 *
 * @param bytes - The file; it is not kept, and may lie at any offset of its buffer.
 * @throws FormatError where the bytes are not what the format says, or hold a dtype that is not read.
 */
export function parseSafetensors(bytes: Uint8Array): SafetensorsFile {
  const op = 'parseSafetensors'
  if (Object.prototype.toString.call(bytes) !== '[object Uint8Array]')
    throw new DTypeError({ op, argument: 'bytes', expected: 'a Uint8Array', received: show(bytes) })
  return parse(bytes, (fault) => {
    throw new FormatError({ op, message: `bytes are not a safetensors file: ${fault}` })
  })
}

/**
 * Reads a safetensors file: {@link parseSafetensors} of its bytes.
 *
 * @throws FormatError that names the path; the file system's own error where the file cannot be read.
 */
export async function loadSafetensors(path: string): Promise<SafetensorsFile> {
  return parse(await readFile(path), refuseFile('loadSafetensors', path))
}

/** {@link loadSafetensors}, on the event loop. */
export function loadSafetensorsSync(path: string): SafetensorsFile {
  return parse(readFileSync(path), refuseFile('loadSafetensorsSync', path))
}

function refuseFile(op: string, path: string): Refuse {
  return (fault) => {
    throw new FormatError({ op, message: `${path} is not a safetensors file: ${fault}` })
  }
}

function parse(bytes: Uint8Array, refuse: Refuse): SafetensorsFile {
  if (bytes.length < 8) refuse(`it has ${String(bytes.length)} bytes, and the length of the header alone takes 8`)
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (declared > maxHeaderLength)
    refuse(`its header claims ${String(declared)} bytes, and the limit is ${String(maxHeaderLength)}`)
  const dataStart = 8 + Number(declared)
  if (dataStart > bytes.length)
    refuse(`its header claims ${String(declared)} bytes, and ${String(bytes.length - 8)} follow`)
  const header = readHeader(decode(bytes.subarray(8, dataStart), refuse), refuse)
  const data = bytes.subarray(dataStart)
  const readers = [...header.tensors].map(([name, info]) => [name, checkInfo(name, info, data.length, refuse)] as const)
  checkCover(header.tensors, data.length, refuse)
  const tensors = new Map(readers.map(([name, read]) => [name, read(data)]))
  return { tensors, metadata: header.metadata }
}

function decode(bytes: Uint8Array, refuse: Refuse): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return refuse('its header is not UTF-8')
  }
}

/** Checks one tensor of the header against the data's length; returns what reads it. */
function checkInfo(
  name: string,
  { dtype, shape, begin, end }: TensorInfo,
  dataLength: number,
  refuse: Refuse,
): (data: Uint8Array) => Tensor<DType> {
  const which = `tensor ${JSON.stringify(name)}`
  const type = fileDTypes.get(dtype)
  if (type === undefined)
    return refuse(`${which} has dtype ${show(dtype)}, and only ${[...fileDTypes.keys()].join(', ')} are read`)
  let size = 1
  for (const length of shape) {
    size *= length
    if (length > maxElements || size > maxElements)
      refuse(`${which} has shape ${shapeText(shape)}, and a tensor has at most ${String(maxElements)} elements`)
  }
  if (begin > end || end > dataLength)
    refuse(
      `${which} has data_offsets [${String(begin)}, ${String(end)}], and there are ${String(dataLength)} bytes of data`,
    )
  if (end - begin !== size * type.size)
    refuse(
      `${which} takes ${String(size * type.size)} bytes as ${dtype} ${shapeText(shape)}, but its data_offsets span ${String(end - begin)}`,
    )
  return (data) =>
    type.read(ownBytes(data.subarray(begin, end), type.size), shape) ??
    refuse(`${which} is BOOL and has bytes other than 0 and 1`)
}

/** Refuses data that the tensors do not cover exactly. */
function checkCover(tensors: ReadonlyMap<string, TensorInfo>, dataLength: number, refuse: Refuse): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  let covered = 0
  for (const [name, { begin, end }] of sorted) {
    if (begin !== covered)
      refuse(
        `tensor ${JSON.stringify(name)} begins at byte ${String(begin)} of the data and the one before it ends at ${String(covered)}: ${begin > covered ? 'a hole' : 'they overlap'}`,
      )
    covered = end
  }
  if (covered !== dataLength)
    refuse(`its tensors take ${String(covered)} bytes, but ${String(dataLength)} follow the header`)
}

/**
 * Writes tensors as a safetensors file. The bytes depend on names and tensors alone, not on the map's order: tensors with
 * larger elements come first, then by name, as the format's own writer does it, so that each is aligned.
 *
 * @param tensors - A state dict, or any named tensors; quantized ones are written as `toTensors` splits them.
 * @param metadata - Text about the file.
 * @throws ArgumentError where a name is taken twice or is `__metadata__`, or metadata is not text.
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, Tensor<DType> | QTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return serialize('serializeSafetensors', tensors, metadata)
}

/** Writes a safetensors file: {@link serializeSafetensors} to a path. */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor<DType> | QTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFile(path, serialize('saveSafetensors', tensors, metadata))
}

/** {@link saveSafetensors}, on the event loop. */
export function saveSafetensorsSync(
  path: string,
  tensors: ReadonlyMap<string, Tensor<DType> | QTensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  writeFileSync(path, serialize('saveSafetensorsSync', tensors, metadata))
}

function serialize(
  op: string,
  named: ReadonlyMap<string, Tensor<DType> | QTensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const tensors = toTensors(named, op)
  const entries: [string, unknown][] = []
  const text = checkMetadata(op, metadata)
  if (text.length > 0) entries.push([metadataKey, Object.fromEntries(text)])
  const chunks: Uint8Array[] = []
  let end = 0
  for (const [dtype, fileDType] of writtenDTypes)
    for (const [name, tensor] of sortedByName(tensors)) {
      if (tensor.dtype !== dtype) continue
      const chunk = fileBytes(tensor)
      const begin = end
      end += chunk.length
      chunks.push(chunk)
      entries.push([name, { dtype: fileDType, shape: tensor.shape, data_offsets: [begin, end] }])
    }
  // Not through one object: JSON.stringify would move names that look like array indices to the front.
  const json = `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`
  const header = Buffer.from(json)
  const padded = Math.ceil(header.length / 8) * 8
  if (padded > maxHeaderLength)
    throw new ArgumentError({
      op,
      message: `the header would take ${String(padded)} bytes, and readers stop at ${String(maxHeaderLength)}`,
    })
  const bytes = new Uint8Array(8 + padded + end)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.fill(0x20, 8, 8 + padded)
  bytes.set(header, 8)
  let at = 8 + padded
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}

function checkMetadata(op: string, metadata: unknown): [string, string][] {
  if (typeof metadata !== 'object' || metadata === null || isTensor(metadata))
    throw new ArgumentError({ op, argument: 'metadata', expected: 'an object of strings', received: show(metadata) })
  const entries: [string, string][] = Object.entries(metadata).map(([key, value]: [string, unknown]) => {
    if (typeof value !== 'string')
      throw new ArgumentError({ op, argument: `metadata.${key}`, expected: 'a string', received: show(value) })
    return [key, value]
  })
  return sortedByName(entries)
}

function sortedByName<T>(entries: Iterable<readonly [string, T]>): [string, T][] {
  return [...entries]
    .map(([name, value]): [string, T] => [name, value])
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)) || (a < b ? -1 : 1))
}
