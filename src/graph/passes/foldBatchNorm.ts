/** Folds a batch normalization into the convolution before it: weights and bias take its scale and shift. */
import { known } from '../../runtime/value'
import type { Backend } from '../../backend/contract'
import type { Graph, GraphNode } from '../graph'
import { nodeLike, Rewriter } from '../passes/rewrite'

/** `BN(Conv(x, w, b))` becomes `Conv(x, w·a, (b - mean)·a + beta)` with `a = gamma / sqrt(var + eps)`, computed in float64. */
export function foldBatchNorm(_backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  for (const node of graph.nodes) {
    const folded = fold(rewriter, node)
    if (folded !== undefined) rewriter.replace(node, folded)
  }
  rewriter.finish()
}

function fold(rewriter: Rewriter, node: GraphNode): GraphNode | undefined {
  if (node.domain !== '' || node.op !== 'BatchNormalization' || node.attributes.int('training_mode', 0) !== 0)
    return undefined
  if (node.outputs.slice(1).some((name) => name !== '')) return undefined
  const [x, ...names] = node.inputs
  const conv = rewriter.ownedBy(x, 'Conv')
  const weight = rewriter.constant(conv?.inputs[1])
  const parameters = names.map((name) => rewriter.constant(name))
  if (conv === undefined || weight?.type !== 'float32') return undefined
  const biasName = conv.inputs[2] ?? ''
  const bias = rewriter.constant(biasName)
  if (biasName !== '' && bias?.type !== 'float32') return undefined
  const [gamma, beta, mean, variance] = parameters.map((value) => (value?.type === 'float32' ? value.data : undefined))
  if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) return undefined
  const epsilon = node.attributes.float('epsilon', 1e-5)
  const channels = weight.dims[0] ?? 0
  if (gamma.length !== channels) return undefined
  const factors = Array.from(gamma, (g, c) => g / Math.sqrt((variance[c] ?? 1) + epsilon))
  const perChannel = weight.data.length / channels
  const scaled = weight.data.map((w, i) => w * (factors[Math.floor(i / perChannel)] ?? 1))
  const old = bias?.type === 'float32' ? bias.data : undefined
  const shifted = Float32Array.from(factors, (a, c) => ((old?.[c] ?? 0) - (mean[c] ?? 0)) * a + (beta[c] ?? 0))
  const near = conv.inputs[1] ?? ''
  return nodeLike(conv, {
    inputs: [
      conv.inputs[0] ?? '',
      rewriter.addConstant(near, known('float32', weight.dims, scaled)),
      rewriter.addConstant(near, known('float32', [channels], shifted)),
    ],
    outputs: node.outputs.slice(0, 1),
  })
}
