/** Ways to spoil an argument. Some must be refused; others may be right by chance, but must never crash. */

export type AnyArray =
  Uint8Array | Int8Array | Int32Array | Float32Array | Float64Array | Uint16Array | BigInt64Array | Uint8ClampedArray

/** A spoiled argument, with what was done to it. */
export interface Spoiled {
  readonly how: string
  readonly value: unknown
}

interface Resizable extends ArrayBuffer {
  resize(bytes: number): void
}

/** A buffer that can be resized (a type that our `lib` does not know yet). */
export function resizable(bytes: number, most: number): Resizable {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: most }]) as Resizable
}

/** Takes the memory from an array, as `postMessage` with a transfer does. */
export function detach(array: { readonly buffer: ArrayBufferLike }): void {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
}

const constructors = {
  Uint8Array,
  Int8Array,
  Int32Array,
  Float32Array,
  Float64Array,
  Uint16Array,
  BigInt64Array,
  Uint8ClampedArray,
}

export function isArray(value: unknown): value is AnyArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}

/** An array of the same type over the given memory. */
export function over(array: AnyArray, buffer: ArrayBufferLike, offset: number, length?: number): AnyArray {
  return new constructors[array[Symbol.toStringTag]](buffer as ArrayBuffer, offset, length)
}

/** A copy at an odd place of a larger buffer that is filled with a pattern, and a check that the pattern is whole. */
export function guarded(array: AnyArray): { array: AnyArray; intact: () => boolean } {
  const room = 64
  const buffer = new ArrayBuffer(array.byteLength + 2 * room)
  const bytes = new Uint8Array(buffer).fill(0xa5)
  const copy = over(array, buffer, room, array.length)
  copyInto(copy, array)
  return {
    array: copy,
    intact: () => bytes.every((byte, i) => (i >= room && i < room + array.byteLength) || byte === 0xa5),
  }
}

function copyInto(to: AnyArray, from: AnyArray): void {
  new Uint8Array(to.buffer, to.byteOffset, to.byteLength).set(
    new Uint8Array(from.buffer, from.byteOffset, Math.min(from.byteLength, to.byteLength)),
  )
}

/** Spoiled forms of an argument that are never right, whatever the function. */
export function refused(value: unknown, anyLength: boolean): Spoiled[] {
  const wrong: Spoiled[] = [
    { how: 'undefined', value: undefined },
    { how: 'a symbol', value: Symbol('x') },
    { how: 'an object', value: {} },
    { how: 'an array', value: [1, 2, 3] },
    { how: 'a function', value: () => 1 },
    { how: 'a bigint', value: 10n },
    { how: 'an array buffer', value: new ArrayBuffer(64) },
    { how: 'a data view', value: new DataView(new ArrayBuffer(64), 1) },
    { how: 'an object with valueOf', value: { valueOf: () => 1, length: 4, byteLength: 16 } },
    { how: 'a null-prototype object', value: Object.create(null) },
    { how: 'a proxy', value: new Proxy({}, {}) },
  ]
  if (typeof value !== 'string') wrong.push({ how: 'a string', value: '12' })
  else wrong.push({ how: 'an unknown name', value: 'mmx' }, { how: 'a long string', value: 'a'.repeat(10_000) })
  if (typeof value !== 'boolean') wrong.push({ how: 'a boolean', value: true })
  if (typeof value === 'number') wrong.push(...refusedNumbers)
  else wrong.push({ how: 'a number', value: 3 })
  if (isArray(value)) wrong.push(...refusedArrays(value, anyLength))
  else if (typeof value === 'object' && value !== null) {
    wrong.push(
      { how: 'a proxy of the object', value: new Proxy(value, {}) },
      { how: 'an heir of the object', value: Object.create(value) },
      { how: 'a copy of the object', value: { ...value } },
    )
  }
  return wrong
}

const refusedNumbers: readonly Spoiled[] = [NaN, 1e300, -1e300].map((value) => ({ how: String(value), value }))

function refusedArrays(array: AnyArray, anyLength: boolean): Spoiled[] {
  const size = array.BYTES_PER_ELEMENT
  const detached = array.slice()
  detach(detached)
  const shared = over(array, new SharedArrayBuffer(array.byteLength), 0)
  const wrong: Spoiled[] = [
    { how: 'detached', value: detached },
    { how: 'shared', value: shared },
    { how: 'a proxy of the array', value: new Proxy(array, {}) },
    { how: 'an heir of the array', value: Object.create(array) },
    { how: 'a Uint16Array', value: new Uint16Array(array.length) },
    { how: 'a Uint8ClampedArray', value: new Uint8ClampedArray(array.length) },
  ]
  if (array instanceof Float64Array) {
    wrong.push({ how: 'a Float32Array', value: Float32Array.from(array) })
    for (let i = 0; i < array.length; i++) {
      for (const value of [NaN, Infinity, -Infinity, 0.5, 1e300, -1e300, 2 ** 53, -(2 ** 53), 2 ** 63]) {
        const numbers = array.slice()
        numbers[i] = value
        wrong.push({ how: `number ${String(i)} is ${String(value)}`, value: numbers })
      }
    }
  } else wrong.push({ how: 'a Float64Array', value: new Float64Array(array.length) })
  if (!anyLength) {
    const buffer = resizable(array.byteLength, array.byteLength * 2)
    const fixed = over(array, buffer, 0, array.length)
    const tracking = over(array, buffer, 0)
    buffer.resize(array.byteLength - size)
    wrong.push(
      { how: 'empty', value: array.slice(0, 0) },
      { how: 'one shorter', value: array.slice(1) },
      { how: 'out of the bounds of a buffer that shrank', value: fixed },
      { how: 'over a buffer that shrank', value: tracking },
    )
  }
  return wrong
}

/** Spoiled forms that may be right for some functions. */
export function doubtful(value: unknown): Spoiled[] {
  const numbers = [-1, 0, 1, 2, 0.5, 127, 128, 255, 256, -128, -129, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32 + 1]
  if (typeof value === 'number') {
    return [...numbers, Infinity, -Infinity, 2 ** 53 - 1].map((n) => ({ how: String(n), value: n }))
  }
  if (!isArray(value)) return [{ how: 'null', value: null }]
  const grown = resizable(value.byteLength, value.byteLength * 2)
  const tracking = over(value, grown, 0)
  grown.resize(value.byteLength + value.BYTES_PER_ELEMENT)
  const longer = over(value, new ArrayBuffer(value.byteLength + value.BYTES_PER_ELEMENT), 0)
  const others: Spoiled[] = [
    { how: 'null', value: null },
    { how: 'one longer', value: longer },
    { how: 'over a buffer that grew', value: tracking },
    { how: 'an Int8Array', value: new Int8Array(value.length) },
    { how: 'a Uint8Array', value: new Uint8Array(value.length) },
    { how: 'an Int32Array', value: new Int32Array(value.length) },
    { how: 'a BigInt64Array', value: new BigInt64Array(value.length) },
  ]
  if (value instanceof Float64Array) {
    for (let i = 0; i < value.length; i++) {
      for (const n of [...numbers, (value[i] ?? 0) + 1, (value[i] ?? 0) - 1]) {
        const copy = value.slice()
        copy[i] = n
        others.push({ how: `number ${String(i)} is ${String(n)}`, value: copy })
      }
    }
  }
  if (value instanceof Int32Array) {
    for (const n of [-1, 1, 5, 2 ** 31 - 1, -(2 ** 31)]) {
      others.push({ how: `all ${String(n)}`, value: new Int32Array(value.length).fill(n) })
    }
  }
  return others
}
