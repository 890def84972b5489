/**
 * Functions of float32 that are worked out in float64 and rounded once (numerics.md 7): the twin, step by step, of
 * `cpp/elementwise/float64.h`. Only +, -, *, / and moved bits: every machine has the same float64, so every backend has
 * the same bytes.
 */

const bits = new Float64Array(1)
const words = new Uint32Array(bits.buffer)
/** Index of the high word of a float64; 0 on a big-endian machine. */
const high = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0

/** 1.5 * 2^52: the last place of a sum with it is 1, so that the sum rounds half to even. */
const magic = 6755399441055744
/** ln 2 in two parts; multiples of the first by an exponent are exact. */
const ln2High = 6.93147180369123816e-1
const ln2Low = 1.9082149292705877e-10
const log2e = 1.4426950408889634

/** `c[0] * x^n + c[1] * x^(n-1) + …` by Horner. */
function polynomial(x: number, coefficients: readonly number[]): number {
  let sum = coefficients[0] ?? 0
  for (let i = 1; i < coefficients.length; i++) sum = sum * x + (coefficients[i] ?? 0)
  return sum
}

const expTerms = [1 / 362880, 1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1, 1]

/** e^x; x is clamped to ±200, beyond which float32 has only 0 and infinity. */
function exp(x: number): number {
  const c = x < -200 ? -200 : x > 200 ? 200 : x
  const n = c * log2e + magic - magic
  const r = c - n * ln2High - n * ln2Low
  bits[0] = 1
  words[high] = (n + 1023) << 20
  return polynomial(r, expTerms) * bits[0]
}

/** e^x - 1. */
function expMinusOne(x: number): number {
  if (x > -(2 ** -10) && x < 2 ** -10) return x * (x * (x * (x * (1 / 24) + 1 / 6) + 0.5) + 1)
  return exp(x) - 1
}

const logTerms = [2 / 19, 2 / 17, 2 / 15, 2 / 13, 2 / 11, 2 / 9, 2 / 7, 2 / 5, 2 / 3, 2]

/** `ln((1 + s) / (1 - s))` for `|s| <= 1/3`. */
function logOfRatio(s: number): number {
  return s * polynomial(s * s, logTerms)
}

/** ln x: 2^k * m with m from sqrt(1/2) to sqrt(2), `ln m` by the ratio `(m - 1) / (m + 1)`. */
function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return NaN
  if (x === 0) return -Infinity
  if (x === Infinity) return x
  bits[0] = x
  const shifted = (words[high] ?? 0) + (0x3ff00000 - 0x3fe6a09e)
  const k = (shifted >> 20) - 1023
  words[high] = (shifted & 0xfffff) + 0x3fe6a09e
  const m = bits[0]
  return k * ln2 + logOfRatio((m - 1) / (m + 1))
}
const ln2 = 0.6931471805599453

// Interpolates e^(z^2) erfc(z) at the Chebyshev nodes of t = (z - 3) / (z + 3), 0 <= z <= 14: relative error 2^-34.
const erfcTerms = [
  -6.766747186835171e-6, -9.817793614632858e-6, 6.36771133270917e-5, 4.333370135790682e-5, -0.0005970481827737306,
  0.0007083735144243448, 0.004269143270644061, -0.024392604559735125, 0.0716658378471085, -0.15011592862549747,
  0.24560380151157213, -0.3262335602140319, 0.17900115118493123,
]

/** erfc of z >= 0, given z^2. */
function erfc(z: number, square: number): number {
  const c = z > 14 ? 14 : z
  return exp(-square) * polynomial((c - 3) / (c + 3), erfcTerms)
}

const erfTerms = [
  -1.492565035840625e-5, 0.00012055332981789664, -0.0008548327023450853, 0.005223977625442188, -0.026866170645131252,
  0.11283791670955126, -0.37612638903183754, 1.1283791670955126,
]

/** ln x. */
export const log64 = log

/** Taylor's series below 0.5, `1 - erfc` above; the sign is x's. */
export function erf64(x: number): number {
  const a = x < 0 ? -x : x
  if (a < 0.5) return x * polynomial(x * x, erfTerms)
  const far = 1 - erfc(a, a * a)
  return x < 0 ? -far : far
}

/** `x * Φ(x)`: with `E = erfc(|x| / sqrt(2)) / 2`, `x * E` below 0 (there at least -20), `x * (1 - E)` from 0 on. */
export function gelu64(x: number): number {
  const a = x < 0 ? -x : x
  const e = 0.5 * erfc(a * 0.7071067811865476, x * x * 0.5)
  return x < 0 ? (x < -20 ? -20 : x) * e : x * (1 - e)
}

/** `x / (1 + e^-x)`; below -200 the numerator is -200. */
export function silu64(x: number): number {
  return (x < -200 ? -200 : x) / (1 + exp(-x))
}

/** `x * (1 + tanh(u)) / 2` with `u = sqrt(2/π) (x + 0.044715 x^3)`, that is `x / (1 + e^-2u)`. */
export function geluTanh64(x: number): number {
  const u = 1.5957691216057308 * (x + 0.044715 * (x * x * x))
  return (x < -200 ? -200 : x) / (1 + exp(-u))
}

/** `ln(1 + e^x) = max(x, 0) + ln(1 + w)`, `w = e^-|x|`. */
export function softplus64(x: number): number {
  const w = exp(x < 0 ? x : -x)
  return (x < 0 ? 0 : x) + logOfRatio(w / (2 + w))
}

/** `x * tanh(softplus(x)) = x * u / (u + 2)`, `u = w (w + 2)`, `w = e^x`; below -200 the factor x is -200. */
export function mish64(x: number): number {
  const w = exp(x > 60 ? 60 : x)
  const u = w * (w + 2)
  return (x < -200 ? -200 : x) * (u / (u + 2))
}

/** x where x > 0, else `alpha * (e^x - 1)`. */
export function elu64(x: number, alpha: number): number {
  return x > 0 ? x : alpha * expMinusOne(x)
}

/** `beta * elu(x, alpha)`. */
export function selu64(x: number, alpha: number, beta: number): number {
  return beta * elu64(x, alpha)
}

/** x to the power y, with IEEE 754's special cases; 1, 2, 3, -1 and 0.5 as x, x*x, x*x*x, 1/x and sqrt(x). */
export function pow64(x: number, y: number): number {
  if (y === 0 || x === 1) return 1
  if (y === 1) return x
  if (y === 2) return x * x
  if (y === 3) return x * x * x
  if (y === -1) return 1 / x
  if (y === 0.5) return x === -Infinity ? Infinity : Math.sqrt(x) + 0
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN
  const a = x < 0 ? -x : x + 0
  const power = a === 1 ? 1 : exp(y * log(a))
  if (x > 0) return power
  const negative = x < 0 || Object.is(x, -0)
  // A float32 from 2^24 on is an even integer.
  const whole = y > 2 ** 30 || y < -(2 ** 30) || y + magic - magic === y
  if (x < 0 && x !== -Infinity && !whole) return NaN
  const odd = whole && y <= 2 ** 30 && y >= -(2 ** 30) && y * 0.5 + magic - magic !== y * 0.5
  return negative && odd ? -power : power
}
