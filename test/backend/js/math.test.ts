/** Protects the oracle's float32 arithmetic: the exact fma, the polynomials' 2-ULP bound, the 16-lane sum. */
import { expf, fma, hardswishf, laneSum, leakyReluf, rne, sigmoidf, tanhf } from '../../../src/backend/js/math'

const f = Math.fround
const words = new Int32Array(1)
const floats = new Float32Array(words.buffer)

function fromBits(bits: number): number {
  words[0] = bits
  return floats[0] ?? 0
}

function bitsOf(x: number): number {
  floats[0] = x
  return words[0] ?? 0
}

/** xorshift32: replayable. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state | 0
  }
}

/** A finite float32 as mantissa * 2^-149. */
function exact(x: number): bigint {
  const bits = bitsOf(x)
  const exponent = (bits >>> 23) & 255
  const fraction = BigInt(bits & 0x7fffff)
  const magnitude = exponent === 0 ? fraction : (fraction | 0x800000n) << BigInt(exponent - 1)
  return bits < 0 ? -magnitude : magnitude
}

/** a*b + c in integers of unit 2^-298, rounded half to even to float32. */
function exactFma(a: number, b: number, c: number): number {
  const sum = exact(a) * exact(b) + (exact(c) << 149n)
  if (sum === 0n) return a * b + c
  const sign = sum < 0n ? -1 : 1
  const magnitude = sum < 0n ? -sum : sum
  const drop = Math.max(magnitude.toString(2).length - 24, 149)
  const unit = 1n << BigInt(drop)
  let mantissa = magnitude >> BigInt(drop)
  const rest = (magnitude - mantissa * unit) * 2n
  if (rest > unit || (rest === unit && (mantissa & 1n) === 1n)) mantissa += 1n
  return f(sign * Number(mantissa) * 2 ** (drop - 298))
}

/** Distance in float32 steps between a float32 and a float64 value, in the unit of the true value's last place. */
function ulps(got: number, want: number): number {
  if (Number.isNaN(want)) return Number.isNaN(got) ? 0 : Infinity
  const rounded = f(want)
  if (!Number.isFinite(rounded) || !Number.isFinite(got)) return Object.is(got, rounded) ? 0 : Infinity
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(want) || 2 ** -149)), -126)
  return Math.abs(got - want) / 2 ** (exponent - 23)
}

describe('fma', () => {
  const edges = [0, -0, 1, -1, fromBits(1), fromBits(-2147483647), 2 ** -126, fromBits(0x7fffff), fromBits(0x7f7fffff)]

  it('rounds once on random bit patterns', () => {
    const next = generator(1)
    for (let i = 0; i < 20000; i++) {
      const [a, b, c] = [fromBits(next()), fromBits(next()), fromBits(next())]
      if (![a, b, c].every(Number.isFinite)) continue
      expect(fma(a, b, c)).toBe(exactFma(a, b, c))
    }
  })

  it('rounds once where the float64 sum falls next to a tie', () => {
    const next = generator(2)
    for (let i = 0; i < 20000; i++) {
      // A product of 48 bits beside an addend whose last place lies at the product's middle.
      const a = fromBits((127 << 23) | (next() & 0x7ff001))
      const b = fromBits((127 << 23) | (next() & 0x7ff001))
      const c = fromBits(((127 + (next() & 63) - 32) << 23) | (next() & 0x7fffff)) * (next() < 0 ? -1 : 1)
      expect(fma(a, b, c)).toBe(exactFma(a, b, c))
      // a*b = (1 + m/2^12)(1 + n/2^12) ends on the tie of c's last place; a denormal-sized push would break it.
      const d = f((1 + 2 ** -12) * (next() < 0 ? -1 : 1))
      const e = f(1 + (next() & 0xfff) * 2 ** -12)
      const g = f(2 ** ((next() & 31) - 12) * (1 + (next() & 0xff) * 2 ** -23))
      expect(fma(d, e, g)).toBe(exactFma(d, e, g))
      // The addend is far below the product, which itself is a tie.
      const push = fromBits(((next() & 63) << 23) | (next() & 0x7fffff)) * (next() < 0 ? -1 : 1)
      expect(fma(d, e, push)).toBe(exactFma(d, e, push))
    }
  })

  it('rounds once where the result is denormal', () => {
    const next = generator(3)
    for (let i = 0; i < 20000; i++) {
      const a = fromBits(((64 + (next() & 7)) << 23) | (next() & 0x7fffff))
      const b = fromBits(((42 + (next() & 31)) << 23) | (next() & 0x7fffff))
      const c = fromBits((next() & 0x0fffff) | (next() & 0x80000000))
      expect(fma(a, b, c)).toBe(exactFma(a, b, c))
    }
  })

  it('follows IEEE at zeros, denormals, the largest value and infinities', () => {
    for (const a of edges) for (const b of edges) for (const c of edges) expect(fma(a, b, c)).toBe(exactFma(a, b, c))
    expect(fma(-0, 1, -0)).toBe(-0)
    expect(fma(1, 1, -1)).toBe(0)
    expect(fma(Infinity, 1, 5)).toBe(Infinity)
    expect(fma(Infinity, 0, 5)).toBeNaN()
    expect(fma(Infinity, 1, -Infinity)).toBeNaN()
    expect(fma(1, 1, NaN)).toBeNaN()
  })
})

