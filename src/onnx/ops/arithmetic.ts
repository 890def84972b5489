/** Arithmetic: functions of one or more operands, element by element. */
import type { GraphNode } from '../../graph/graph'
import type { Lowering } from '../../runtime/steps'
import type { TypedValue, Value } from '../../runtime/value'
import { rne } from '../../tensor/rounding'
import { floatToHalf, halfToFloat } from '../half'
import { isBigType, type ElementType, type NumericType } from '../types'
import { floatPair, floatUnary, onHost, secondOperand, wrapTo } from './elementwise'
import type { Element, FloatPair, FloatUnary } from './elementwise'
import { numeric } from './movement'
import { need, unsupported, wrong, type Inputs, type Lower, type Operators } from './operator'

const floatTypes: ReadonlySet<ElementType> = new Set(['float32', 'float64', 'float16', 'bfloat16'])

/** Whether a type's elements are real numbers. */
export function isFloat(type: ElementType): boolean {
  return floatTypes.has(type)
}

const bits = new Uint32Array(1)
const float = new Float32Array(bits.buffer)

/** How elements of a type become numbers to compute with, and back. */
export function codecOf(type: ElementType): {
  readonly read: (x: Element) => Element
  readonly write: (x: Element) => Element
} {
  if (type === 'float16') return { read: (x) => halfToFloat(Number(x)), write: (x) => floatToHalf(Number(x)) }
  if (type === 'bfloat16')
    return {
      read: (x) => {
        bits[0] = Number(x) << 16
        return float[0] ?? NaN
      },
      write: (x) => bfloatOf(Number(x)),
    }
  if (type === 'float32') return { read: (x) => x, write: (x) => Math.fround(Number(x)) }
  return { read: (x) => x, write: wrapTo(type as NumericType) }
}

/** The upper half of a float32, rounded to nearest, ties to even. */
export function bfloatOf(value: number): number {
  float[0] = value
  const word = bits[0] ?? 0
  if (Number.isNaN(value)) return 0x7fc0
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff
}

/** Definitions of a function of two operands. */
interface Pair {
  readonly float: FloatPair
  /** On numbers that are no float32: doubles, halves as numbers. */
  readonly real: (a: number, b: number) => number
  readonly integer: (a: number, b: number) => number
  readonly big: (a: bigint, b: bigint) => bigint
}

const pairs = {
  Add: { float: 'add', real: (a, b) => a + b, integer: (a, b) => a + b, big: (a, b) => a + b },
  Sub: { float: 'sub', real: (a, b) => a - b, integer: (a, b) => a - b, big: (a, b) => a - b },
  Mul: { float: 'mul', real: (a, b) => a * b, integer: Math.imul, big: (a, b) => a * b },
  Div: {
    float: 'div',
    real: (a, b) => a / b,
    // Division by zero has no value in integers: 0, rather than an exception in the middle of a run.
    integer: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
    big: (a, b) => (b === 0n ? 0n : a / b),
  },
  Min: { float: 'min', real: Math.min, integer: Math.min, big: (a, b) => (b < a ? b : a) },
  Max: { float: 'max', real: Math.max, integer: Math.max, big: (a, b) => (b > a ? b : a) },
} satisfies Readonly<Record<string, Pair>>

function* pairOf(node: GraphNode, pair: Pair, a: Value, b: Value): Lowering<Value> {
  if (a.type !== b.type) throw wrong(node, `operands of types ${a.type} and ${b.type}`)
  if (a.type === 'float32') return yield* floatPair(node, pair.float, a, b as TypedValue<'float32'>)
  const { type } = numeric(node, a)
  if (type === 'bool') throw wrong(node, 'operands of type bool')
  const { read, write } = codecOf(type)
  if (isBigType(type))
    return yield* onHost(node, node.op, type, [a, b], (x, y) => write(pair.big(BigInt(x), BigInt(y))))
  const compute = isFloat(type) ? pair.real : pair.integer
  return yield* onHost(node, node.op, type, [a, b], (x, y) => write(compute(Number(read(x)), Number(read(y)))))
}

function binary(pair: Pair): Lower {
  return function* (node, inputs) {
    const a = need(node, inputs, 0)
    return [yield* pairOf(node, pair, a, yield* secondOperand(node, inputs))]
  }
}

/** Any number of operands, combined from left to right. */
function variadic(pair: Pair, finish?: (node: GraphNode, sum: Value, count: number) => Lowering<Value>): Lower {
  return function* (node, inputs) {
    let result = need(node, inputs, 0)
    for (let i = 1; i < inputs.length; i++) result = yield* pairOf(node, pair, result, need(node, inputs, i))
    return [finish === undefined ? result : yield* finish(node, result, inputs.length)]
  }
}

function* divided(node: GraphNode, sum: Value, count: number): Lowering<Value> {
  const { read, write } = codecOf(sum.type)
  return yield* onHost(node, 'mean', numeric(node, sum).type, [sum], (x) => write(Number(read(x)) / count))
}

function* pow(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const base = numeric(node, need(node, inputs, 0))
  const exponent = numeric(node, yield* secondOperand(node, inputs))
  if (base.type === 'float32' && exponent.type === 'float32') return [yield* floatPair(node, 'pow', base, exponent)]
  const [from, to] = [codecOf(base.type), codecOf(exponent.type)]
  const big = isBigType(base.type)
  return [
    yield* onHost(node, 'pow', base.type, [base, exponent], (x, y) => {
      const [a, b] = [from.read(x), to.read(y)]
      if (big && Number.isInteger(Number(b)) && Number(b) >= 0) return from.write(BigInt(a) ** BigInt(b))
      const power = Number(a) ** Number(b)
      return from.write(big ? BigInt(Math.trunc(power)) : isFloat(base.type) ? power : Math.trunc(power))
    }),
  ]
}

