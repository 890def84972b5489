/** How kernels see a tensor with parameters per channel: `[outer, channels, inner]` in storage order. */
import type { ChannelSplit } from '../backend/contract'
import type { QParams } from './qparams'
import { sizeOf, storageOrder, type MemoryFormat, type Shape } from './shape'

/** The split of storage around a logical axis. */
export function splitAt(shape: Shape, format: MemoryFormat, axis: number): ChannelSplit {
  const order = storageOrder(shape.length, format)
  const at = order.indexOf(axis)
  const product = (axes: readonly number[]): number => sizeOf(axes.map((a) => shape[a] ?? 1))
  return { outer: product(order.slice(0, at)), channels: shape[axis] ?? 1, inner: product(order.slice(at + 1)) }
}

/** The split and the parameter arrays that quantize and dequantize take. */
export function channelSplit(
  shape: Shape,
  format: MemoryFormat,
  qparams: QParams,
): { readonly split: ChannelSplit; readonly scales: Float32Array; readonly zeroPoints: Int32Array } {
  if (qparams.kind === 'perTensor')
    return {
      split: { outer: 1, channels: 1, inner: sizeOf(shape) },
      scales: Float32Array.of(qparams.scale),
      zeroPoints: Int32Array.of(qparams.zeroPoint),
    }
  return { split: splitAt(shape, format, qparams.axis), scales: qparams.scales, zeroPoints: qparams.zeroPoints }
}
