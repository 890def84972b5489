/** Scales and zero points as ONNX operators hand them over: tensors that must be known when a graph is planned. */
import { QParamsError } from '../../errors'
import type { GraphNode } from '../../graph/graph'
import { ofType, type TypedValue, type Value } from '../../runtime/value'
import { checkScale, type PerTensorQParams, type QParams } from '../../tensor/qparams'
import type { QDType8 } from '../../tensor/dtype'
import { halfToFloat } from '../half'
import { need, needKnown, optionalKnown, unsupported, wrong, type Inputs } from './operator'

/** 8-bit codes. */
export type CodesValue = TypedValue<'uint8'> | TypedValue<'int8'>

/** The quantized type of a tensor of codes. */
export function codesType(value: CodesValue): QDType8 {
  return value.type === 'uint8' ? 'quint8' : 'qint8'
}

/** An input of 8-bit codes. */
export function needCodes(node: GraphNode, inputs: Inputs, i: number, what: string): CodesValue {
  return ofType(node, need(node, inputs, i), what, 'uint8', 'int8')
}

/** The one scale and zero point in two inputs. */
export function needPerTensor(node: GraphNode, inputs: Inputs, scale: number, zeroPoint: number): PerTensorQParams {
  const scales = scalesOf(node, needKnown(node, inputs, scale))
  const zeroPoints = zeroPointsOf(node, optionalKnown(node, inputs, zeroPoint))
  const [first = NaN, ...others] = scales
  const [zero = 0, ...otherZeros] = zeroPoints ?? [0]
  if (others.some((other) => other !== first) || otherZeros.some((other) => other !== zero))
    throw unsupported(node, 'an activation that is quantized per channel')
  return { kind: 'perTensor', scale: checkScale(node.op, first), zeroPoint: zero }
}

/** One or several scales and zero points, for the indices along `axis`. */
export function needParams(node: GraphNode, inputs: Inputs, scale: number, zeroPoint: number, axis: number): QParams {
  const scales = scalesOf(node, needKnown(node, inputs, scale))
  const zeroPoints = zeroPointsOf(node, optionalKnown(node, inputs, zeroPoint))
  return paramsOf(node, scales, zeroPoints, axis)
}

/** Scales and zero points as parameters; several need one another's number. */
export function paramsOf(
  node: GraphNode,
  scales: Float32Array,
  zeroPoints: Int32Array | undefined,
  axis: number,
): QParams {
  const count = Math.max(scales.length, zeroPoints?.length ?? 1)
  if (count === 1) return { kind: 'perTensor', scale: checkScale(node.op, scales[0]), zeroPoint: zeroPoints?.[0] ?? 0 }
  const spread = <A extends Float32Array | Int32Array>(values: A): A =>
    values.length === 1 ? (new (values.constructor as new (n: number) => A)(count).fill(values[0] ?? 0) as A) : values
  const result = {
    kind: 'perChannel',
    scales: spread(scales),
    zeroPoints: spread(zeroPoints ?? new Int32Array(1)),
    axis,
  } as const
  if (result.scales.length !== result.zeroPoints.length)
    throw wrong(node, `${String(scales.length)} scales, but ${String(zeroPoints?.length ?? 0)} zero points`)
  result.scales.forEach((value, i) => checkScale(node.op, value, `scale[${String(i)}]`))
  return result
}

/** Scales as float32. float16 ones are exact in it. */
export function scalesOf(node: GraphNode, value: Value): Float32Array {
  const scales = ofType(node, value, 'scale', 'float32', 'float16') as TypedValue<'float32'> | TypedValue<'float16'>
  const numbers = scales.type === 'float32' ? scales.data : Float32Array.from(scales.data, halfToFloat)
  if (numbers.length === 0)
    throw new QParamsError({ op: node.op, argument: 'scale', expected: 'a scale', received: 'none' })
  return numbers
}

/** Zero points as numbers. */
export function zeroPointsOf(node: GraphNode, value: Value | undefined): Int32Array | undefined {
  if (value === undefined) return undefined
  const codes = ofType(node, value, 'zero_point', 'uint8', 'int8', 'uint16', 'int16', 'int32', 'uint4', 'int4')
  return Int32Array.from(codes.data as ArrayLike<number>)
}
