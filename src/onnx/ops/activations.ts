/** Activations: functions of one float value. */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, type TypedValue, type Value } from '../../runtime/value'
import { codecOf, isFloat } from './arithmetic'
import { floatUnary, onHost, type Element, type FloatUnary } from './elementwise'
import { numeric } from './movement'
import { need, optionalKnown, unsupported, wrong, type Inputs, type Lower, type Operators } from './operator'

const { fround } = Math

/** `max(x, 0)` */
function* relu(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  if (x.type === 'float32') return [yield* clamped(x, 0, Infinity)]
  const { read, write } = codecOf(x.type)
  return [yield* onHost(node, 'relu', x.type, [x], (e) => write(clampElement(read(e), 0, Infinity)))]
}

function* clamped(x: TypedValue<'float32'>, lo: number, hi: number): Lowering<TypedValue<'float32'>> {
  const y = allocateFor('float32', x.dims)
  if (y.length > 0) yield step('fclamp', { x: x.data, y, lo, hi })
  return computed('float32', x.dims, y, x.format)
}

/** `min(max(x, lo), hi)` of any element. */
function clampElement(x: Element, lo: number, hi: number): Element {
  if (typeof x !== 'bigint') return Math.min(Math.max(x, lo), hi)
  if (Number.isFinite(lo) && x < BigInt(lo)) return BigInt(lo)
  return Number.isFinite(hi) && x > BigInt(hi) ? BigInt(hi) : x
}

/** Bounds are attributes, or inputs that are known. Where the lower one is larger, the upper one wins. */
function* clip(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  const { read, write } = codecOf(x.type)
  const bound = (i: number, attribute: number | undefined, fallback: number): Element => {
    const value = optionalKnown(node, inputs, i)
    return value === undefined ? (attribute ?? fallback) : read((value.data[0] ?? fallback) as Element)
  }
  const lo = bound(1, node.attributes.float('min'), -Infinity)
  const hi = bound(2, node.attributes.float('max'), Infinity)
  if (x.type === 'float32') return [yield* clamped(x, Math.min(Number(lo), Number(hi)), Number(hi))]
  return [
    yield* onHost(node, 'clip', x.type, [x], (element) => {
      const e = read(element)
      const raised = e < lo ? lo : e
      return write(raised > hi ? hi : raised)
    }),
  ]
}

/** A function for a node: its definition in float64, and parameters of its kernel. */
interface Definition {
  readonly real: (x: number) => number
  readonly alpha?: number
  readonly beta?: number
}

/** A function that has a kernel for float32; other float types are computed by its definition. */
function byKernel(op: FloatUnary, define: (node: GraphNode) => Definition): Lower {
  return function* (node, inputs) {
    const x = numeric(node, need(node, inputs, 0))
    const { real, alpha, beta } = define(node)
    return [x.type === 'float32' ? yield* floatUnary(x, op, alpha, beta) : yield* ofReal(node, op, x, real)]
  }
}

/** A function that is computed in JavaScript, in float64, and rounded once. */
function byHost(label: string, define: (node: GraphNode) => (x: number) => number): Lower {
  return function* (node, inputs) {
    return [yield* ofReal(node, label, numeric(node, need(node, inputs, 0)), define(node))]
  }
}

function* ofReal(
  node: GraphNode,
  label: string,
  x: Exclude<Value, { type: 'string' }>,
  compute: (x: number) => number,
): Lowering<Value> {
  if (!isFloat(x.type)) throw wrong(node, `an input of ${x.type}`)
  const { read, write } = codecOf(x.type)
  return yield* onHost(node, label, x.type, [x], (e) => write(compute(Number(read(e)))))
}

const attribute =
  (name: string, fallback: number) =>
  (node: GraphNode): number =>
    fround(node.attributes.float(name, fallback))

