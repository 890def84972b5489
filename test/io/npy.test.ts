/** Headers of .npy files. */
import { FormatError } from '../../src/errors'
import { readNpyHeader, refuseNpy } from '../../src/io/npy'
import { npyOf } from '../support/npy'

const read = (bytes: Uint8Array): ReturnType<typeof readNpyHeader> =>
  readNpyHeader(bytes, refuseNpy('test', 'file.npy'))
const floats = Float32Array.of(1, 2, 3, 4, 5, 6)

test.each([1, 2, 3])('a header of version %i tells type, sizes and where the elements begin', (version) => {
  const bytes = npyOf('<f4', [2, 3], floats, { version })
  const header = read(bytes)
  expect(header).toEqual({ descr: 'f4', shape: [2, 3], dataStart: bytes.length - 24 })
})

test('arrays without an axis, with one, and with none of their elements are read', () => {
  expect(read(npyOf('|u1', [], new Uint8Array(1))).shape).toEqual([])
  expect(read(npyOf('|u1', [5], new Uint8Array(5)))).toMatchObject({ descr: 'u1', shape: [5] })
  expect(read(npyOf('<i8', [0, 3], new Uint8Array(0))).shape).toEqual([0, 3])
})

test.each([
  ['something else', Buffer.from('PK\x03\x04 and more'), 'does not begin as NumPy writes'],
  ['an empty file', new Uint8Array(0), 'does not begin as NumPy writes'],
  ['a version to come', npyOf('<f4', [6], floats, { version: 4 }), 'its version is 4'],
  ['a file that was cut off', npyOf('<f4', [6], floats).subarray(0, 40), 'its header claims'],
  ['columns first', npyOf('<f4', [2, 3], floats, { order: 'True' }), 'fortran_order'],
  ['big-endian elements', npyOf('>f4', [6], floats), 'big-endian'],
  ['a structured type', npyOf('<f4, <i4', [6], floats), 'not of one plain array'],
  ['a size beyond numbers', npyOf('<f4', [1e22], floats), 'no'],
])('%s is refused with a reason', (_, bytes, reason) => {
  expect(() => read(bytes)).toThrow(FormatError)
  expect(() => read(bytes)).toThrow(reason)
})

test('a header that claims four gigabytes is refused before it is read', () => {
  const bytes = npyOf('<f4', [6], floats, { version: 2 })
  new DataView(bytes.buffer).setUint32(8, 0xffffffff, true)
  expect(() => read(bytes)).toThrow('its header claims 4294967295 bytes')
})
