/** Elementwise kernels of one and two operands: numerics.md 6 and 7. */
import type { Broadcast, Kernels } from '../contract'
import { toCode } from './codes'
import { elu64, erf64, gelu64, geluTanh64, log64, mish64, pow64, selu64, silu64, softplus64 } from './float64'
import { expf, hardswishf, leakyReluf, roundf, sigmoidf, tanhf } from './math'
import { eachRun } from './runs'

const { fround } = Math

/** A run of a broadcast: `count` elements of y from `at` on; a and b start at their offsets and advance by their steps. */
type Run = (at: number, count: number, a: number, aStep: number, b: number, bStep: number) => void

function eachPair({ shape, aStrides, bStrides }: Broadcast, run: Run): void {
  const count = shape.at(-1) ?? 1
  const aStep = aStrides.at(-1) ?? 0
  const bStep = bStrides.at(-1) ?? 0
  eachRun(shape, aStrides, bStrides, (a, b, at) => {
    run(at, count, a, aStep, b, bStep)
  })
}

/** `y = zy + rne(clamp(f(f((a - za) * A) + f((b - zb) * B)), lo - zy, hi - zy))` */
export function qadd(operands: Kernels['qadd']): void {
  const { a, b, y, aZeroPoint, bZeroPoint, yZeroPoint, aMultiplier, bMultiplier, lo, hi } = operands
  eachPair(operands.broadcast, (start, count, aStart, aStep, bStart, bStep) => {
    for (let i = 0; i < count; i++) {
      const left = fround(((a[aStart + i * aStep] ?? 0) - aZeroPoint) * aMultiplier)
      const right = fround(((b[bStart + i * bStep] ?? 0) - bZeroPoint) * bMultiplier)
      y[start + i] = toCode(fround(left + right), yZeroPoint, lo, hi)
    }
  })
}

/** `y = zy + rne(clamp(f(((a - za)(b - zb)) * M), lo - zy, hi - zy))`; the product is an exact integer. */
export function qmul(operands: Kernels['qmul']): void {
  const { a, b, y, aZeroPoint, bZeroPoint, yZeroPoint, multiplier, lo, hi } = operands
  eachPair(operands.broadcast, (start, count, aStart, aStep, bStart, bStep) => {
    for (let i = 0; i < count; i++) {
      const product = ((a[aStart + i * aStep] ?? 0) - aZeroPoint) * ((b[bStart + i * bStep] ?? 0) - bZeroPoint)
      y[start + i] = toCode(fround(product * multiplier), yZeroPoint, lo, hi)
    }
  })
}

type BinaryFunctions = Readonly<Record<Kernels['fbinary']['op'], (a: number, b: number) => number>>
const binaryFunctions: BinaryFunctions = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  pow: pow64,
}

/** `y = f(a op b)` */
export function fbinary({ a, b, y, broadcast, op }: Kernels['fbinary']): void {
  const binary = binaryFunctions[op]
  eachPair(broadcast, (start, count, aStart, aStep, bStart, bStep) => {
    for (let i = 0; i < count; i++) y[start + i] = binary(a[aStart + i * aStep] ?? 0, b[bStart + i * bStep] ?? 0)
  })
}

/** `y = condition != 0 ? a : b` */
export function fwhere({ condition, a, b, y, broadcast }: Kernels['fwhere']): void {
  const { shape, conditionStrides } = broadcast
  const starts: number[] = []
  eachRun(shape, conditionStrides, conditionStrides, (start) => starts.push(start))
  const conditionStep = conditionStrides.at(-1) ?? 0
  let run = 0
  eachPair(broadcast, (start, count, aStart, aStep, bStart, bStep) => {
    const conditionStart = starts[run++] ?? 0
    for (let i = 0; i < count; i++)
      y[start + i] =
        condition[conditionStart + i * conditionStep] === 0
          ? (b[bStart + i * bStep] ?? 0)
          : (a[aStart + i * aStep] ?? 0)
  })
}

/** `y = min(max(x, lo), hi)`; NaN stays NaN, `max(-0, +0) = +0`: the rules of `Math.min` and `Math.max`. */
export function fclamp({ x, y, lo, hi }: Kernels['fclamp']): void {
  for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i] ?? 0, lo), hi)
}

/** `y = f(f(x * scale_c) + shift_c)` */
export function faffine({ x, y, split, scales, shifts }: Kernels['faffine']): void {
  let i = 0
  for (let outer = 0; outer < split.outer; outer++)
    for (let c = 0; c < split.channels; c++) {
      const scale = scales[c] ?? 0
      const shift = shifts[c] ?? 0
      for (const end = i + split.inner; i < end; i++) y[i] = fround((x[i] ?? 0) * scale) + shift
    }
}

type UnaryFunctions = Readonly<Record<Kernels['funary']['op'], (x: number, alpha: number, beta: number) => number>>
const unaryFunctions: UnaryFunctions = {
  sigmoid: sigmoidf,
  tanh: tanhf,
  hardswish: hardswishf,
  leakyRelu: leakyReluf,
  exp: expf,
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundf,
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : x === 0 ? 0 : x),
  softsign: (x) => x / fround(1 + Math.abs(x)),
  hardsigmoid: (x, alpha, beta) => Math.min(Math.max(fround(fround(x * alpha) + beta), 0), 1),
  log: log64,
  erf: erf64,
  gelu: gelu64,
  geluTanh: geluTanh64,
  softplus: softplus64,
  elu: elu64,
  silu: silu64,
  mish: mish64,
  selu: selu64,
}

/** `y = op(x)`, the functions of math.ts and float64.ts. */
export function funary({ x, y, op, alpha, beta }: Kernels['funary']): void {
  const unary = unaryFunctions[op]
  for (let i = 0; i < y.length; i++) y[i] = unary(x[i] ?? 0, alpha, beta)
}
