/** Reductions over axes. */
import type { Kernels } from '../../backend/contract'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { laneSum } from '../../backend/js/math'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, withDims, type Value } from '../../runtime/value'
import { resolveAxis, sizeOf } from '../../tensor/shape'
import { allocateElements, isBigType, type NumericType } from '../types'
import { codecOf, isFloat } from './arithmetic'
import { type Element } from './elementwise'
import { made, numeric } from './movement'
import {
  integers,
  need,
  needKnown,
  optionalKnown,
  unsupported,
  wrong,
  type Inputs,
  type Lower,
  type Operators,
} from './operator'
import { moveAxesLast, moveAxesBack } from './rows'

/** What a reduction computes of the elements of a row, as numbers. */
interface Reduction {
  readonly label: string
  /** The kernel's name for it, for float32. */
  readonly kernel?: Kernels['freduce']['op']
  readonly real: (row: Float64Array) => number
  /** The same for 64-bit integers, where it is exact in them. */
  readonly big?: (row: readonly bigint[]) => bigint
  /** float32 elements before and after the sum in 16 lanes (numerics.md 7), where it is a sum. */
  readonly lanes?: { readonly before?: (x: number) => number; readonly after?: (sum: number, count: number) => number }
  /** The value of nothing; absent: there is none. */
  readonly empty?: number
}

const { fround } = Math
const sum = (row: Float64Array): number => row.reduce((a, b) => a + b, 0)
const largest = (row: Float64Array): number => row.reduce((a, b) => Math.max(a, b), -Infinity)

const reductions = {
  sum: { label: 'sum', kernel: 'sum', real: sum, big: (row) => row.reduce((a, b) => a + b, 0n), lanes: {}, empty: 0 },
  mean: {
    label: 'mean',
    kernel: 'mean',
    real: (row) => sum(row) / row.length,
    big: (row) => row.reduce((a, b) => a + b, 0n) / BigInt(row.length),
    lanes: { after: (total, count) => fround(total / count) },
  },
  max: {
    label: 'max',
    kernel: 'max',
    real: largest,
    big: (row) => row.reduce((a, b) => (b > a ? b : a)),
    empty: -Infinity,
  },
  min: {
    label: 'min',
    kernel: 'min',
    real: (row) => row.reduce((a, b) => Math.min(a, b), Infinity),
    big: (row) => row.reduce((a, b) => (b < a ? b : a)),
    empty: Infinity,
  },
  prod: {
    label: 'product',
    kernel: 'prod',
    real: (row) => row.reduce((a, b) => a * b, 1),
    big: (row) => row.reduce((a, b) => a * b, 1n),
    empty: 1,
  },
  l1: {
    label: 'sum of magnitudes',
    kernel: 'sumAbs',
    real: (row) => sum(row.map(Math.abs)),
    big: (row) => row.reduce((a, b) => a + (b < 0n ? -b : b), 0n),
    lanes: { before: Math.abs },
    empty: 0,
  },
  l2: {
    label: 'norm',
    real: (row) => Math.sqrt(sum(row.map((x) => x * x))),
    lanes: { before: (x) => fround(x * x), after: (total) => fround(Math.sqrt(total)) },
    empty: 0,
  },
  squares: {
    label: 'sum of squares',
    kernel: 'sumSquares',
    real: (row) => sum(row.map((x) => x * x)),
    big: (row) => row.reduce((a, b) => a + b * b, 0n),
    lanes: { before: (x) => fround(x * x) },
    empty: 0,
  },
  logSum: { label: 'log of sum', real: (row) => Math.log(sum(row)), empty: -Infinity },
  logSumExp: {
    label: 'log of sum of exponentials',
    real: (row) => {
      const top = largest(row)
      return Number.isFinite(top) ? top + Math.log(sum(row.map((x) => Math.exp(x - top)))) : top
    },
    empty: -Infinity,
  },
} satisfies Readonly<Record<string, Reduction>>

/** Axes, from the attribute or the second input; all where there are none. Null: the node does nothing. */
export function reducedAxes(node: GraphNode, inputs: Inputs, rank: number): readonly number[] | null {
  const value = optionalKnown(node, inputs, 1)
  const given = node.attributes.ints('axes') ?? (value === undefined ? [] : integers(value))
  if (given.length > 0) return [...new Set(given.map((axis) => resolveAxis(node.op, axis, rank)))].sort((a, b) => a - b)
  if (node.attributes.int('noop_with_empty_axes', 0) !== 0) return null
  return Array.from({ length: rank }, (_, axis) => axis)
}

function reduction(kind: Reduction): Lower {
  return function* (node, inputs) {
    const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
    const axes = reducedAxes(node, inputs, x.dims.length)
    // Without axes each element is a row of its own: a square stays a square.
    const rowAxes = axes ?? []
    if (axes === null && kind.lanes?.before === undefined && !kind.label.startsWith('log')) return [x]
    const keep = node.attributes.int('keepdims', 1) !== 0
    const dims =
      axes === null || keep
        ? x.dims.map((size, axis) => (rowAxes.includes(axis) ? 1 : size))
        : x.dims.filter((_, axis) => !rowAxes.includes(axis))
    const length = sizeOf(rowAxes.map((axis) => x.dims[axis] ?? 1))
    const rows = sizeOf(dims)
    const moved = yield* moveAxesLast(x, rowAxes)
    return [withDims(yield* reduceRows(node, kind, moved, rows, length), dims)]
  }
}

