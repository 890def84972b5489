/** Sums and products of two tensors of codes. */
import { known } from '../../../runtime/value'
import { codeRange } from '../../../tensor/dtype'
import { rne, toCode } from '../../../tensor/rounding'
import type { GraphNode } from '../../graph'
import { clipAttributes, ownNode, type Rewriter } from '../rewrite'
import { activation, dequantized, three, type Dequantized } from './quantized'
import type { Island } from '.'

/** `Q(act(Add(DQ(a), DQ(b))))` and `Mul`; one side may be a float constant, which is quantized here. */
export function pairIsland({ rewriter, quantizer, target, node, clip }: Island): readonly GraphNode[] | undefined {
  const [left, right] = node.inputs
  const a = operand(rewriter, left)
  const b = operand(rewriter, right)
  const first = a ?? (b === undefined ? undefined : constantOperand(rewriter, left, b.type))
  const second = b ?? (a === undefined ? undefined : constantOperand(rewriter, right, a.type))
  if (first === undefined || second === undefined) return undefined
  if (first.type !== second.type || first.type !== target.type) return undefined
  return [
    ownNode(
      node,
      node.op === 'Add' ? 'QLinearAdd' : 'QLinearMul',
      [...three(first), ...three(second), target.scale, target.zeroPoint],
      quantizer.outputs,
      clipAttributes(clip),
    ),
  ]
}

function operand(rewriter: Rewriter, name: string | undefined): Dequantized | undefined {
  return activation(rewriter, name) ?? constantCodes(rewriter, name)
}

/** A constant of 8-bit codes per tensor. */
function constantCodes(rewriter: Rewriter, name: string | undefined): Dequantized | undefined {
  const found = dequantized(rewriter, name)
  return found === undefined || !found.perTensor || found.type === 'int32' ? undefined : found
}

/** A float constant as codes of its own range (numerics.md 3, affine). */
function constantOperand(
  rewriter: Rewriter,
  name: string | undefined,
  type: Dequantized['type'],
): Dequantized | undefined {
  const value = rewriter.constant(name)
  if (value?.type !== 'float32' || type === 'int32' || value.data.length === 0) return undefined
  if (!value.data.every(Number.isFinite)) return undefined
  const { fround } = Math
  const [qmin, qmax] = codeRange[type === 'uint8' ? 'quint8' : 'qint8']
  const lo = value.data.reduce((a, b) => Math.min(a, b), 0)
  const hi = value.data.reduce((a, b) => Math.max(a, b), 0)
  const scale = Math.max(fround(fround(hi - lo) / (qmax - qmin)), 2 ** -23)
  const zero = Math.min(qmax, Math.max(qmin, qmin - rne(fround(lo / scale))))
  const codes = Array.from(value.data, (x) => toCode(fround(x / scale), zero, qmin, qmax))
  const near = name ?? ''
  return {
    codes: rewriter.addConstant(
      near,
      type === 'uint8'
        ? known('uint8', value.dims, Uint8Array.from(codes))
        : known('int8', value.dims, Int8Array.from(codes)),
    ),
    scale: rewriter.addConstant(near, known('float32', [], Float32Array.of(scale))),
    zeroPoint: rewriter.addConstant(
      near,
      type === 'uint8' ? known('uint8', [], Uint8Array.of(zero)) : known('int8', [], Int8Array.of(zero)),
    ),
    axis: 0,
    perTensor: true,
    type,
  }
}
