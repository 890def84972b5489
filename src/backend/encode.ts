/**
 * How a kernel's operands become the addon's arguments: one line per kernel, typed arrays as they are, single numbers
 * as numbers, geometry and shapes flattened into one Float64Array. `binding/<family>.cc` reads them in this order; a
 * change of either side raises the ABI number in `native.ts` and `binding/addon.cc`.
 */
import type { ConvGeometry, Dims3, KernelName, Kernels, PoolWindows, TransposedSteps } from './contract'

/** A function of the addon: a kernel's sync form (returns nothing) or async form (returns a promise). */
export type Call<R> = (...args: readonly unknown[]) => R

/** One per kernel: a kernel that is missing here does not compile. */
export type Encoders = { readonly [K in KernelName]: <R>(call: Call<R>, operands: Kernels[K]) => R }

const binaryOps: readonly Kernels['fbinary']['op'][] = ['add', 'sub', 'mul', 'div', 'min', 'max', 'pow']
const reduceOps: readonly Kernels['freduce']['op'][] = ['sum', 'mean', 'max', 'min', 'sumSquares', 'sumAbs', 'prod']
const unaryOps: readonly Kernels['funary']['op'][] = [
  'sigmoid',
  'tanh',
  'hardswish',
  'leakyRelu',
  'exp',
  'neg',
  'abs',
  'sqrt',
  'reciprocal',
  'floor',
  'ceil',
  'round',
  'sign',
  'softsign',
  'hardsigmoid',
  'log',
  'erf',
  'gelu',
  'geluTanh',
  'softplus',
  'elu',
  'silu',
  'mish',
  'selu',
]

/** Arrays that are filled for one call and used again by the next: the addon reads them before it returns. */
const scratch: Float64Array[] = []

function scratchOf(length: number): Float64Array {
  return (scratch[length] ??= new Float64Array(length))
}

function put3(to: Float64Array, at: number, [depth, height, width]: Dims3): void {
  to[at] = depth
  to[at + 1] = height
  to[at + 2] = width
}

/** Encoded geometries: ops keep theirs from call to call. */
const encoded = new WeakMap<ConvGeometry, Float64Array>()

function conv(g: ConvGeometry): Float64Array {
  const known = encoded.get(g)
  if (known !== undefined) return known
  const numbers = new Float64Array(22)
  encoded.set(g, numbers)
  numbers[0] = g.batch
  numbers[1] = g.groups
  numbers[2] = g.inChannels
  numbers[3] = g.outChannels
  put3(numbers, 4, g.input)
  put3(numbers, 7, g.output)
  put3(numbers, 10, g.kernel)
  put3(numbers, 13, g.stride)
  put3(numbers, 16, g.dilation)
  put3(numbers, 19, g.padding)
  return numbers
}

/** Windows as the addon reads them: sizes, and the starts of the three axes with the counts behind them. */
type EncodedWindows = readonly [numbers: Float64Array, tables: Int32Array]

/** Encoded windows: ops keep theirs from call to call, as they do geometries. */
const encodedWindows = new WeakMap<PoolWindows, EncodedWindows>()

function windows(w: PoolWindows): EncodedWindows {
  const known = encodedWindows.get(w)
  if (known !== undefined) return known
  const numbers = new Float64Array(11)
  numbers[0] = w.batch
  numbers[1] = w.channels
  put3(numbers, 2, w.input)
  put3(numbers, 5, w.output)
  put3(numbers, 8, w.steps)
  const lists = [...w.starts, ...w.counts]
  const tables = new Int32Array(lists.reduce((length, list) => length + list.length, 0))
  let at = 0
  for (const list of lists) {
    tables.set(list, at)
    at += list.length
  }
  const result: EncodedWindows = [numbers, tables]
  encodedWindows.set(w, result)
  return result
}

/** Lists of one rank, one after the other. */
function axes(...lists: readonly (readonly number[])[]): Float64Array {
  const rank = lists[0]?.length ?? 0
  const numbers = scratchOf(rank * lists.length)
  lists.forEach((list, at) => {
    for (let d = 0; d < rank; d++) numbers[at * rank + d] = list[d] ?? NaN
  })
  return numbers
}

/** Sizes and strides of a batch of matrix products. */
function products(...values: readonly [number, number, number, number, number, number]): Float64Array {
  const numbers = scratchOf(6)
  numbers.set(values)
  return numbers
}

/** Weights' sizes, for packing: groups, outChannels, kernel, inPerGroup; if transposed, stride and dilation too. */
export function weightSizes(w: {
  readonly groups: number
  readonly outChannels: number
  readonly kernel: Dims3
  readonly inPerGroup: number
  readonly transposed?: TransposedSteps
}): Float64Array {
  const numbers = scratchOf(w.transposed === undefined ? 6 : 12)
  numbers[0] = w.groups
  numbers[1] = w.outChannels
  put3(numbers, 2, w.kernel)
  numbers[5] = w.inPerGroup
  if (w.transposed !== undefined) {
    put3(numbers, 6, w.transposed.stride)
    put3(numbers, 9, w.transposed.dilation)
  }
  return numbers
}