describe('polynomials', () => {
  /** All exponents of both signs with 64 mantissas each, and a dense walk over the range that matters. */
  function* sample(): Generator<number> {
    for (let high = 0; high < 512; high++)
      for (let m = 0; m < 64; m++) yield fromBits((high << 23) | ((m * 131071 + high) & 0x7fffff))
    for (let x = -106; x < 92; x += 1 / 1024) yield f(x + 1e-4 * Math.sin(x))
    for (let x = -1; x < 1; x += 1 / 65536) yield f(x)
  }

  it.each([
    ['expf', expf, Math.exp],
    ['sigmoidf', sigmoidf, (x: number) => 1 / (1 + Math.exp(-x))],
    ['tanhf', tanhf, Math.tanh],
  ])('%s is within 2 ULP of the true value over the whole range', (_name, got, want) => {
    let worst = 0
    for (const x of sample()) worst = Math.max(worst, ulps(got(x), want(x)))
    expect(worst).toBeLessThanOrEqual(2)
    expect(worst).toBeGreaterThan(0.5)
  })

  it('give the limits at infinities, and NaN for NaN', () => {
    expect([expf(Infinity), expf(-Infinity), expf(0), expf(-0)]).toEqual([Infinity, 0, 1, 1])
    expect([sigmoidf(Infinity), sigmoidf(-Infinity), sigmoidf(0)]).toEqual([1, 0, 0.5])
    expect([tanhf(Infinity), tanhf(-Infinity), tanhf(0), tanhf(-0)]).toEqual([1, -1, 0, -0])
    for (const fn of [expf, sigmoidf, tanhf, hardswishf]) expect(fn(NaN)).toBeNaN()
    expect(leakyReluf(NaN, 0.1)).toBeNaN()
  })

  it('hardswish and leaky ReLU take the steps of PyTorch', () => {
    expect([hardswishf(-4), hardswishf(3), hardswishf(5), hardswishf(1)]).toEqual([-0, 3, 5, f(4 / 6)])
    expect([leakyReluf(2, 0.5), leakyReluf(-2, 0.5), leakyReluf(-0, 0.5)]).toEqual([2, -1, -0])
  })
})

describe('rne', () => {
  it('rounds half to even and leaves large values, infinities and NaN', () => {
    expect([0.5, 1.5, 2.5, 0.49999997, -1.5, -2.5, 4503599627370495.5].map(rne)).toEqual([
      0, 2, 2, 0, -2, -2, 4503599627370496,
    ])
    expect([2 ** 60, -(2 ** 60), Infinity, -Infinity].map(rne)).toEqual([2 ** 60, -(2 ** 60), Infinity, -Infinity])
    expect(rne(NaN)).toBeNaN()
  })
})

describe('laneSum', () => {
  it('adds element i into lane i mod 16, then halves', () => {
    const next = generator(4)
    const values = Float32Array.from({ length: 300 }, () => next() / 2 ** 20)
    for (const count of [0, 1, 2, 7, 15, 16, 17, 31, 33, 100]) {
      const lanes = new Float32Array(16)
      for (let i = 0; i < count; i++) lanes[i % 16] = (lanes[i % 16] ?? 0) + (values[5 + 2 * i] ?? 0)
      const at = (i: number): number => lanes[i] ?? 0
      const eight = Array.from({ length: 8 }, (_, i) => f(at(i) + at(i + 8)))
      const [a = 0, b = 0, c = 0, d = 0, e = 0, g = 0, h = 0, j = 0] = eight
      expect(laneSum(values, 5, count, 2)).toBe(f(f(f(a + e) + f(c + h)) + f(f(b + g) + f(d + j))))
    }
  })

  it('is +0 for no elements and for negative zeros', () => {
    expect(laneSum([], 0, 0, 1)).toBe(0)
    expect(laneSum([-0, -0], 0, 2, 1)).toBe(0)
  })
})
