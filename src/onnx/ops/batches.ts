/** Products of matrices that are both computed at run time, one for each index of the leading axes. */
import type { GraphNode } from '../../graph/graph'
import { broadcastShape } from '../../ops/shapes/broadcast'
import { step } from '../../backend/steps'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, type TypedValue } from '../../runtime/value'
import { checkShape, shapeText, sizeOf, stridesOf, type Shape } from '../../tensor/shape'
import { wrong } from './operator'

/** How two operands multiply (numpy's `matmul`). */
export interface MatmulShape {
  /** Shape of the result. */
  readonly shape: Shape
  /** Rows of a in all, where b is one matrix. */
  readonly rows: number
  readonly inner: number
  readonly columns: number
  /** Leading axes of the result. */
  readonly batch: Shape
  /** Rows of one matrix of a. */
  readonly matrixRows: number
}

/** Reads the shapes of a product; one axis is a row on the left, a column on the right. */
export function readMatmul(node: GraphNode, a: Shape, b: Shape): MatmulShape {
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  const [matrixRows = 1, inner = 1] = left.slice(-2)
  const [innerB = 1, columns = 1] = right.slice(-2)
  if (a.length === 0 || b.length === 0 || inner !== innerB)
    throw wrong(node, `matrices of shapes ${shapeText(a)} and ${shapeText(b)} have no product`)
  const batch = broadcastShape(node.op, left.slice(0, -2), right.slice(0, -2))
  const shape = [...batch, ...(a.length === 1 ? [] : [matrixRows]), ...(b.length === 1 ? [] : [columns])]
  checkShape(node.op, shape, 'the output shape')
  return { shape, rows: sizeOf(left.slice(0, -1)), inner, columns, batch, matrixRows }
}

/** For each matrix of the result, in order, the matrices of a and b that it is made of. */
export function matrixPairs({ batch }: MatmulShape, a: Shape, b: Shape): (readonly [a: number, b: number])[] {
  const strides = (shape: Shape): number[] => {
    const leading = shape.slice(0, -2)
    const own = stridesOf(leading, 'contiguous')
    return batch.map((_, axis) => {
      const at = axis - batch.length + leading.length
      return at < 0 || leading[at] === 1 ? 0 : (own[at] ?? 0)
    })
  }
  const [left, right] = [strides(a), strides(b)]
  return Array.from({ length: sizeOf(batch) }, (_, i) => {
    let rest = i
    let [atA, atB] = [0, 0]
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      const index = rest % (batch[axis] ?? 1)
      rest = Math.floor(rest / (batch[axis] ?? 1))
      atA += index * (left[axis] ?? 0)
      atB += index * (right[axis] ?? 0)
    }
    return [atA, atB] as const
  })
}

/** Products by one step of a kernel: matrices that follow each other in both operands, or repeat. */
export interface Run {
  readonly first: number
  readonly count: number
  /** Matrices from one to the next; 0 repeats. */
  readonly aStep: number
  readonly bStep: number
}

/** Divides pairs into runs of one step each. */
export function runsOf(pairs: readonly (readonly [a: number, b: number])[]): Run[] {
  const runs: Run[] = []
  for (const [i, [a, b]] of pairs.entries()) {
    const last = runs.at(-1)
    const before = pairs[i - 1] ?? [0, 0]
    const [aStep, bStep] = [a - before[0], b - before[1]]
    const single = last?.count === 1
    const fits = single ? aStep >= 0 && bStep >= 0 : last?.aStep === aStep && last.bStep === bStep
    if (last !== undefined && fits) runs.splice(-1, 1, { first: last.first, count: last.count + 1, aStep, bStep })
    else runs.push({ first: i, count: 1, aStep: 0, bStep: 0 })
  }
  return runs
}

/** The product of two contiguous float values: one fma chain over k for each output (numerics.md 7). */
export function* batchedMatmul(
  node: GraphNode,
  a: TypedValue<'float32'>,
  b: TypedValue<'float32'>,
): Lowering<TypedValue<'float32'>> {
  const plan = readMatmul(node, a.dims, b.dims)
  const y = allocateFor('float32', plan.shape)
  const { matrixRows: rows, inner, columns } = plan
  const [aSize, bSize, ySize] = [rows * inner, inner * columns, rows * columns]
  const pairs = matrixPairs(plan, a.dims, b.dims)
  for (const { first, count, aStep, bStep } of y.length === 0 ? [] : runsOf(pairs)) {
    const [aFirst, bFirst] = pairs[first] ?? [0, 0]
    yield step('fmatmul', {
      a: a.data.subarray(aFirst * aSize, (aFirst + aStep * (count - 1) + 1) * aSize),
      b: b.data.subarray(bFirst * bSize, (bFirst + bStep * (count - 1) + 1) * bSize),
      y: y.subarray(first * ySize, (first + count) * ySize),
      batch: count,
      rows,
      inner,
      columns,
      aStride: aStep * aSize,
      bStride: bStep * bSize,
      transposeB: false,
    })
  }
  return computed('float32', plan.shape, y)
}