/** The error function within a few units in the last place of float64: a series near 0, a continued fraction beyond. */
export function erf(x: number): number {
  const a = Math.abs(x)
  if (Number.isNaN(x)) return NaN
  if (a > 6) return Math.sign(x)
  if (a < 2.5) {
    let term = a
    let sum = a
    for (let n = 1; n < 100 && Math.abs(term) > 1e-18 * sum; n++) {
      term *= (-a * a) / n
      sum += term / (2 * n + 1)
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction)
  return Math.sign(x) * (1 - Math.exp(-a * a) / ((a + fraction) * Math.sqrt(Math.PI)))
}

const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2))
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
const softplus = (x: number): number => (x > 30 ? x : Math.log1p(Math.exp(x)))
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** One slope for all, or one for each channel: the slopes broadcast to x. */
function* prelu(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, need(node, inputs, 0))
  const given = need(node, inputs, 1)
  const rank = x.dims.length
  // Before opset 7 a list of slopes belongs to the channels.
  const perChannel = node.opset < 7 && given.dims.length === 1 && (given.dims[0] ?? 1) > 1 && rank > 1
  const slope = perChannel
    ? ({ ...given, dims: [given.dims[0] ?? 1, ...new Array<number>(rank - 2).fill(1)] } as Value)
    : given
  const { read, write } = codecOf(x.type)
  return [
    yield* onHost(node, 'prelu', x.type, [x, slope], (e, s) => {
      const value = read(e)
      return write(value < 0 ? (typeof value === 'bigint' ? value * BigInt(read(s)) : value * Number(read(s))) : value)
    }),
  ]
}

export const activations: Operators = {
  Relu: relu,
  Clip: clip,
  Sigmoid: byKernel('sigmoid', () => ({ real: sigmoid })),
  Tanh: byKernel('tanh', () => ({ real: Math.tanh })),
  HardSwish: byKernel('hardswish', () => ({ real: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6 })),
  LeakyRelu: byKernel('leakyRelu', (node) => {
    const alpha = attribute('alpha', 0.01)(node)
    return { real: (x) => (x < 0 ? alpha * x : x), alpha }
  }),
  PRelu: prelu,
  Erf: byKernel('erf', () => ({ real: erf })),
  Gelu: function* (node, inputs) {
    const approximate = node.attributes.string('approximate', 'none')
    if (approximate !== 'none' && approximate !== 'tanh') throw unsupported(node, `approximate "${approximate}"`)
    const run =
      approximate === 'tanh'
        ? byKernel('geluTanh', () => ({ real: geluTanh }))
        : byKernel('gelu', () => ({ real: gelu }))
    return yield* run(node, inputs)
  },
  Elu: byKernel('elu', (node) => {
    const alpha = attribute('alpha', 1)(node)
    return { real: (x) => (x < 0 ? alpha * Math.expm1(x) : x), alpha }
  }),
  Celu: byHost('celu', (node) => {
    const alpha = attribute('alpha', 1)(node)
    return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha))
  }),
  Selu: byKernel('selu', (node) => {
    const alpha = attribute('alpha', node.opset < 6 ? 1.6732 : 1.6732632423543772)(node)
    const beta = attribute('gamma', node.opset < 6 ? 1.0507 : 1.0507009873554805)(node)
    return { real: (x) => beta * (x <= 0 ? alpha * Math.expm1(x) : x), alpha, beta }
  }),
  HardSigmoid: byKernel('hardsigmoid', (node) => {
    const alpha = attribute('alpha', 0.2)(node)
    const beta = attribute('beta', 0.5)(node)
    return { real: (x) => Math.min(1, Math.max(0, alpha * x + beta)), alpha, beta }
  }),
  Softplus: byKernel('softplus', () => ({ real: softplus })),
  Softsign: byKernel('softsign', () => ({ real: (x) => x / (1 + Math.abs(x)) })),
  Mish: byKernel('mish', () => ({ real: (x) => x * Math.tanh(softplus(x)) })),
  Swish: function* (node, inputs) {
    const alpha = attribute('alpha', 1)(node)
    const run =
      alpha === 1
        ? byKernel('silu', () => ({ real: (x) => x * sigmoid(x) }))
        : byHost('swish', () => (x) => x * sigmoid(alpha * x))
    return yield* run(node, inputs)
  },
  ThresholdedRelu: byHost('thresholdedRelu', (node) => {
    const alpha = attribute('alpha', 1)(node)
    return (x) => (x > alpha ? x : 0)
  }),
}
