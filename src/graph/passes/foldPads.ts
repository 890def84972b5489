/** Folds a border of zeros into the convolution behind it, which pads with zeros itself: the sums are the same. */
import { isBigType } from '../../onnx/types'
import type { Backend } from '../../backend/contract'
import { Attributes } from '../attributes'
import { GraphNode, type Graph } from '../graph'
import { dequantized, targetOf } from './islands/quantized'
import { Rewriter } from './rewrite'

/**
 * `Conv(Pad(x))` becomes `Conv(x)` with larger pads, where the Pad adds zeros around the image and nothing else. In a
 * quantized model so does `Conv(DQ(Q(Pad(x))))`, where the parameters are those of `x = DQ(codes)`: then both Q and DQ
 * give each code back, and the zero point for zeros.
 */
export function foldPads(_backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  for (const node of graph.nodes) {
    const folded = fold(rewriter, node)
    if (folded !== undefined) rewriter.replace(node, folded)
  }
  rewriter.finish()
}

function fold(rewriter: Rewriter, conv: GraphNode): GraphNode | undefined {
  if (conv.domain !== '' || conv.op !== 'Conv') return undefined
  const [input, ...others] = conv.inputs
  const [weight] = others
  const pad = rewriter.ownedBy(input, 'Pad') ?? padOfCodes(rewriter, input)
  const rank = (rewriter.constant(weight) ?? rewriter.constant(dequantized(rewriter, weight)?.codes))?.dims.length
  if (pad === undefined || rank === undefined) return undefined
  const added = zeroBorder(rewriter, pad, rank)
  const autoPad = conv.attributes.string('auto_pad', 'NOTSET')
  if (added === undefined || !['NOTSET', 'VALID', ''].includes(autoPad)) return undefined
  const own = autoPad === 'VALID' ? [] : (conv.attributes.ints('pads') ?? [])
  const pads = added.map((size, i) => size + (own[i] ?? 0))
  const attributes = new Map([...conv.attributes.entries()].filter(([name]) => name !== 'auto_pad'))
  attributes.set('pads', { kind: 'ints', value: pads })
  return new GraphNode({
    op: conv.op,
    domain: conv.domain,
    opset: conv.opset,
    name: conv.name,
    outputs: conv.outputs,
    inputs: [pad.inputs[0] ?? '', ...others],
    attributes: new Attributes(conv.title, attributes),
  })
}

/** The Pad behind a pair of QuantizeLinear and DequantizeLinear that changes nothing of what it gives. */
function padOfCodes(rewriter: Rewriter, name: string | undefined): GraphNode | undefined {
  const dequantizer = rewriter.ownedBy(name, 'DequantizeLinear')
  const quantizer = rewriter.ownedBy(dequantizer?.inputs[0], 'QuantizeLinear')
  const pad = rewriter.ownedBy(quantizer?.inputs[0], 'Pad')
  const before = dequantized(rewriter, pad?.inputs[0])
  const after = dequantized(rewriter, name)
  const target = quantizer && targetOf(rewriter, quantizer)
  if (before === undefined || after === undefined || target === undefined) return undefined
  const isSame = [after, target].every(
    ({ type, scale, zeroPoint }) =>
      type === before.type &&
      rewriter.scalar(scale) === rewriter.scalar(before.scale) &&
      (rewriter.scalar(zeroPoint) ?? 0) === (rewriter.scalar(before.zeroPoint) ?? 0),
  )
  return before.perTensor && after.perTensor && isSame ? pad : undefined
}

/** What a Pad adds before and behind the spatial axes; undefined where it does anything else. */
function zeroBorder(rewriter: Rewriter, pad: GraphNode, rank: number): readonly number[] | undefined {
  const [, padsName, valueName = '', axesName = ''] = pad.inputs
  const { attributes } = pad
  const value = valueName === '' ? attributes.float('value', 0) : rewriter.scalar(valueName)
  if (attributes.string('mode', 'constant') !== 'constant' || value !== 0) return undefined
  const pads = attributes.ints('pads') ?? wholes(rewriter, padsName)
  const chosen = axesName === '' ? Array.from({ length: rank }, (_, axis) => axis) : wholes(rewriter, axesName)
  if (pads === undefined || chosen === undefined || pads.length !== 2 * chosen.length) return undefined
  const result = new Array<number>(2 * (rank - 2)).fill(0)
  for (const [i, axis] of chosen.map((at) => (at < 0 ? at + rank : at)).entries()) {
    const sizes = [pads[i] ?? 0, pads[chosen.length + i] ?? 0]
    if (sizes.some((size) => size < 0) || (axis < 2 && sizes.some((size) => size !== 0))) return undefined
    if (axis >= 2) [result[axis - 2], result[rank - 2 + axis - 2]] = [sizes[0] ?? 0, sizes[1] ?? 0]
  }
  return result
}

function wholes(rewriter: Rewriter, name: string | undefined): number[] | undefined {
  const value = rewriter.constant(name)
  return value !== undefined && isBigType(value.type) ? Array.from(value.data as BigInt64Array, Number) : undefined
}
