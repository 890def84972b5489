/** Biases of quantized layers. */
import { quantizeValue } from '../../../tensor/rounding'
import { known } from '../../../runtime/value'
import type { Rewriter } from '../rewrite'
import type { Dequantized } from './quantized'

const { fround } = Math
const int32 = [-2147483648, 2147483647] as const

/**
 * The int32 bias at scale sx*sw of a layer: the codes themselves where the bias is dequantized from int32 at that scale,
 * else the float values quantized at it (numerics.md 4). Undefined: there is none. Null: it is no constant.
 */
export function ofScaleProduct(
  rewriter: Rewriter,
  name: string | undefined,
  x: Dequantized,
  w: Dequantized,
): string | undefined | null {
  if (name === undefined || name === '') return undefined
  const sx = rewriter.constant(x.scale)
  const sw = rewriter.constant(w.scale)
  if (sx?.type !== 'float32' || sw?.type !== 'float32') return null
  const scaleOf = (i: number): number => fround((sx.data[0] ?? 1) * (sw.data[sw.data.length === 1 ? 0 : i] ?? 1))
  const node = rewriter.producer(name)
  const codes = rewriter.constant(node?.inputs[0])
  const scales = rewriter.constant(node?.inputs[1])
  if (node?.op === 'DequantizeLinear' && codes?.type === 'int32' && scales?.type === 'float32') {
    if ((rewriter.scalar(node.inputs[2]) ?? 0) !== 0) return null
    const given = (i: number): number => scales.data[scales.data.length === 1 ? 0 : i] ?? 1
    if (codes.data.every((_, i) => Math.abs(given(i) - scaleOf(i)) <= 1e-6 * scaleOf(i))) return node.inputs[0] ?? null
    const values = Int32Array.from(codes.data, (code, i) =>
      quantizeValue(fround(fround(code) * given(i)), scaleOf(i), 0, ...int32),
    )
    return rewriter.addConstant(name, known('int32', codes.dims, values))
  }
  const value = rewriter.constant(name)
  if (value?.type !== 'float32') return null
  const count = value.dims.at(-1) ?? 1
  const quantized = Int32Array.from(value.data, (b, i) => quantizeValue(b, scaleOf(i % count), 0, ...int32))
  return rewriter.addConstant(name, known('int32', value.dims, quantized))
}
