/** Dynamic quantization: the scale and zero point of a tensor follow from what it holds (numerics.md 2 and 5). */
import { currentBackend } from '../../backend/current'
import { step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { bindInt32 } from '../../ops/quantized/epilogue'
import { PackedWeights } from '../../ops/quantized/weights'
import { convGeometry, readConv } from '../../ops/shapes/conv'
import { channelsLast, contiguous } from '../../runtime/format'
import { host, type Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import type { QParams } from '../../tensor/qparams'
import { sizeOf, stridesOf } from '../../tensor/shape'
import { readMatmul } from './batches'
import { need, needKnown, optionalKnown, wrong, type Inputs, type Operators } from './operator'
import { constantWeights, packColumns, paramArrays } from './qlinear'
import { codesType, needCodes, paramsOf, zeroPointsOf, type CodesValue } from './qparams'
import { copyBlock, filled } from './strided'
import { readWindow, spatialAxes } from './windows'

/** A tensor's codes, and `[scale, zero point]` as floats. */
function* quantizeDynamically(
  x: TypedValue<'float32'>,
): Lowering<readonly [TypedValue<'uint8'>, TypedValue<'float32'>]> {
  const params = new Float32Array(2)
  const codes = allocateFor('uint8', x.dims)
  yield step('dynamicParams', { x: x.data, y: params })
  if (codes.length > 0) yield step('quantizeBy', { x: x.data, y: codes, params })
  return [computed('uint8', x.dims, codes, x.format), computed('float32', [2], params)]
}

/** Outputs: codes, scale, zero point. */
function* dynamicQuantizeLinear(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'x', 'float32')
  const [codes, params] = yield* quantizeDynamically(x)
  const zeroPoint = allocateFor('uint8', [])
  yield host('zero point', [params.data] as const, [zeroPoint] as const, ([from], [to]) => {
    to[0] = from[1] ?? 0
  })
  return [codes, computed('float32', [], params.data.subarray(0, 1)), computed('uint8', [], zeroPoint)]
}

/** Own. Outputs: codes; scale and zero point as two floats. */
function* dynamicQuantize(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  return yield* quantizeDynamically(ofType(node, need(node, inputs, 0), 'x', 'float32'))
}

/** What rescaling needs of weights: the sum of each output channel, and scales, one each. */
function rescaling(weights: PackedWeights): { readonly sums: Int32Array; readonly scales: Float32Array } {
  const { positive, negative } = weights.sums
  return { sums: Int32Array.from(positive, (sum, c) => sum - (negative[c] ?? 0)), scales: weights.scales }
}

function biasOf(node: GraphNode, inputs: Inputs, i: number): TypedValue<'float32'> | null {
  const value = optionalKnown(node, inputs, i)
  return value === undefined ? null : ofType(node, value, 'bias', 'float32')
}

/** Scales and zero points of weights, for the channels along an axis. */
function weightParams(node: GraphNode, inputs: Inputs, zeroPoint: number, scale: number, axis: number): QParams {
  const scales = ofType(node, needKnown(node, inputs, scale), 'scale', 'float32').data
  return paramsOf(node, scales, zeroPointsOf(node, optionalKnown(node, inputs, zeroPoint)), axis)
}

/** The accumulators as floats: y may not be their memory, which is of another type. */
function* rescale(
  node: GraphNode,
  x: Int32Array,
  params: Float32Array,
  weights: PackedWeights,
  bias: TypedValue<'float32'> | null,
): Lowering<Float32Array> {
  const { sums, scales } = node.memo('rescaling', [weights], () => rescaling(weights))
  const channels = scales.length
  if (bias !== null && bias.data.length !== channels) throw wrong(node, `a bias of ${String(bias.data.length)} values`)
  const y = new Float32Array(x.length)
  yield step('dynamicRescale', {
    x,
    y,
    params,
    sums,
    scales,
    bias: bias === null ? null : bias.data,
    rows: x.length / channels,
    channels,
    lo: node.attributes.float('lo', -Infinity),
    hi: node.attributes.float('hi', Infinity),
  })
  return y
}

/** Own. Inputs: codes, their scale and zero point, b, b_zero_point, b_scale, bias: b is one constant matrix. */
function* dynamicMatmul(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = yield* contiguous(needCodes(node, inputs, 0, 'a'))
  const params = ofType(node, need(node, inputs, 1), 'params', 'float32')
  const b = ofType(node, needKnown(node, inputs, 2), 'b', 'uint8', 'int8')
  const qparams = weightParams(node, inputs, 3, 4, 1)
  const { shape, rows, inner, columns } = readMatmul(node, a.dims, b.dims)
  const weights = node.memo('packed', [b.data, ...paramArrays(qparams)], (image) =>
    packColumns(node, b, 0, inner, columns, qparams, null, image),
  )
  const sums = new Int32Array(rows * columns)
  if (sums.length === 0) return [computed('float32', shape, new Float32Array(0))]
  const op = bindInt32(node.op, weights, currentBackend(), { dtype: codesType(a), scale: 1, zeroPoint: 0 })
  const x = weights.empty ? new Uint8Array(rows) : a.data
  yield step('qlinear', { op, x, y: sums, rows })
  return [computed('float32', shape, yield* rescale(node, sums, params.data, weights, biasOf(node, inputs, 5)))]
}

/**
 * Own. Inputs: x (float32), w, w_zero_point, w_scale, bias. Padding is added to the floats: 0 becomes the zero point,
 * whichever that will be.
 */
function* dynamicConv(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'x', 'float32')
  const weight: CodesValue = ofType(node, needKnown(node, inputs, 1), 'w', 'uint8', 'int8')
  const qparams = weightParams(node, inputs, 2, 3, 0)
  const axes = spatialAxes(node, x.dims.length)
  const { strides, dilations, pads } = readWindow(node, weight.dims.slice(2), x.dims.slice(2))
  const groups = node.attributes.int('group', 1)
  const { convolution, weights } = node.memo('packed', [weight.data, ...paramArrays(qparams)], (image) => ({
    convolution: readConv(node.op, weight.dims, axes, { stride: strides, dilation: dilations, groups }),
    weights: new PackedWeights(node.op, constantWeights(weight, qparams, image), null, groups, node.name),
  }))
  const image = yield* channelsLast(x)
  const params = new Float32Array(2)
  yield step('dynamicParams', { x: image.data, y: params })
  const padded = yield* withBorder(image, pads)
  const codes = allocateFor('uint8', padded.dims)
  if (codes.length > 0) yield step('quantizeBy', { x: padded.data, y: codes, params })
  const { geometry, shape } = convGeometry(node.op, padded.dims, convolution)
  const sums = new Int32Array(sizeOf(shape))
  if (sums.length === 0) return [computed('float32', shape, new Float32Array(0))]
  const op = bindInt32(node.op, weights, currentBackend(), { dtype: 'quint8', scale: 1, zeroPoint: 0 })
  yield step('qconv', { op, x: codes, y: sums, geometry })
  const y = yield* rescale(node, sums, params, weights, biasOf(node, inputs, 4))
  return [computed('float32', shape, y, 'channelsLast')]
}

