/** NumPy's .npy files: one array, its type and sizes in a header of text. Versions 1 to 3, row-major, little endian. */
import { FormatError } from '../errors'
import type { Refuse } from './header'

/** Where an .npy file's elements begin, and what they are. */
export interface NpyHeader {
  /** NumPy's name of the type without its byte order: `f4`, `u1`, `i8`, … */
  readonly descr: string
  readonly shape: readonly number[]
  /** Offset of the first element. */
  readonly dataStart: number
}

const magic = '\x93NUMPY'
/** Largest header that is read. */
const maxHeader = 65536

/** Bytes of a file's begin that are enough for {@link readNpyHeader}. */
export const npyPrefix = 12 + maxHeader

/** Reads the header at the begin of a file. `refuse` is called at the first fault and must throw. */
export function readNpyHeader(bytes: Uint8Array, refuse: Refuse): NpyHeader {
  const text = (begin: number, end: number): string => Buffer.from(bytes.subarray(begin, end)).toString('latin1')
  if (text(0, 6) !== magic) refuse('it does not begin as NumPy writes')
  const [major = 0] = bytes.subarray(6)
  if (major < 1 || major > 3) refuse(`its version is ${String(major)}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = major === 1 ? 10 : 12
  if (bytes.length < start) refuse('it was cut off')
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > maxHeader || start + length > bytes.length) refuse(`its header claims ${String(length)} bytes`)
  const header = text(start, start + length)
  const descr = /'descr'\s*:\s*'([<>|=])(\w\d+)'/.exec(header)
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(header)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)
  if (descr === null || shape === null || order === null) refuse('its header is not of one plain array')
  if (order[1] === 'True') refuse('it is stored column by column (fortran_order)')
  if (descr[1] === '>') refuse('it is big-endian')
  const sizes = (shape[1] ?? '')
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '')
    .map(Number)
  if (sizes.some((size) => !Number.isSafeInteger(size))) refuse('a size is no whole number')
  return { descr: descr[2] ?? '', shape: sizes, dataStart: start + length }
}

/** Refuses an .npy file of this name with a FormatError. */
export function refuseNpy(op: string, path: string): Refuse {
  return (fault) => {
    throw new FormatError({ op, message: `${path} is not an .npy file that can be read: ${fault}` })
  }
}
