/** Writes .npy files for tests. */

/** The bytes of an .npy file: a header of this version, then the elements. */
export function npyOf(
  descr: string,
  shape: readonly number[],
  data: NodeJS.ArrayBufferView,
  { version = 1, order = 'False' }: { readonly version?: number; readonly order?: string } = {},
): Uint8Array {
  const sizes = shape.length === 1 ? `${String(shape[0])},` : shape.join(', ')
  const start = version === 1 ? 10 : 12
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${sizes}), }`
  const header = text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1) + '\n'
  const bytes = new Uint8Array(start + header.length + data.byteLength)
  const view = new DataView(bytes.buffer)
  bytes.set(Buffer.from('\x93NUMPY', 'latin1'))
  bytes.set([version, 0], 6)
  if (version === 1) view.setUint16(8, header.length, true)
  else view.setUint32(8, header.length, true)
  bytes.set(Buffer.from(header), start)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + header.length)
  return bytes
}
