/** Float matrix products. */
import { currentBackend } from '../../backend/current'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { PackedFloatWeights } from '../../ops/float/packed'
import { planBroadcast } from '../../ops/shapes/broadcast'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, known, ofType, type TypedValue, type Value } from '../../runtime/value'
import { permuteSteps } from '../../tensor/movement'
import { checkShape, shapeText, sizeOf, type Shape } from '../../tensor/shape'
import { batchedMatmul, readMatmul } from './batches'
import { need, wrong, type Inputs, type Operators } from './operator'

type Floats = TypedValue<'float32'>

function* matmul(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = yield* floats(node, need(node, inputs, 0), 'A')
  const b = yield* floats(node, need(node, inputs, 1), 'B')
  const { shape, rows, inner, columns } = readMatmul(node, a.dims, b.dims)
  if (b.known && sizeOf(b.dims) === inner * columns) {
    const y = yield* linear(node, a, { data: b.data, inner, columns, turned: false }, null, rows)
    return [{ ...y, dims: shape }]
  }
  return [yield* batchedMatmul(node, a, b)]
}

/** A constant factor: `inner × columns`, or turned, `columns × inner`, as linear layers have their weights. */
interface Factor {
  readonly data: Float32Array
  readonly inner: number
  readonly columns: number
  readonly turned: boolean
}

/** `rows × inner` times a constant. */
function* linear(node: GraphNode, a: Floats, b: Factor, bias: Floats | null, rows: number): Lowering<Floats> {
  const { inner, columns } = b
  const packed = node.memo('packed', [b.data, bias?.data], () => {
    const values = b.turned ? b.data : new Float32Array(inner * columns)
    if (!b.turned)
      for (let k = 0; k < inner; k++)
        for (let c = 0; c < columns; c++) values[c * inner + k] = b.data[k * columns + c] ?? 0
    return new PackedFloatWeights({
      values,
      bias: bias === null ? null : bias.data,
      groups: 1,
      outChannels: columns,
      kernel: [1, 1, 1],
      inPerGroup: inner,
    })
  })
  const dims = [rows, columns]
  checkShape(node.op, dims, 'the output shape')
  const y = allocateFor('float32', dims)
  if (y.length > 0) {
    const x = packed.empty ? new Float32Array(rows) : a.data
    yield step('flinear', {
      op: packed.handle(currentBackend()),
      x,
      y,
      rows,
      lo: node.attributes.float('lo', -Infinity),
      hi: node.attributes.float('hi', Infinity),
    })
  }
  return computed('float32', dims, y)
}

/** `alpha * A' * B' + beta * C` */
function* gemm(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const { attributes } = node
  const a = yield* oriented(yield* floats(node, need(node, inputs, 0), 'A'), attributes.int('transA', 0) !== 0)
  const given = yield* floats(node, need(node, inputs, 1), 'B')
  const transB = attributes.int('transB', 0) !== 0
  const turned = transB && given.known
  const b = turned ? given : yield* oriented(given, transB)
  const c = inputs[2] === undefined ? undefined : yield* floats(node, inputs[2], 'C')
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)]
  const [rows = 1, inner = 1] = a.dims
  const [innerB = 1, columns = 1] = turned ? b.dims.toReversed() : b.dims
  if (a.dims.length !== 2 || b.dims.length !== 2 || inner !== innerB)
    throw wrong(node, `A ${shapeText(a.dims)} and B ${shapeText(b.dims)} do not fit`)
  const shape = [rows, columns]
  // A row of biases starts the accumulators, as a linear layer's does.
  const bias = c?.known === true && alpha === 1 && isRow(c.dims, columns) ? scaledRow(node, c, beta, columns) : null
  let y: Floats = b.known
    ? yield* linear(node, a, { data: b.data, inner, columns, turned }, bias, rows)
    : yield* batchedMatmul(node, a, b)
  if (alpha !== 1) y = yield* combine(node, 'mul', y, scalar(alpha))
  if (c !== undefined && bias === null)
    y = yield* combine(node, 'add', y, beta === 1 ? c : yield* combine(node, 'mul', c, scalar(beta)))
  if (y.dims.join() !== shape.join())
    throw wrong(node, `C ${shapeText(c?.dims ?? [])} does not broadcast to ${shapeText(shape)}`)
  return [y]
}

function isRow(dims: Shape, columns: number): boolean {
  return sizeOf(dims) === 1 || (sizeOf(dims) === columns && (dims.at(-1) ?? 1) === columns)
}

function scaledRow(node: GraphNode, c: Floats, beta: number, columns: number): Floats {
  const data = node.memo('bias', [c.data], () =>
    Float32Array.from({ length: columns }, (_, i) => beta * (c.data[c.data.length === 1 ? 0 : i] ?? 0)),
  )
  return known('float32', [columns], data)
}

function scalar(value: number): Floats {
  return known('float32', [], Float32Array.of(value))
}

function* combine(node: GraphNode, op: 'add' | 'mul', a: Floats, b: Floats): Lowering<Floats> {
  const { shape, broadcast, memoryFormat } = planBroadcast(
    node.op,
    { shape: a.dims, memoryFormat: a.format },
    { shape: b.dims, memoryFormat: b.format },
  )
  const y = allocateFor('float32', shape)
  if (y.length > 0) yield step('fbinary', { a: a.data, b: b.data, y, broadcast, op })
  return computed('float32', shape, y, memoryFormat)
}

function* floats(node: GraphNode, value: Value, what: string): Lowering<Floats> {
  const result = yield* contiguous(ofType(node, value, what, 'float32') as Value)
  return result as Floats
}

/** The matrix, turned where it is given turned. */
function* oriented(value: Floats, turned: boolean): Lowering<Floats> {
  if (!turned || value.dims.length !== 2) return value
  const data = yield* permuteSteps(
    { storage: value.data, shape: value.dims, memoryFormat: 'contiguous' },
    [1, 0],
    (length) => new Float32Array(length),
  )
  return { ...value, dims: value.dims.toReversed(), data, known: false }
}

export const products: Operators = { MatMul: matmul, Gemm: gemm }
/** Products with a fused activation. */
export const fusedProducts: Operators = { MatMul: matmul, Gemm: gemm }
