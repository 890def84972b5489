/**
 * Elementwise operators on 8-bit codes, and those that join or move codes: com.microsoft's QLinear family and the own
 * forms that QDQ islands become (numerics.md 5 and 6).
 */
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { pairSteps } from '../../ops/quantized/arithmetic'
import { requantizeCodesSteps } from '../../ops/quantized/codes'
import { codeBounds, none } from '../../ops/quantized/params'
import { catSteps } from '../../ops/quantized/shaping'
import { softmaxSteps } from '../../ops/quantized/softmax'
import { tableSteps } from '../../ops/quantized/unary'
import { contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, withDims, type Value } from '../../runtime/value'
import type { QDType8 } from '../../tensor/dtype'
import type { PerTensorQParams } from '../../tensor/qparams'
import { QTensor } from '../../tensor/qtensor'
import { resolveAxis, sizeOf } from '../../tensor/shape'
import { needKnown, unsupported, wrong, type Inputs, type Operators } from './operator'
import { activationOf, targetOf } from './qlinear'
import { codesType, needCodes, needPerTensor, type CodesValue } from './qparams'

/** A value of codes as the quantized ops take it. */
function quantizedOf(value: CodesValue, { scale, zeroPoint }: PerTensorQParams): QTensor<QDType8> {
  return new QTensor(codesType(value), value.dims, value.data, { kind: 'perTensor', scale, zeroPoint }, value.format)
}

/** An input of codes with the scale and zero point that follow it. */
function needQuantized(node: GraphNode, inputs: Inputs, i: number): QTensor<QDType8> {
  return quantizedOf(needCodes(node, inputs, i, `input ${String(i)}`), needPerTensor(node, inputs, i + 1, i + 2))
}

/** What a quantized op returned as a value. */
export function valueOf({ dtype, shape, storage, memoryFormat }: QTensor<QDType8>): Value {
  return dtype === 'quint8'
    ? computed('uint8', shape, storage as Uint8Array, memoryFormat)
    : computed('int8', shape, storage as Int8Array, memoryFormat)
}

/** Inputs: A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point. */
function pair(kernel: 'qadd' | 'qmul') {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const a = needQuantized(node, inputs, 0)
    const b = needQuantized(node, inputs, 3)
    const { scale, zeroPoint, dtype } = targetOf(node, inputs, 6, 7)
    if (a.dtype !== b.dtype || a.dtype !== dtype) throw unsupported(node, 'operands of uint8 and int8 together')
    return [valueOf(yield* pairSteps(kernel, node.op, a, b, scale, zeroPoint, activationOf(node)))]
  }
}

/** Inputs: X, X_scale, X_zero_point, Y_scale, Y_zero_point. */
function unary(definition: (node: GraphNode) => (x: number) => number, parameter: (node: GraphNode) => number) {
  return function* (node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
    const x = needQuantized(node, inputs, 0)
    const { scale, zeroPoint, dtype } = targetOf(node, inputs, 3, 4)
    if (x.dtype !== dtype) throw unsupported(node, 'a result of another type of code than the input')
    return [valueOf(yield* tableSteps(node.op, x, scale, zeroPoint, definition(node), parameter(node)))]
  }
}

const sigmoid = unary(
  () => (x) => 1 / (1 + Math.exp(-x)),
  () => 0,
)
const leakyRelu = unary(
  (node) => {
    const alpha = node.attributes.float('alpha', 0.01)
    return (x) => (x < 0 ? alpha * x : x)
  },
  (node) => node.attributes.float('alpha', 0.01),
)

/** Own: X, X_scale, X_zero_point, Y_scale, Y_zero_point: codes under other parameters. */
function* requantize(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = needCodes(node, inputs, 0, 'X')
  const from = needPerTensor(node, inputs, 1, 2)
  const target = targetOf(node, inputs, 3, 4)
  const q = quantizedOf(x, from)
  const codes = yield* requantizeCodesSteps(node.op, q, from, target, codeBounds(target, activationOf(node)))
  return [valueOf(new QTensor(target.dtype, x.dims, codes, from, x.format))]
}

/** Inputs: Y_scale, Y_zero_point, then X, scale and zero point of each. */
function* concat(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const { scale, zeroPoint, dtype } = targetOf(node, inputs, 0, 1)
  const tensors: QTensor<QDType8>[] = []
  for (let i = 2; i < inputs.length; i += 3) tensors.push(needQuantized(node, inputs, i))
  const [first] = tensors
  if (first === undefined) throw wrong(node, 'there is nothing to join')
  if (tensors.some((q) => q.dtype !== dtype)) throw unsupported(node, 'operands of uint8 and int8 together')
  const axis = node.attributes.int('axis')
  if (axis === undefined) throw wrong(node, 'the axis is missing')
  return [valueOf(yield* catSteps(node.op, tensors, axis, { scale, zeroPoint }, none))]
}

/** Inputs: X, X_scale, X_zero_point, Y_scale, Y_zero_point. Before opset 13 the axes from `axis` on are one. */
function* softmax(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const q = needQuantized(node, inputs, 0)
  const { scale, zeroPoint, dtype } = targetOf(node, inputs, 3, 4)
  const coerced = node.attributes.int('opset', 13) < 13
  const axis = resolveAxis(node.op, node.attributes.int('axis', coerced ? 1 : -1), Math.max(1, q.rank))
  const options = { scale, zeroPoint, dtype }
  if (!coerced || axis === q.rank - 1) return [valueOf(yield* softmaxSteps(node.op, q, axis, options))]
  const flat = yield* contiguous(valueOf(q) as CodesValue)
  const rows = sizeOf(q.shape.slice(0, axis))
  const matrix = new QTensor(q.dtype, [rows, q.size / rows], flat.data, q.qparams)
  return [withDims(valueOf(yield* softmaxSteps(node.op, matrix, 1, options)), q.shape)]
}

/** Own: X and a table of 256 bytes: any function of one 8-bit variable. The attribute `type` is the result's. */
function* table(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = needCodes(node, inputs, 0, 'X')
  const entries = needKnown(node, inputs, 1)
  if (entries.type !== 'uint8' || entries.data.length !== 256) throw wrong(node, 'the table does not have 256 bytes')
  const type = node.attributes.string('type') === 'int8' ? 'int8' : 'uint8'
  const y = allocateFor(type, x.dims)
  if (y.length > 0) yield step('lookup', { x: x.data, y, table: entries.data })
  return [computed(type, x.dims, y as never, x.format) as Value]
}

/** Of com.microsoft. */
export const microsoftElementwise: Operators = {
  QLinearAdd: pair('qadd'),
  QLinearMul: pair('qmul'),
  QLinearSigmoid: sigmoid,
  QLinearLeakyRelu: leakyRelu,
  QLinearConcat: concat,
  QLinearSoftmax: softmax,
}
/** What QDQ islands become. */
export const ownElementwise: Operators = { ...microsoftElementwise, Requantize: requantize, Table: table }
