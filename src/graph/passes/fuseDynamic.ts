/**
 * Dynamically quantized layers: DynamicQuantizeLinear, an integer product, and the Cast and Mul that make floats of its
 * accumulators, become one operator that needs no parameters from JavaScript. The bytes stay the same.
 */
import type { Backend } from '../../backend/contract'
import type { Graph, GraphNode } from '../graph'
import { ownNode, Rewriter } from './rewrite'

/** Fuses every such layer, with the constant bias that is added to it. */
export function fuseDynamic(_backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  const quantizers = new Map<GraphNode, readonly [codes: string, params: string]>()
  for (const node of graph.nodes) {
    const layer = biased(rewriter, node) ?? layerOf(rewriter, node)
    if (layer !== undefined) rewriter.replace(node, fused(rewriter, node, layer, quantizers))
  }
  if (quantizers.size > 0) {
    const made = [...quantizers].map(
      ([node, outputs]) => [node, ownNode(node, 'DynamicQuantize', node.inputs, outputs)] as const,
    )
    for (const [node, own] of made) rewriter.replace(node, node, own)
  }
  rewriter.finish()
}

interface Layer {
  /** The integer product. */
  readonly product: GraphNode
  readonly quantizer: GraphNode
  /** Names of the weight's scale, and of the bias. */
  readonly scale: string
  readonly bias: string | undefined
}

/** `Mul(Cast(product(q, w, zero, …)), Mul(scale, weight scale))` */
function layerOf(rewriter: Rewriter, node: GraphNode): Layer | undefined {
  if (node.domain !== '' || node.op !== 'Mul') return undefined
  for (const [value, factor] of [node.inputs, node.inputs.toReversed()]) {
    const cast = rewriter.ownedBy(value, 'Cast')
    const product = rewriter.ownedBy(cast?.inputs[0], 'MatMulInteger', 'ConvInteger')
    const scales = rewriter.producer(factor)
    if (cast?.attributes.int('to') !== 1 || product === undefined || scales?.op !== 'Mul' || scales.domain !== '')
      continue
    const quantizer = rewriter.producer(product.inputs[0])
    if (quantizer?.op !== 'DynamicQuantizeLinear' || quantizer.domain !== '') continue
    const [codes, scale, zeroPoint] = quantizer.outputs
    if (product.inputs[0] !== codes || product.inputs[2] !== zeroPoint) continue
    const weightScale = scales.inputs.find((name) => name !== scale)
    if (!scales.inputs.includes(scale ?? '') || weightScale === undefined) continue
    if (!fits(rewriter, product, weightScale)) continue
    return { product, quantizer, scale: weightScale, bias: undefined }
  }
  return undefined
}

/** Whether weight, zero point and scale are constants that go by output channel. */
function fits(rewriter: Rewriter, product: GraphNode, scaleName: string): boolean {
  const weight = rewriter.constant(product.inputs[1])
  const scale = rewriter.constant(scaleName)
  if (weight === undefined || scale?.type !== 'float32') return false
  if ((product.inputs[3] ?? '') !== '' && rewriter.constant(product.inputs[3]) === undefined) return false
  const channels = product.op === 'ConvInteger' ? weight.dims[0] : weight.dims.at(-1)
  if (product.op === 'MatMulInteger' && weight.dims.length !== 2) return false
  if (scale.data.length === 1) return true
  // Scales of a convolution's channels have axes of size 1 behind them.
  const at = product.op === 'ConvInteger' ? scale.dims.length - (weight.dims.length - 1) : scale.dims.length - 1
  return scale.data.length === channels && scale.dims[at] === channels
}

/** `Add(layer, bias)` with a constant of one value per channel. */
function biased(rewriter: Rewriter, node: GraphNode): Layer | undefined {
  if (node.domain !== '' || node.op !== 'Add') return undefined
  for (const [value, bias] of [node.inputs, node.inputs.toReversed()]) {
    const inner = rewriter.ownedBy(value, 'Mul')
    const layer = inner === undefined ? undefined : layerOf(rewriter, inner)
    const constant = rewriter.constant(bias)
    const weight = rewriter.constant(layer?.product.inputs[1])
    if (layer === undefined || constant?.type !== 'float32' || weight === undefined) continue
    const conv = layer.product.op === 'ConvInteger'
    const channels = conv ? weight.dims[0] : weight.dims.at(-1)
    const at = conv ? constant.dims.length - (weight.dims.length - 1) : constant.dims.length - 1
    if (constant.data.length !== channels || constant.dims[at] !== channels) continue
    return { ...layer, bias }
  }
  return undefined
}

function fused(
  rewriter: Rewriter,
  node: GraphNode,
  { product, quantizer, scale, bias }: Layer,
  quantizers: Map<GraphNode, readonly [codes: string, params: string]>,
): GraphNode {
  const [, weight = '', , zeroPoint = ''] = product.inputs
  const parameters = [weight, zeroPoint, scale, ...(bias === undefined ? [] : [bias])]
  if (product.op === 'ConvInteger')
    return ownNode(
      product,
      'DynamicConv',
      [quantizer.inputs[0] ?? '', ...parameters],
      node.outputs,
      Object.fromEntries(product.attributes.entries()),
    )
  let outputs = quantizers.get(quantizer)
  if (outputs === undefined) {
    const near = quantizer.outputs[0] ?? ''
    outputs = [rewriter.freshName(near), rewriter.freshName(`${near}/params`)]
    quantizers.set(quantizer, outputs)
  }
  return ownNode(product, 'DynamicMatMul', [...outputs, ...parameters], node.outputs)
}
