/** Broadcasting: the shape of two operands together, and how each is read. */
import type { Broadcast } from '../../backend/contract'
import { ShapeError } from '../../errors'
import {
  checkShape,
  sameShape,
  shapeText,
  sizeOf,
  storageOrder,
  stridesOf,
  type MemoryFormat,
  type Shape,
} from '../../tensor/shape'

/** What broadcasting needs to know of an operand. */
export interface Operand {
  readonly shape: Shape
  readonly memoryFormat: MemoryFormat
}

/** Two operands together. */
export interface BroadcastPlan {
  readonly shape: Shape
  /** a's where a has the result's shape, else b's where b has it, else contiguous. */
  readonly memoryFormat: MemoryFormat
  readonly broadcast: Broadcast
}

/** The shape that two shapes broadcast to: aligned at their last axes, sizes equal or 1. */
export function broadcastShape(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  const shape = Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    if (left !== right && left !== 1 && right !== 1)
      throw new ShapeError({
        op,
        argument: 'b',
        expected: `of a shape that broadcasts with a's ${shapeText(a)} (sizes equal or 1, counted from the last axis)`,
        received: shapeText(b),
      })
    return left === 1 ? right : left
  })
  checkShape(op, shape, 'the output shape')
  return shape
}

/** Plans an op on two operands: the result is dense in its own memory format, the operands are read by strides. */
export function planBroadcast(op: string, a: Operand, b: Operand): BroadcastPlan {
  if (a.memoryFormat === b.memoryFormat && sameShape(a.shape, b.shape)) return planAlike(a)
  const shape = broadcastShape(op, a.shape, b.shape)
  const owner = sameShape(a.shape, shape) ? a : sameShape(b.shape, shape) ? b : undefined
  const memoryFormat = owner?.memoryFormat ?? 'contiguous'
  const order = storageOrder(shape.length, memoryFormat)
  const aStrides = broadcastStrides(a.shape, shape, a.memoryFormat)
  const bStrides = broadcastStrides(b.shape, shape, b.memoryFormat)
  const merged: { length: number; a: number; b: number }[] = []
  for (const axis of order) {
    const next = { length: shape[axis] ?? 1, a: aStrides[axis] ?? 0, b: bStrides[axis] ?? 0 }
    const last = merged.at(-1)
    if (next.length === 1) continue
    if (last?.a === next.a * next.length && last.b === next.b * next.length)
      merged.splice(-1, 1, { ...next, length: last.length * next.length })
    else merged.push(next)
  }
  if (merged.length === 0) merged.push({ length: 1, a: 0, b: 0 })
  return {
    shape,
    memoryFormat,
    broadcast: {
      shape: merged.map(({ length }) => length),
      aStrides: merged.map((axis) => axis.a),
      bStrides: merged.map((axis) => axis.b),
    },
  }
}

/** Operands that are stored alike: one axis, along which the elements meet in the order of storage. */
function planAlike({ shape, memoryFormat }: Operand): BroadcastPlan {
  return { shape, memoryFormat, broadcast: { shape: [sizeOf(shape)], aStrides: [1], bStrides: [1] } }
}

/** An operand's strides under the result's axes; 0 where it repeats. */
export function broadcastStrides(operand: Shape, shape: Shape, format: MemoryFormat = 'contiguous'): number[] {
  const strides = stridesOf(operand, format)
  return shape.map((_, axis) => {
    const own = axis - shape.length + operand.length
    return own < 0 || operand[own] === 1 ? 0 : (strides[own] ?? 0)
  })
}
