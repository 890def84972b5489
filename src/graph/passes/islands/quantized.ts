/** The borders of QDQ islands: values that are codes with constant parameters. */
import { typeNumbers } from '../../../onnx/types'
import { sizeOf } from '../../../tensor/shape'
import type { Value } from '../../../runtime/value'
import type { GraphNode } from '../../graph'
import type { Rewriter } from '../rewrite'

/** A float value that a DequantizeLinear node makes of 8-bit codes. */
export interface Dequantized {
  /** Names of the codes, the scale and the zero point (`''`: absent, zero of uint8). */
  readonly codes: string
  readonly scale: string
  readonly zeroPoint: string
  readonly axis: number
  /** Whether there is one scale for the whole tensor. */
  readonly perTensor: boolean
  readonly type: 'uint8' | 'int8' | 'int32'
}

/** The scale and zero point that a QuantizeLinear node gives its result. */
export interface Target {
  readonly scale: string
  readonly zeroPoint: string
  readonly type: 'uint8' | 'int8'
}

/** Reads a value that comes out of DequantizeLinear with constant parameters. */
export function dequantized(rewriter: Rewriter, name: string | undefined): Dequantized | undefined {
  const node = rewriter.producer(name)
  if (node?.op !== 'DequantizeLinear' || node.attributes.int('block_size', 0) !== 0) return undefined
  const stated = node.attributes.int('output_dtype', 0)
  if (stated !== 0 && stated !== typeNumbers.float32) return undefined
  const [codes = '', scale = '', zeroPoint = ''] = node.inputs
  const scales = rewriter.constant(scale)
  const zeros = rewriter.constant(zeroPoint)
  if (scales?.type !== 'float32' || (zeroPoint !== '' && zeros === undefined)) return undefined
  const type = rewriter.constant(codes)?.type ?? zeros?.type ?? 'uint8'
  if (type !== 'uint8' && type !== 'int8' && type !== 'int32') return undefined
  return {
    codes,
    scale,
    zeroPoint,
    axis: node.attributes.int('axis', 1),
    perTensor: sizeOf(scales.dims) === 1,
    type,
  }
}

/** An activation: 8-bit codes quantized per tensor that are no constant. */
export function activation(rewriter: Rewriter, name: string | undefined): Dequantized | undefined {
  const value = dequantized(rewriter, name)
  return value === undefined || !value.perTensor || value.type === 'int32' ? undefined : value
}

/** Weights: constant 8-bit codes. */
export function weights(
  rewriter: Rewriter,
  name: string | undefined,
): (Dequantized & { readonly value: Value }) | undefined {
  const found = dequantized(rewriter, name)
  const value = rewriter.constant(found?.codes)
  return found === undefined || value === undefined || found.type === 'int32' ? undefined : { ...found, value }
}

/** The parameters of a QuantizeLinear node to 8 bits, per tensor and constant. */
export function targetOf(rewriter: Rewriter, node: GraphNode): Target | undefined {
  if (node.op !== 'QuantizeLinear' || node.attributes.int('block_size', 0) !== 0) return undefined
  const [, scale = '', zeroPoint = ''] = node.inputs
  const scales = rewriter.constant(scale)
  if (scales?.type !== 'float32' || sizeOf(scales.dims) !== 1) return undefined
  const stated = node.attributes.int('output_dtype', 0)
  const type =
    zeroPoint === ''
      ? stated === 3
        ? 'int8'
        : stated === 0 || stated === 2
          ? 'uint8'
          : undefined
      : rewriter.constant(zeroPoint)?.type
  if (type !== 'uint8' && type !== 'int8') return undefined
  // A zero point of int8 that is absent has to be said, because the own operators read the type from it.
  if (zeroPoint === '' && type === 'int8') return undefined
  return { scale, zeroPoint, type }
}

/** Names as inputs of an own operator. */
export function three({ codes, scale, zeroPoint }: Dequantized): readonly string[] {
  return [codes, scale, zeroPoint]
}
