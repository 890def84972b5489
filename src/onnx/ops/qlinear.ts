/**
 * Convolutions and matrix products on 8-bit codes: QLinearConv, QLinearMatMul, com.microsoft QGemm, and the own forms
 * that QDQ islands become. All are the integer op of numerics.md 4 and 5.
 */
import type { BoundQuantized, Codes, PackedImage } from '../../backend/contract'
import { currentBackend } from '../../backend/current'
import { runSync, step } from '../../backend/steps'
import type { GraphNode } from '../../graph/graph'
import { bindCodes, bindFloat } from '../../ops/quantized/epilogue'
import { none, readTarget, type Activation, type Target } from '../../ops/quantized/params'
import { constant, PackedWeights, type Bias, type WeightSource } from '../../ops/quantized/weights'
import { convGeometry, readConv, type ConvParams } from '../../ops/shapes/conv'
import { channelsAsLastAxis, channelsLast, contiguous, lastAxisAsChannels } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, known, ofType, type TypedValue, type Value } from '../../runtime/value'
import { QTensor } from '../../tensor/qtensor'
import { allocateCodes, type QDType8 } from '../../tensor/dtype'
import { permuteSteps } from '../../tensor/movement'
import type { QParams } from '../../tensor/qparams'
import { shapeText, sizeOf } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import { matrixPairs, readMatmul } from './batches'
import { needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'
import { codesType, needCodes, needParams, needPerTensor, type CodesValue } from './qparams'
import { readWindow, spatialAxes } from './windows'

/** Bounds of a fused activation, in real numbers. */
export function activationOf(node: GraphNode): Activation {
  const lo = node.attributes.float('lo')
  const hi = node.attributes.float('hi')
  if (lo === undefined && hi === undefined) return none
  return { kind: 'clip', min: lo ?? -Infinity, max: hi ?? Infinity }
}

/** A convolution's packed weights and options. */
interface PackedConvolution {
  readonly params: ConvParams
  readonly weights: PackedWeights
}

/**
 * Inputs: x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B (int32). com.microsoft's
 * `channels_last`: x is `[N, space…, C]`, and so is the result.
 */
function* qlinearConv(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const given = needCodes(node, inputs, 0, 'x')
  const last = node.attributes.int('channels_last', 0) !== 0
  const x = last ? lastAxisAsChannels(yield* contiguous(given)) : given
  const from = needPerTensor(node, inputs, 1, 2)
  const packed = packConvolution(
    node,
    inputs,
    x,
    3,
    inputs[8] === undefined ? null : int32(node, needKnown(node, inputs, 8)),
  )
  const target = targetOf(node, inputs, 6, 7)
  const { geometry, shape } = convGeometry(node.op, x.dims, packed.params)
  const y = allocateFor(typeOfTarget(target), shape)
  if (y.length > 0) {
    const input = { dtype: codesType(x), scale: from.scale, zeroPoint: from.zeroPoint }
    const op = bindCodes(node.op, packed.weights, currentBackend(), input, target, activationOf(node))
    yield step('qconv', { op, x: (yield* channelsLast(x)).data, y, geometry })
  }
  const result = computed(typeOfTarget(target), shape, y, 'channelsLast') as Value
  return [last ? channelsAsLastAxis(result) : result]
}

/** Packs weight, scales and zero points that begin at input `at`. */
export function packConvolution(
  node: GraphNode,
  inputs: Inputs,
  x: CodesValue,
  at: number,
  bias: TypedValue<'int32'> | TypedValue<'float32'> | null,
): PackedConvolution {
  const weight: CodesValue = ofType(node, needKnown(node, inputs, at), 'w', 'uint8', 'int8')
  const qparams = needParams(node, inputs, at + 1, at + 2, 0)
  const axes = spatialAxes(node, x.dims.length)
  const { strides, dilations, pads } = readWindow(node, weight.dims.slice(2), x.dims.slice(2))
  return node.memo('packed', [weight.data, ...paramArrays(qparams), bias?.data, pads.join()], (image) => ({
    params: readConv(node.op, weight.dims, axes, {
      stride: strides,
      dilation: dilations,
      padding: pads,
      groups: node.attributes.int('group', 1),
    }),
    weights: new PackedWeights(
      node.op,
      constantWeights(weight, qparams, image),
      biasOf(bias),
      node.attributes.int('group', 1),
      node.name,
    ),
  }))
}

/** What parameters are made of, for `memo`. */
export function paramArrays(qparams: QParams): readonly unknown[] {
  return qparams.kind === 'perTensor' ? [qparams.scale, qparams.zeroPoint] : [qparams.scales, qparams.zeroPoints]
}

function int32(node: GraphNode, value: Value): TypedValue<'int32'> {
  return ofType(node, value, 'B', 'int32')
}

/** The result's type and parameters from two inputs; the type is the zero point's. */
export function targetOf(node: GraphNode, inputs: Inputs, scale: number, zeroPoint: number): Target {
  const zero = optionalKnown(node, inputs, zeroPoint)
  const dtype = zero === undefined ? 'quint8' : codesType(ofType(node, zero, 'y_zero_point', 'uint8', 'int8'))
  const { scale: size, zeroPoint: code } = needPerTensor(node, inputs, scale, zeroPoint)
  return readTarget(node.op, size, code, dtype)
}

/** The element type of an 8-bit result. */
export function typeOfTarget({ dtype }: Target): 'uint8' | 'int8' {
  return dtype === 'quint8' ? 'uint8' : 'int8'
}

/** Inputs: a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point; own form: B (int32). */
function* qlinearMatmul(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = yield* contiguous(needCodes(node, inputs, 0, 'a'))
  const from = needPerTensor(node, inputs, 1, 2)
  const b = ofType(node, needKnown(node, inputs, 3), 'b', 'uint8', 'int8')
  const target = targetOf(node, inputs, 6, 7)
  const bias = inputs[8] === undefined ? null : int32(node, needKnown(node, inputs, 8))
  const plan = readMatmul(node, a.dims, b.dims)
  const qparams = needParams(node, inputs, 4, 5, Math.max(0, b.dims.length - 1))
  if (qparams.kind === 'perChannel' && qparams.scales.length !== plan.columns)
    throw unsupported(node, `b_scale of ${String(qparams.scales.length)} values for ${String(plan.columns)} columns`)
  const { inner, columns, matrixRows } = plan
  const y: Uint8Array | Int8Array = allocateFor(typeOfTarget(target), plan.shape)
  if (y.length === 0) return [computed(typeOfTarget(target), plan.shape, y as never) as Value]
  const single = sizeOf(b.dims) === inner * columns
  // One matrix serves all rows; otherwise there is a product for each pair.
  const pairs = single ? [[0, 0] as const] : matrixPairs(plan, a.dims, b.dims)
  const rows = single ? plan.rows : matrixRows
  const input = { dtype: codesType(a), scale: from.scale, zeroPoint: from.zeroPoint }
  for (const [i, [left, right]] of pairs.entries()) {
    const weights = node.memo(`packed ${String(right)}`, [b.data, ...paramArrays(qparams), bias?.data], (image) =>
      packColumns(node, b, right * inner * columns, inner, columns, qparams, bias, image),
    )
    const op = bindCodes(node.op, weights, currentBackend(), input, target, activationOf(node))
    yield step('qlinear', {
      op,
      x: weights.empty
        ? new (a.data.constructor as Uint8ArrayConstructor)(rows).fill(from.zeroPoint)
        : a.data.subarray(left * rows * inner, (left + 1) * rows * inner),
      y: y.subarray(i * rows * columns, (i + 1) * rows * columns),
      rows,
    })
  }
  return [computed(typeOfTarget(target), plan.shape, y as never) as Value]
}

/** The weights of a convolution or linear layer, which nobody changes. */
export function constantWeights(value: CodesValue, qparams: QParams, image: PackedImage | undefined): WeightSource {
  return constant(new QTensor(codesType(value), value.dims, value.data, qparams, value.format), image)
}

/** Packs a matrix `inner × columns` that begins at `begin` as the weights of a linear layer. */
export function packColumns(
  node: GraphNode,
  matrix: CodesValue,
  begin: number,
  inner: number,
  columns: number,
  qparams: QParams,
  bias: TypedValue<'int32'> | TypedValue<'float32'> | null,
  image: PackedImage | undefined,
): PackedWeights {
  const dtype = codesType(matrix)
  const storage: Codes = matrix.data.subarray(begin, begin + inner * columns)
  const turn = (): Codes =>
    runSync(
      permuteSteps<Codes>({ storage, shape: [inner, columns], memoryFormat: 'contiguous' }, [1, 0], (length) =>
        allocateCodes(dtype, length),
      ),
    )
  const params: QParams = qparams.kind === 'perTensor' ? qparams : { ...qparams, axis: 0 }
  const biases = biasOf(bias)
  if (biases !== null && biases.size !== columns)
    throw wrong(node, `the bias has ${String(biases.size)} values for ${String(columns)} columns`)
  const source = { dtype, shape: [columns, inner], qparams: params, storage, layOut: turn, image }
  return new PackedWeights(node.op, source, biases, 1, node.name)
}

/** Own: inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, B (float32): the accumulator scaled to floats. */
function* qlinearConvFloat(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = needCodes(node, inputs, 0, 'x')
  const input = { dtype: codesType(x), ...needPerTensor(node, inputs, 1, 2) }
  const bias = inputs[6] === undefined ? null : ofType(node, needKnown(node, inputs, 6), 'B', 'float32')
  const packed = packConvolution(node, inputs, x, 3, bias)
  const { geometry, shape } = convGeometry(node.op, x.dims, packed.params)
  const y = allocateFor('float32', shape)
  if (y.length > 0)
    yield step('qconv', { op: floatOp(node, packed.weights, input), x: (yield* channelsLast(x)).data, y, geometry })
  return [computed('float32', shape, y, 'channelsLast')]
}

/** Own: inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, B (float32): b is one matrix. */
function* qlinearMatmulFloat(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const a = yield* contiguous(needCodes(node, inputs, 0, 'a'))
  const input = { dtype: codesType(a), ...needPerTensor(node, inputs, 1, 2) }
  const b = ofType(node, needKnown(node, inputs, 3), 'b', 'uint8', 'int8')
  const bias = inputs[6] === undefined ? null : ofType(node, needKnown(node, inputs, 6), 'B', 'float32')
  const qparams = needParams(node, inputs, 4, 5, 1)
  const { shape, rows, inner, columns } = readMatmul(node, a.dims, b.dims)
  const weights = node.memo('packed', [b.data, ...paramArrays(qparams), bias?.data], (image) =>
    packColumns(node, b, 0, inner, columns, qparams, bias, image),
  )
  const y = allocateFor('float32', shape)
  if (y.length > 0) {
    const x = weights.empty ? new (a.data.constructor as Uint8ArrayConstructor)(rows).fill(input.zeroPoint) : a.data
    yield step('qlinear', { op: floatOp(node, weights, input), x, y, rows })
  }
  return [computed('float32', shape, y)]
}

function biasOf(bias: TypedValue<'int32'> | TypedValue<'float32'> | null): Bias {
  if (bias === null) return null
  const { length } = bias.data
  return bias.type === 'int32' ? new Tensor('int32', [length], bias.data) : new Tensor('float32', [length], bias.data)
}

/** com.microsoft: inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, C (int32), y_scale, y_zero_point. */
function* qgemm(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const { attributes } = node
  if (attributes.int('transA', 0) !== 0) throw unsupported(node, 'transA')
  if (attributes.float('alpha', 1) !== 1) throw unsupported(node, 'an alpha other than 1')
  const a = yield* contiguous(needCodes(node, inputs, 0, 'a'))
  const from = needPerTensor(node, inputs, 1, 2)
  const given = ofType(node, needKnown(node, inputs, 3), 'b', 'uint8', 'int8')
  const turned = attributes.int('transB', 0) !== 0
  const [first = 1, second = 1] = given.dims
  const [inner, columns] = turned ? [second, first] : [first, second]
  const [rows = 1, innerA = 1] = a.dims
  if (a.dims.length !== 2 || given.dims.length !== 2 || inner !== innerA)
    throw wrong(node, `A ${shapeText(a.dims)} and B ${shapeText(given.dims)} do not fit`)
  const qparams = needParams(node, inputs, 4, 5, 0)
  const c = inputs[6] === undefined ? null : int32(node, needKnown(node, inputs, 6))
  const bias = c === null || c.data.length === columns ? c : spread(node, c, columns)
  const weights = node.memo('packed', [given.data, ...paramArrays(qparams), bias?.data], (image) =>
    turned
      ? new PackedWeights(
          node.op,
          constantWeights(given, qparams, image),
          bias === null ? null : new Tensor('int32', [bias.data.length], bias.data),
          1,
          node.name,
        )
      : packColumns(node, given, 0, inner, columns, qparams, bias, image),
  )
  const input = { dtype: codesType(a), scale: from.scale, zeroPoint: from.zeroPoint }
  const dims = [rows, columns]
  if (inputs[7] === undefined) {
    const y = allocateFor('float32', dims)
    const op = floatOp(node, weights, input)
    if (y.length > 0) yield step('qlinear', { op, x: a.data, y, rows })
    return [computed('float32', dims, y)]
  }
  const target = targetOf(node, inputs, 7, 8)
  const y = allocateFor(typeOfTarget(target), dims)
  const op = bindCodes(node.op, weights, currentBackend(), input, target, activationOf(node))
  if (y.length > 0) yield step('qlinear', { op, x: a.data, y, rows })
  return [computed(typeOfTarget(target), dims, y as never) as Value]
}

/** Weights bound to an input for a float result, which the attributes `lo` and `hi` may bound. */
function floatOp(
  node: GraphNode,
  weights: PackedWeights,
  input: { readonly dtype: QDType8; readonly scale: number; readonly zeroPoint: number },
): BoundQuantized {
  if (weights.bias instanceof Int32Array) throw unsupported(node, 'a float result with an int32 bias')
  const lo = node.attributes.float('lo', -Infinity)
  const hi = node.attributes.float('hi', Infinity)
  return bindFloat(node.op, weights, currentBackend(), input, lo, hi)
}

function spread(node: GraphNode, c: TypedValue<'int32'>, columns: number): TypedValue<'int32'> {
  if (c.data.length !== 1) throw unsupported(node, `a C of shape ${shapeText(c.dims)}`)
  const data = node.memo('bias', [c.data], () => new Int32Array(columns).fill(c.data[0] ?? 0))
  return known('int32', [columns], data)
}

export const quantizedProducts: Operators = { QLinearConv: qlinearConv, QLinearMatMul: qlinearMatmul }
/** What QDQ islands become. */
export const ownProducts: Operators = {
  ...quantizedProducts,
  QLinearConvFloat: qlinearConvFloat,
  QLinearMatMulFloat: qlinearMatmulFloat,
}
/** Of com.microsoft. */
export const microsoftProducts: Operators = { QGemm: qgemm, QLinearConv: qlinearConv }
