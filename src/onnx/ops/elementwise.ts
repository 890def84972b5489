/** What elementwise operators share: broadcasting of any number of operands of any type. */
import type { Kernels } from '../../backend/contract'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { broadcastShape, broadcastStrides, planBroadcast } from '../../ops/shapes/broadcast'
import { contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, withDims, type TypedValue, type Value } from '../../runtime/value'
import { sizeOf, type Shape } from '../../tensor/shape'
import { allocateElements, isBigType, type NumericType } from '../types'
import { made, numeric } from './movement'
import { need, wrong, type Inputs } from './operator'

/** An element of a host step: bigints are computed as bigints. */
export type Element = number | bigint
type Reader = Record<number, Element>

/** Offsets of an operand's elements for each element of the result, in row-major order. */
function offsetsOf(dims: Shape, shape: Shape): Int32Array | undefined {
  if (dims.join() === shape.join()) return undefined
  const strides = broadcastStrides(dims, shape)
  let offsets = Int32Array.of(0)
  shape.forEach((size, axis) => {
    const next = new Int32Array(offsets.length * size)
    offsets.forEach((offset, i) => {
      for (let k = 0; k < size; k++) next[i * size + k] = offset + k * (strides[axis] ?? 0)
    })
    offsets = next
  })
  return offsets
}

/** The second operand. Before operator set 7 it broadcast only where `broadcast` said so, from `axis` on. */
export function* secondOperand(node: GraphNode, inputs: Inputs): Lowering<Value> {
  const a = need(node, inputs, 0)
  const b = need(node, inputs, 1)
  const axis = node.attributes.int('axis')
  if (node.opset >= 7 || node.attributes.int('broadcast', 0) === 0 || axis === undefined) return b
  const at = axis < 0 ? axis + a.dims.length : axis
  const behind = a.dims.length - at - b.dims.length
  if (behind < 0) throw wrong(node, `axis ${String(axis)} of ${node.op}`)
  return withDims(yield* contiguous(b), [...b.dims, ...new Array<number>(behind).fill(1)])
}

/** Computes an elementwise function of one or more operands in JavaScript. */
export function* onHost(
  node: GraphNode,
  label: string,
  type: NumericType,
  operands: readonly Value[],
  compute: (...elements: Element[]) => Element,
): Lowering<Value> {
  const values = []
  for (const operand of operands) values.push(numeric(node, yield* contiguous(operand)))
  const shape = values.map(({ dims }) => dims).reduce((a, b) => broadcastShape(node.op, a, b))
  const data = allocateElements(type, sizeOf(shape))
  const offsets = values.map(({ dims }) => offsetsOf(dims, shape))
  yield host(
    label,
    values.map((value) => value.data),
    [data],
    (reads, [target]) => {
      const to = target as unknown as Reader
      const from = reads as unknown as readonly Reader[]
      const [x, y] = from
      const [ox, oy] = offsets
      for (let i = 0; i < data.length; i++) {
        const first = x?.[ox?.[i] ?? i] ?? 0
        if (from.length === 1) to[i] = compute(first)
        else if (from.length === 2) to[i] = compute(first, y?.[oy?.[i] ?? i] ?? 0)
        else to[i] = compute(...from.map((array, k) => array[offsets[k]?.[i] ?? i] ?? 0))
      }
    },
  )
  return made(type, shape, data)
}

/** Float functions of two operands that have kernels. */
export type FloatPair = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow'

/** A float function of two operands, each result rounded once. */
export function* floatPair(
  node: GraphNode,
  op: FloatPair,
  a: TypedValue<'float32'>,
  b: TypedValue<'float32'>,
): Lowering<TypedValue<'float32'>> {
  const { shape, broadcast, memoryFormat } = planBroadcast(
    node.op,
    { shape: a.dims, memoryFormat: a.format },
    { shape: b.dims, memoryFormat: b.format },
  )
  const y = allocateFor('float32', shape)
  if (y.length > 0) yield step('fbinary', { a: a.data, b: b.data, y, broadcast, op })
  return computed('float32', shape, y, memoryFormat)
}

/** Brings the result of arithmetic into an integer type's range, as two's complement does. */
export function wrapTo(type: NumericType): (value: Element) => Element {
  if (isBigType(type))
    return (value) => (type === 'int64' ? BigInt.asIntN(64, BigInt(value)) : BigInt.asUintN(64, BigInt(value)))
  return (value) => value
}

/** Float functions of one operand that have kernels. */
export type FloatUnary = Kernels['funary']['op']

/** A float function of one operand. `alpha` and `beta` are the function's own parameters. */
export function* floatUnary(
  x: TypedValue<'float32'>,
  op: FloatUnary,
  alpha = 0,
  beta = 0,
): Lowering<TypedValue<'float32'>> {
  const y = allocateFor('float32', x.dims)
  if (y.length > 0) yield step('funary', { x: x.data, y, op, alpha, beta })
  return computed('float32', x.dims, y, x.format)
}