/** The remainder with the divisor's sign; with `fmod` the dividend's. */
function* mod(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = numeric(node, need(node, inputs, 0))
  const { read, write } = codecOf(a.type)
  const truncated = node.attributes.int('fmod', 0) !== 0
  if (isFloat(a.type) && !truncated) throw wrong(node, 'floats need fmod = 1')
  return [
    yield* onHost(node, 'mod', a.type, [a, need(node, inputs, 1)], (x, y) => {
      const [p, q] = [read(x), read(y)]
      if (typeof p === 'bigint' && typeof q === 'bigint') {
        if (q === 0n) return 0n
        const rest = p % q
        return truncated || rest === 0n || rest < 0n === q < 0n ? rest : rest + q
      }
      const [u, v] = [Number(p), Number(q)]
      const rest = u % v
      return write(truncated || isFloat(a.type) || rest === 0 || rest < 0 === v < 0 ? rest : v === 0 ? 0 : rest + v)
    }),
  ]
}

/** A function of one operand, for floats; `exact` where it is one for integers too. float32 goes by kernel where it can. */
function unary(
  label: string,
  compute: (x: number) => number,
  exact?: (x: Element) => Element,
  kernel?: FloatUnary,
): Lower {
  return function* (node, inputs) {
    const x = numeric(node, need(node, inputs, 0))
    if (x.type === 'float32' && kernel !== undefined) return [yield* floatUnary(x, kernel)]
    const { read, write } = codecOf(x.type)
    if (isFloat(x.type)) return [yield* onHost(node, label, x.type, [x], (e) => write(compute(Number(read(e)))))]
    if (exact === undefined) throw unsupported(node, `an input of ${x.type}`)
    return [yield* onHost(node, label, x.type, [x], (e) => write(exact(e)))]
  }
}

const same = (x: Element): Element => x
const negate = (x: Element): Element => -x
const magnitude = (x: Element): Element => (x < 0 ? -x : x)
const signOf = (x: Element): Element => (typeof x === 'bigint' ? BigInt(Number(x > 0n) - Number(x < 0n)) : Math.sign(x))

/** Bitwise functions of integers. */
function bitwise(label: string, small: (a: number, b: number) => number, big: (a: bigint, b: bigint) => bigint): Lower {
  return function* (node, inputs) {
    const a = numeric(node, need(node, inputs, 0))
    if (isFloat(a.type)) throw wrong(node, `operands of ${a.type}`)
    const { write } = codecOf(a.type)
    return [
      yield* onHost(node, label, a.type, [a, need(node, inputs, 1)], (x, y) =>
        write(typeof x === 'bigint' ? big(x, BigInt(y)) : small(x, Number(y))),
      ),
    ]
  }
}

function* bitShift(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const right = node.attributes.string('direction', '') === 'RIGHT'
  const shift = bitwise(
    'shift',
    (a, b) => (b > 31 ? 0 : right ? a >>> b : a << b),
    (a, b) => (right ? a >> b : a << b),
  )
  return yield* shift(node, inputs)
}

export const arithmetic: Operators = {
  Add: binary(pairs.Add),
  Sub: binary(pairs.Sub),
  Mul: binary(pairs.Mul),
  Div: binary(pairs.Div),
  Min: variadic(pairs.Min),
  Max: variadic(pairs.Max),
  Sum: variadic(pairs.Add),
  Mean: variadic(pairs.Add, divided),
  Pow: pow,
  Mod: mod,
  Neg: unary('neg', (x) => -x, negate, 'neg'),
  Abs: unary('abs', Math.abs, magnitude, 'abs'),
  Sign: unary('sign', Math.sign, signOf, 'sign'),
  Reciprocal: unary('reciprocal', (x) => 1 / x, undefined, 'reciprocal'),
  Sqrt: unary('sqrt', Math.sqrt, undefined, 'sqrt'),
  Floor: unary('floor', Math.floor, same, 'floor'),
  Ceil: unary('ceil', Math.ceil, same, 'ceil'),
  Round: unary('round', rne, same, 'round'),
  Exp: unary('exp', Math.exp, undefined, 'exp'),
  Log: unary('log', Math.log, undefined, 'log'),
  Sin: unary('sin', Math.sin),
  Cos: unary('cos', Math.cos),
  Tan: unary('tan', Math.tan),
  Asin: unary('asin', Math.asin),
  Acos: unary('acos', Math.acos),
  Atan: unary('atan', Math.atan),
  Sinh: unary('sinh', Math.sinh),
  Cosh: unary('cosh', Math.cosh),
  Asinh: unary('asinh', Math.asinh),
  Acosh: unary('acosh', Math.acosh),
  Atanh: unary('atanh', Math.atanh),
  BitwiseAnd: bitwise(
    'and',
    (a, b) => a & b,
    (a, b) => a & b,
  ),
  BitwiseOr: bitwise(
    'or',
    (a, b) => a | b,
    (a, b) => a | b,
  ),
  BitwiseXor: bitwise(
    'xor',
    (a, b) => a ^ b,
    (a, b) => a ^ b,
  ),
  BitShift: bitShift,
}
