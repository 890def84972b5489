/** How kernels see a tensor with parameters per channel: `[outer, channels, inner]` in storage order. */
import type { ChannelSplit } from '../backend/contract'
import type { PerTensorQParams, QParams } from './qparams'
import { Recent } from './recent'
import { sizeOf, storageOrder, type MemoryFormat, type Shape } from './shape'

/** The split of storage around a logical axis. */
export function splitAt(shape: Shape, format: MemoryFormat, axis: number): ChannelSplit {
  const order = storageOrder(shape.length, format)
  const at = order.indexOf(axis)
  const product = (axes: readonly number[]): number => sizeOf(axes.map((a) => shape[a] ?? 1))
  return { outer: product(order.slice(0, at)), channels: shape[axis] ?? 1, inner: product(order.slice(at + 1)) }
}

/** Parameters of a whole tensor as kernels take them. */
interface PerTensorArrays {
  readonly scales: Float32Array
  readonly zeroPoints: Int32Array
}

/** Those used last: two new typed arrays cost more than quantizing a small tensor. */
const recentArrays = new Recent<Omit<PerTensorQParams, 'kind'>, PerTensorArrays>(
  8,
  (a, b) => a.scale === b.scale && a.zeroPoint === b.zeroPoint,
)

function perTensorArrays({ scale, zeroPoint }: PerTensorQParams): PerTensorArrays {
  const key = { scale, zeroPoint }
  const known = recentArrays.find(key)
  if (known !== undefined) return known
  const arrays = { scales: Float32Array.of(scale), zeroPoints: Int32Array.of(zeroPoint) }
  recentArrays.keep(key, arrays)
  return arrays
}

/** The split and the parameter arrays that quantize and dequantize take. */
export function channelSplit(
  shape: Shape,
  format: MemoryFormat,
  qparams: QParams,
): { readonly split: ChannelSplit; readonly scales: Float32Array; readonly zeroPoints: Int32Array } {
  if (qparams.kind === 'perTensor') {
    const { scales, zeroPoints } = perTensorArrays(qparams)
    return { split: { outer: 1, channels: 1, inner: sizeOf(shape) }, scales, zeroPoints }
  }
  return { split: splitAt(shape, format, qparams.axis), scales: qparams.scales, zeroPoints: qparams.zeroPoints }
}
