/**
 * Data for parity cases, drawn from a seed so that a case is small to print and replay. Arrays lie inside larger
 * buffers, at any element offset, with a pattern around them that no kernel may touch.
 */
import type { Codes } from '../../src/backend/contract'

/** Byte that fills results before a run, and whatever surrounds an array. */
export const patternByte = 0xa5

/** How codes are chosen: any; only the type's ends; all at one end. */
export type CodeFill = 'any' | 'ends' | 'least' | 'most'
/** How floats are chosen: around zero; multiples of a half of `unit` and their neighbours; any bits at all. */
export type FloatFill = 'small' | 'ties' | 'bits'

export type CodeDType = 'quint8' | 'qint8'
export const codeFills: readonly CodeFill[] = ['any', 'any', 'ends', 'least', 'most']
export const floatFills: readonly FloatFill[] = ['small', 'ties', 'bits']

const specials = [
  0,
  -0,
  NaN,
  Infinity,
  -Infinity,
  1,
  -1,
  2 ** -126,
  2 ** -149,
  -(2 ** -149),
  3.4028234663852886e38,
  2 ** 31,
]

/** Arrays that data are drawn for. */
type Drawn = Uint8Array | Int8Array | Int32Array | Float32Array

/** An array as it was drawn, and the state of the source after that. */
export interface Draft {
  readonly array: Drawn
  readonly state: number
}

interface ArrayType<A> {
  new (buffer: ArrayBuffer, byteOffset: number, length: number): A
  readonly BYTES_PER_ELEMENT: number
}

/** A stream of numbers from a seed (mulberry32). */
export class Source {
  private state: number
  private readonly drafts: Draft[]
  private next = 0

  /** @param drafts - What an earlier source of this seed has drawn: it is copied, which is faster than to draw it again. */
  constructor(seed: number, drafts: Draft[] = []) {
    this.state = seed | 0
    this.drafts = drafts
  }

  /** Draws an array, or copies what was drawn in its place before. */
  private drawn<A extends Drawn>(draw: () => A): A {
    const draft = this.drafts[this.next++]
    if (draft !== undefined) {
      this.state = draft.state
      return copyOf(draft.array as A)
    }
    const array = draw()
    this.drafts.push({ array: copyOf(array), state: this.state })
    return array
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** A whole number in `[lo, hi]`. */
  integer(lo: number, hi: number): number {
    return lo + Math.floor((this.bits() / 2 ** 32) * (hi - lo + 1))
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.integer(0, items.length - 1)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  /** A float32 of any sign pattern with a magnitude between `2^lo` and `2^hi`, positive. */
  magnitude(lo: number, hi: number): number {
    return Math.fround(2 ** (lo + (this.bits() / 2 ** 32) * (hi - lo)))
  }

  /** An array in the midst of a larger buffer that is filled with the pattern. */
  place<A>(type: ArrayType<A>, length: number): A {
    const size = type.BYTES_PER_ELEMENT
    const [before, after] = [this.integer(0, 20), this.integer(0, 20)]
    const buffer = new ArrayBuffer((before + length + after) * size)
    new Uint8Array(buffer).fill(patternByte)
    return new type(buffer, before * size, length)
  }

  blankCodes(dtype: CodeDType, length: number): Codes {
    return dtype === 'quint8' ? this.place(Uint8Array, length) : this.place(Int8Array, length)
  }

  codes(dtype: CodeDType, length: number, fill: CodeFill): Codes {
    return this.drawn(() => this.newCodes(dtype, length, fill))
  }

  private newCodes(dtype: CodeDType, length: number, fill: CodeFill): Codes {
    const y = this.blankCodes(dtype, length)
    const [least, most] = rangeOf(dtype)
    if (fill === 'any') for (let i = 0; i < length; i++) y[i] = least + (this.bits() & 255)
    else if (fill === 'ends') for (let i = 0; i < length; i++) y[i] = (this.bits() & 1) === 0 ? least : most
    else y.fill(fill === 'least' ? least : most)
    return y
  }

  floats(length: number, fill: FloatFill, unit = 1): Float32Array {
    return this.drawn(() => this.newFloats(length, fill, unit))
  }

  private newFloats(length: number, fill: FloatFill, unit: number): Float32Array {
    const y = this.place(Float32Array, length)
    const words = new Int32Array(y.buffer, y.byteOffset, length)
    for (let i = 0; i < length; i++)
      switch (fill) {
        case 'small':
          y[i] = (this.bits() / 2 ** 32 - 0.5) * 8 * unit
          break
        case 'ties':
          y[i] = (this.integer(-600, 600) / 2) * unit
          words[i] = (words[i] ?? 0) + this.integer(-1, 1)
          break
        case 'bits':
          if (this.integer(0, 3) === 0) y[i] = this.pick(specials)
          else words[i] = this.bits()
      }
    return y
  }

  integers(length: number, lo: number, hi: number): Int32Array {
    return this.drawn(() => {
      const y = this.place(Int32Array, length)
      for (let i = 0; i < length; i++) y[i] = this.integer(0, 7) === 0 ? this.pick([lo, hi]) : this.integer(lo, hi)
      return y
    })
  }

  /** Positive factors, one in eight an extreme one. */
  multipliers(length: number, lo: number, hi: number): Float32Array {
    const y = this.place(Float32Array, length)
    for (let i = 0; i < length; i++) y[i] = this.multiplier(lo, hi)
    return y
  }

  multiplier(lo: number, hi: number): number {
    if (this.integer(0, 3) === 0) return 2 ** this.integer(Math.floor(lo), Math.ceil(hi))
    return this.integer(0, 7) === 0
      ? this.pick([2 ** -149, 2 ** -31, 2 ** -32, 0, 4.6, 256, 2 ** 40])
      : this.magnitude(lo, hi)
  }

  /** Inclusive bounds of a result: the whole range, or a part of it. */
  bounds(dtype: CodeDType): [lo: number, hi: number] {
    const [least, most] = rangeOf(dtype)
    if (this.integer(0, 1) === 0) return [least, most]
    const lo = this.integer(least, most)
    return [lo, this.integer(lo, most)]
  }

  code(dtype: CodeDType): number {
    const [least, most] = rangeOf(dtype)
    return this.integer(0, 3) === 0 ? this.pick([least, most, 0]) : this.integer(least, most)
  }

  /** Bounds of a float result: none, ReLU, ReLU6, or others. */
  floatBounds(): [lo: number, hi: number] {
    return this.pick([
      [-Infinity, Infinity],
      [0, Infinity],
      [0, 6],
      [-0.5, 1.5],
    ])
  }
}

/** The array, with what surrounds it. */
function copyOf<A extends Drawn>(array: A): A {
  const ArrayClass = array.constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => A
  return new ArrayClass(array.buffer.slice(0), array.byteOffset, array.length)
}

export function rangeOf(dtype: CodeDType): [least: number, most: number] {
  return dtype === 'quint8' ? [0, 255] : [-128, 127]
}