export const encoders: Encoders = {
  quantize: (call, { x, y, split, scales, zeroPoints, qmin, qmax, divide }) =>
    call(x, y, split.outer, split.channels, split.inner, scales, zeroPoints, qmin, qmax, divide),
  dynamicParams: (call, { x, y }) => call(x, y),
  quantizeBy: (call, { x, y, params }) => call(x, y, params),
  dynamicRescale: (call, { x, y, params, sums, scales, bias, rows, channels, lo, hi }) =>
    call(x, y, params, sums, scales, bias, rows, channels, lo, hi),
  dequantize: (call, { x, y, split, scales, zeroPoints }) =>
    call(x, y, split.outer, split.channels, split.inner, scales, zeroPoints),
  requantize: (call, { x, y, xZeroPoint, yZeroPoint, multiplier, lo, hi }) =>
    call(x, y, xZeroPoint, yZeroPoint, multiplier, lo, hi),
  qclamp: (call, { x, y, lo, hi }) => call(x, y, lo, hi),
  lookup: (call, { x, y, table }) => call(x, y, table),
  qadd: (call, o) =>
    call(
      o.a,
      o.b,
      o.y,
      axes(o.broadcast.shape, o.broadcast.aStrides, o.broadcast.bStrides),
      o.aZeroPoint,
      o.bZeroPoint,
      o.yZeroPoint,
      o.aMultiplier,
      o.bMultiplier,
      o.lo,
      o.hi,
    ),
  qmul: (call, o) =>
    call(
      o.a,
      o.b,
      o.y,
      axes(o.broadcast.shape, o.broadcast.aStrides, o.broadcast.bStrides),
      o.aZeroPoint,
      o.bZeroPoint,
      o.yZeroPoint,
      o.multiplier,
      o.lo,
      o.hi,
    ),
  qconv: (call, { op, x, y, geometry }) => call(op, x, y, conv(geometry)),
  qconvTransposed: (call, { op, x, y, geometry }) => call(op, x, y, conv(geometry)),
  qlinear: (call, { op, x, y, rows }) => call(op, x, y, rows),
  qmatmulInt32: (call, { a, b, y, batch, rows, inner, columns, aStride, bStride, aZeroPoint, bZeroPoints }) =>
    call(a, b, y, products(batch, rows, inner, columns, aStride, bStride), aZeroPoint, bZeroPoints),
  qmaxPool: (call, { x, y, windows: w }) => call(x, y, ...windows(w)),
  qavgPool: (call, { x, y, windows: w, xZeroPoint, yZeroPoint, multipliers, lo, hi }) =>
    call(x, y, ...windows(w), multipliers, xZeroPoint, yZeroPoint, lo, hi),
  fconv: (call, { op, x, residual, y, geometry, lo, hi }) => call(op, x, y, conv(geometry), lo, hi, residual),
  fconvTransposed: (call, { op, x, y, geometry, lo, hi }) => call(op, x, y, conv(geometry), lo, hi),
  flinear: (call, { op, x, y, rows, lo, hi }) => call(op, x, y, rows, lo, hi),
  fmatmul: (call, { a, b, y, batch, rows, inner, columns, aStride, bStride, transposeB }) =>
    call(a, b, y, products(batch, rows, inner, columns, aStride, bStride), transposeB),
  fbinary: (call, { a, b, y, broadcast: { shape, aStrides, bStrides }, op }) =>
    call(a, b, y, axes(shape, aStrides, bStrides), binaryOps.indexOf(op)),
  fwhere: (call, { condition, a, b, y, broadcast: { shape, conditionStrides, aStrides, bStrides } }) =>
    call(condition, a, b, y, axes(shape, conditionStrides, aStrides, bStrides)),
  fclamp: (call, { x, y, lo, hi }) => call(x, y, lo, hi),
  funary: (call, { x, y, op, alpha, beta }) => call(x, y, unaryOps.indexOf(op), alpha, beta),
  faffine: (call, { x, y, split, scales, shifts }) =>
    call(x, y, split.outer, split.channels, split.inner, scales, shifts),
  fmaxPool: (call, { x, y, windows: w }) => call(x, y, ...windows(w)),
  favgPool: (call, { x, y, windows: w, divisors }) => call(x, y, ...windows(w), divisors),
  softmax: (call, { x, y, rows, length }) => call(x, y, rows, length),
  qsoftmax: (call, { x, y, rows, length, table, scale, zeroPoint, lo, hi }) =>
    call(x, y, rows, length, table, scale, zeroPoint, lo, hi),
  freduce: (call, { x, y, rows, length, op }) => call(x, y, rows, length, reduceOps.indexOf(op)),
  layerNorm: (call, { x, y, rows, length, scale, bias, epsilon }) => call(x, y, rows, length, scale, bias, epsilon),
  minMax: (call, { x, y }) => call(x, y),
  stridedCopy: (call, { x, y, shape, xOffset, xStrides, yOffset, yStrides }) =>
    call(x, y, axes(shape, xStrides, yStrides), xOffset, yOffset),
  gather: (call, { x, y, outer, axis, inner, indices }) => call(x, y, outer, axis, inner, indices),
  resample: (call, { x, y, outer, inLength, outLength, inner, taps, indices, weights }) =>
    call(x, y, outer, inLength, outLength, inner, taps, indices, weights),
  fold: (call, { x, y, batch, channels, blocks, output, kernel, stride, dilation, padding }) => {
    const numbers = scratchOf(14)
    numbers[0] = batch
    numbers[1] = channels
    numbers.set(blocks, 2)
    numbers.set(output, 4)
    numbers.set(kernel, 6)
    numbers.set(stride, 8)
    numbers.set(dilation, 10)
    numbers.set(padding, 12)
    return call(x, y, numbers)
  },
}
