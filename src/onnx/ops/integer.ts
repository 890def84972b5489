/** ConvInteger and MatMulInteger: accumulators as they are (numerics.md 4). */
import { currentBackend } from '../../backend/current'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { bindInt32 } from '../../ops/quantized/epilogue'
import { PackedWeights } from '../../ops/quantized/weights'
import { convGeometry, readConv } from '../../ops/shapes/conv'
import { channelsLast, contiguous } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type Value } from '../../runtime/value'
import { sizeOf } from '../../tensor/shape'
import { matrixPairs, readMatmul } from './batches'
import { needKnown, optionalKnown, unsupported, type Inputs, type Operators } from './operator'
import { constantWeights, packColumns, paramArrays } from './qlinear'
import { codesType, needCodes, paramsOf, zeroPointsOf } from './qparams'
import { readWindow, spatialAxes } from './windows'

/** A zero point that is one number. */
function scalarZero(node: GraphNode, inputs: Inputs, i: number): number {
  const zeros = zeroPointsOf(node, optionalKnown(node, inputs, i)) ?? new Int32Array(1)
  const [first = 0, ...others] = zeros
  if (others.some((other) => other !== first)) throw unsupported(node, 'a zero point per row of the left operand')
  return first
}

function weightParams(node: GraphNode, inputs: Inputs, i: number, axis: number): ReturnType<typeof paramsOf> {
  return paramsOf(node, Float32Array.of(1), zeroPointsOf(node, optionalKnown(node, inputs, i)), axis)
}

/** Inputs: x, w, x_zero_point, w_zero_point. */
function* convInteger(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = needCodes(node, inputs, 0, 'x')
  const weight = ofType(node, needKnown(node, inputs, 1), 'w', 'uint8', 'int8')
  const zeroPoint = scalarZero(node, inputs, 2)
  const qparams = weightParams(node, inputs, 3, 0)
  const axes = spatialAxes(node, x.dims.length)
  const { strides, dilations, pads } = readWindow(node, weight.dims.slice(2), x.dims.slice(2))
  const groups = node.attributes.int('group', 1)
  const { params, weights } = node.memo('packed', [weight.data, ...paramArrays(qparams), pads.join()], (image) => ({
    params: readConv(node.op, weight.dims, axes, { stride: strides, dilation: dilations, padding: pads, groups }),
    weights: new PackedWeights(node.op, constantWeights(weight, qparams, image), null, groups, node.name),
  }))
  const { geometry, shape } = convGeometry(node.op, x.dims, params)
  const y = allocateFor('int32', shape)
  if (y.length > 0) {
    const op = bindInt32(node.op, weights, currentBackend(), { dtype: codesType(x), scale: 1, zeroPoint })
    yield step('qconv', { op, x: (yield* channelsLast(x)).data, y, geometry })
  }
  return [computed('int32', shape, y, 'channelsLast')]
}

/** Inputs: a, b, a_zero_point, b_zero_point. */
function* matmulInteger(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = yield* contiguous(needCodes(node, inputs, 0, 'A'))
  const b = ofType(node, needKnown(node, inputs, 1), 'B', 'uint8', 'int8')
  const zeroPoint = scalarZero(node, inputs, 2)
  const plan = readMatmul(node, a.dims, b.dims)
  const qparams = weightParams(node, inputs, 3, Math.max(0, b.dims.length - 1))
  const { inner, columns } = plan
  if (qparams.kind === 'perChannel' && qparams.scales.length !== columns)
    throw unsupported(node, 'zero points of B that are not one per column')
  const y = allocateFor('int32', plan.shape)
  if (y.length === 0) return [computed('int32', plan.shape, y)]
  const single = sizeOf(b.dims) === inner * columns
  const pairs = single ? [[0, 0] as const] : matrixPairs(plan, a.dims, b.dims)
  const rows = single ? plan.rows : plan.matrixRows
  for (const [i, [left, right]] of pairs.entries()) {
    const weights = node.memo(`packed ${String(right)}`, [b.data, ...paramArrays(qparams)], (image) =>
      packColumns(node, b, right * inner * columns, inner, columns, qparams, null, image),
    )
    const op = bindInt32(node.op, weights, currentBackend(), { dtype: codesType(a), scale: 1, zeroPoint })
    yield step('qlinear', {
      op,
      x: weights.empty
        ? new (a.data.constructor as Uint8ArrayConstructor)(rows).fill(zeroPoint)
        : a.data.subarray(left * rows * inner, (left + 1) * rows * inner),
      y: y.subarray(i * rows * columns, (i + 1) * rows * columns),
      rows,
    })
  }
  return [computed('int32', plan.shape, y)]
}

export const integerProducts: Operators = { ConvInteger: convInteger, MatMulInteger: matmulInteger }