function* reduceRows(
  node: GraphNode,
  kind: Reduction,
  x: Exclude<Value, { readonly type: 'string' }>,
  rows: number,
  length: number,
): Lowering<Value> {
  if (length === 0 && kind.empty === undefined) throw wrong(node, 'there is nothing to reduce')
  if (x.type === 'float32' && kind.kernel !== undefined && rows > 0 && length > 0) {
    const y = allocateFor('float32', [rows])
    yield step('freduce', { x: x.data, y, rows, length, op: kind.kernel })
    return computed('float32', [rows], y)
  }
  const { type } = x
  const y = allocateElements(type, rows)
  const { read, write } = codecOf(type)
  yield host(kind.label, [x.data] as const, [y] as const, ([source], [target]) => {
    const from = source as unknown as ArrayLike<Element>
    const to = target as unknown as Record<number, Element>
    for (let row = 0; row < rows; row++) {
      const part = Array.from({ length }, (_, i) => from[row * length + i] ?? 0)
      to[row] = reduceRow(node, kind, type, part, read, write)
    }
  })
  return made(type, [rows], y)
}

function reduceRow(
  node: GraphNode,
  kind: Reduction,
  type: NumericType,
  part: readonly Element[],
  read: (x: Element) => Element,
  write: (x: Element) => Element,
): Element {
  if (part.length === 0) return emptyOf(node, kind, type, write)
  if (isBigType(type)) {
    if (kind.big !== undefined) return write(kind.big(part as readonly bigint[]))
    return write(BigInt(Math.trunc(kind.real(Float64Array.from(part, Number)))))
  }
  const numbers = Float64Array.from(part, (element) => Number(read(element)))
  if (type === 'float32' && kind.lanes !== undefined) {
    const { before = (e: number) => e, after = (total: number) => total } = kind.lanes
    const values = Float32Array.from(numbers, before)
    return after(laneSum(values, 0, values.length, 1), values.length)
  }
  const result = kind.real(numbers)
  return write(isFloat(type) ? result : Math.trunc(result))
}

function emptyOf(
  node: GraphNode,
  { empty = 0 }: Reduction,
  type: NumericType,
  write: (x: Element) => Element,
): Element {
  if (isFloat(type) || Number.isFinite(empty)) return isBigType(type) ? BigInt(empty) : write(empty)
  if (type === 'bool') return empty < 0 ? 0 : 1
  throw unsupported(node, `the ${empty < 0 ? 'largest' : 'least'} of no ${type}`)
}

/** Index of the largest or least element along an axis. */
function arg(better: (a: Element, b: Element) => boolean): Lower {
  return function* (node, inputs) {
    const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
    const axis = resolveAxis(node.op, node.attributes.int('axis', 0), x.dims.length)
    const last = node.attributes.int('select_last_index', 0) !== 0
    const keep = node.attributes.int('keepdims', 1) !== 0
    const dims = keep ? x.dims.map((size, a) => (a === axis ? 1 : size)) : x.dims.filter((_, a) => a !== axis)
    const length = x.dims[axis] ?? 1
    if (length === 0) throw wrong(node, 'there is nothing to choose from')
    const { data } = yield* moveAxesLast(x, [axis])
    const y = allocateFor('int64', dims)
    const { read } = codecOf(x.type)
    yield host('arg', [data] as const, [y] as const, ([source], [to]) => {
      const from = source as unknown as ArrayLike<Element>
      for (let row = 0; row < to.length; row++) {
        let best = 0
        for (let i = 1; i < length; i++) {
          const [a, b] = [read(from[row * length + i] ?? 0), read(from[row * length + best] ?? 0)]
          if (better(a, b) || (last && a === b)) best = i
        }
        to[row] = BigInt(best)
      }
    })
    return [computed('int64', dims, y)]
  }
}

function* cumSum(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = numeric(node, yield* contiguous(need(node, inputs, 0)))
  const [given = 0] = integers(needKnown(node, inputs, 1))
  const axis = resolveAxis(node.op, given, x.dims.length)
  const exclusive = node.attributes.int('exclusive', 0) !== 0
  const reverse = node.attributes.int('reverse', 0) !== 0
  const length = x.dims[axis] ?? 1
  const moved = yield* moveAxesLast(x, [axis])
  const data = allocateElements(x.type, sizeOf(x.dims))
  const { read, write } = codecOf(x.type)
  yield host('cumulative sum', [moved.data] as const, [data] as const, ([source], [target]) => {
    const from = source as unknown as ArrayLike<Element>
    const to = target as unknown as Record<number, Element>
    const zero: Element = isBigType(x.type) ? 0n : 0
    for (let row = 0; row < from.length / Math.max(1, length); row++) {
      let total: Element = zero
      for (let i = 0; i < length; i++) {
        const at = row * length + (reverse ? length - 1 - i : i)
        const element = read(from[at] ?? zero)
        const next: Element =
          typeof total === 'bigint' ? total + BigInt(element) : Number(read(write(total + Number(element))))
        to[at] = write(exclusive ? total : next)
        total = next
      }
    }
  })
  return [yield* moveAxesBack(made(x.type, moved.dims, data) as typeof moved, [axis], x.dims)]
}

export const reduces: Operators = {
  ReduceSum: reduction(reductions.sum),
  ReduceMean: reduction(reductions.mean),
  ReduceMax: reduction(reductions.max),
  ReduceMin: reduction(reductions.min),
  ReduceProd: reduction(reductions.prod),
  ReduceL1: reduction(reductions.l1),
  ReduceL2: reduction(reductions.l2),
  ReduceSumSquare: reduction(reductions.squares),
  ReduceLogSum: reduction(reductions.logSum),
  ReduceLogSumExp: reduction(reductions.logSumExp),
  ArgMax: arg((a, b) => a > b),
  ArgMin: arg((a, b) => a < b),
  CumSum: cumSum,
}
