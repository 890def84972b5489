/**
 * Float32 arithmetic to the bit (numerics.md 7): the twin, step by step, of `cpp/elementwise/math.h`.
 *
 * Numbers that stand for a float32 are float32 values held in a JavaScript number; `f` rounds to one. A NaN is one
 * value: its sign and payload are not fixed.
 */

const f = Math.fround

const float64 = new Float64Array(1)
const words64 = new Uint32Array(float64.buffer)
const float32 = new Float32Array(1)
const word32 = new Int32Array(float32.buffer)

/** Index of the low word of a float64; 1 on a big-endian machine. */
const low = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1
const high = 1 - low

const minNormal = 2 ** -126

/**
 * `a*b + c` of float32 values, rounded once to float32.
 *
 * The product is exact in float64. The float64 sum rounds a second time on its way to float32, which can only go wrong
 * where it falls on the middle of two float32 values (the 29 bits that go are 1 0…0), or where the result is denormal
 * and the middle lies elsewhere: then the rounding error of the sum is worked out.
 */
export function fma(a: number, b: number, c: number): number {
  const sum = a * b + c
  float64[0] = sum
  if (((words64[low] ?? 0) & 0x1fffffff) !== 0x10000000 && (sum >= minNormal || sum <= -minNormal)) return f(sum)
  return sum === 0 ? sum : fmaHard(a * b, c, sum)
}

/** Rounds `product + c` to float32, given the float64 sum: by Knuth's TwoSum, then round to odd. */
function fmaHard(product: number, c: number, sum: number): number {
  if (!Number.isFinite(sum)) return sum
  const part = sum - product
  const error = product - (sum - part) + (c - part)
  if (error === 0) return f(sum)
  float64[0] = sum
  const lowWord = words64[low] ?? 0
  if ((lowWord & 1) === 0) {
    // The odd neighbour on the side of the error: one step away from zero or towards it.
    if (error > 0 === sum > 0) {
      words64[low] = lowWord + 1
    } else {
      words64[low] = lowWord - 1
      if (lowWord === 0) words64[high] = (words64[high] ?? 0) - 1
    }
  }
  return f(float64[0])
}

/** Rounds to an integer, half to even. NaN and infinities stay. */
export function rne(x: number): number {
  const big = 2 ** 52
  if (x >= 0) return x < big ? x + big - big : x
  return x > -big ? x - big + big : x
}

/** Rounds a float32 to an integer, half to even; a zero has x's sign. */
export function roundf(x: number): number {
  const y = rne(x)
  return y === 0 && (x < 0 || Object.is(x, -0)) ? -0 : y
}

/** 2^k for -126 <= k <= 127. */
function powerOfTwo(k: number): number {
  word32[0] = (k + 127) << 23
  return float32[0] ?? 0
}

const log2e = f(1.4426950408889634)
/** ln 2 in two parts; multiples of the first by an exponent are exact. */
const minusLn2High = f(-0.693359375)
const minusLn2Low = f(2.1219444e-4)
const exp0 = f(1.98756915e-4)
const exp1 = f(1.3981999507e-3)
const exp2 = f(8.3334519073e-3)
const exp3 = f(4.1665795894e-2)
const exp4 = f(1.6666665459e-1)
const exp5 = f(5.0000001201e-1)

/** e^x in float32. Below -104 it is 0, above 89 infinity. */
export function expf(x: number): number {
  if (Number.isNaN(x)) return NaN
  const c = Math.min(Math.max(x, -104), 89)
  const n = rne(f(c * log2e))
  const r = fma(n, minusLn2Low, fma(n, minusLn2High, c))
  let q = fma(exp0, r, exp1)
  q = fma(q, r, exp2)
  q = fma(q, r, exp3)
  q = fma(q, r, exp4)
  q = fma(q, r, exp5)
  const p = f(fma(q, f(r * r), r) + 1)
  // Two exact powers of two: the first product is exact, the second rounds once, also to denormals and infinity.
  const half = n >> 1
  return f(f(p * powerOfTwo(half)) * powerOfTwo(n - half))
}

/**
 * 1 / (1 + e^-x) in float32. With z = e^-|x|: 1/(1+z) for x >= 0; below it s = z/(1+z), refined to z - z*s, which sheds
 * most of the rounding errors of s.
 */
export function sigmoidf(x: number): number {
  const z = expf(-Math.abs(x))
  const d = f(1 + z)
  return x < 0 ? fma(-z, f(z / d), z) : f(1 / d)
}

const tanh0 = f(-5.70498872745e-3)
const tanh1 = f(2.06390887954e-2)
const tanh2 = f(-5.37397155531e-2)
const tanh3 = f(1.33314422036e-1)
const tanh4 = f(-3.33332819422e-1)

/** tanh in float32: an odd polynomial below 0.625, 1 - 2/(1 + e^2|x|) above; the sign is x's. */
export function tanhf(x: number): number {
  const a = Math.abs(x)
  let t: number
  if (a < 0.625) {
    const s = f(a * a)
    let q = fma(tanh0, s, tanh1)
    q = fma(q, s, tanh2)
    q = fma(q, s, tanh3)
    q = fma(q, s, tanh4)
    t = fma(f(q * s), a, a)
  } else {
    t = f(1 - f(2 / f(1 + expf(f(a + a)))))
  }
  return x < 0 || Object.is(x, -0) ? -t : t
}

/** f(f(x * t) / 6) with t = clamp(f(x + 3), 0, 6): PyTorch's order of steps. */
export function hardswishf(x: number): number {
  return f(f(x * Math.min(Math.max(f(x + 3), 0), 6)) / 6)
}

/** x where x > 0, else f(x * alpha). */
export function leakyReluf(x: number, alpha: number): number {
  return x > 0 ? x : f(x * alpha)
}

const lanes = new Float32Array(16)

/**
 * Sum of `count` float32 values from `values[start]` on, `stride` apart, in 16 lanes: each starts at +0, element i goes
 * into lane i mod 16 in ascending order, then lane j takes lane j + 8, j + 4, j + 2, j + 1.
 */
export function laneSum(values: ArrayLike<number>, start: number, count: number, stride: number): number {
  lanes.fill(0)
  for (let i = 0, at = start; i < count; i++, at += stride) {
    const lane = i & 15
    lanes[lane] = (lanes[lane] ?? 0) + (values[at] ?? 0)
  }
  for (let half = 8; half > 0; half >>= 1) {
    for (let j = 0; j < half; j++) lanes[j] = (lanes[j] ?? 0) + (lanes[j + half] ?? 0)
  }
  return lanes[0] ?? 0
}