function* withBorder(
  x: TypedValue<'float32'>,
  pads: readonly (readonly [before: number, after: number])[],
): Lowering<TypedValue<'float32'>> {
  if (pads.every(([before, after]) => before === 0 && after === 0)) return x
  const [batch = 1, channels = 1, ...spatial] = x.dims
  const dims = [batch, channels, ...spatial.map((size, axis) => size + (pads[axis]?.[0] ?? 0) + (pads[axis]?.[1] ?? 0))]
  const data = (yield* filled('float32', dims, x.format, new Float32Array(1))) as Float32Array
  const to = stridesOf(dims, x.format)
  const offset = pads.reduce((sum, [before], axis) => sum + before * (to[axis + 2] ?? 0), 0)
  yield* copyBlock(
    x.dims,
    { data: x.data, offset: 0, strides: stridesOf(x.dims, x.format) },
    { data, offset, strides: to },
  )
  return computed('float32', dims, data, x.format)
}

export const dynamicQuantizers: Operators = { DynamicQuantizeLinear: dynamicQuantizeLinear }
/** What dynamically quantized layers become. */
export const ownDynamic: Operators = {
  DynamicQuantize: dynamicQuantize,
  DynamicMatMul: dynamicMatmul,
  DynamicConv: dynamicConv,
}
