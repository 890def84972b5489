/** Adds in the convolution before: `Add(Conv(x), r)` is one kernel, with the bytes of two. */
import type { Backend } from '../../backend/contract'
import { ownDomain, type Graph, type GraphNode } from '../graph'
import { nodeLike, Rewriter } from './rewrite'

/** Fuses every Add of a float convolution, which nothing else reads, and another value. */
export function fuseResiduals(_backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  for (const node of graph.nodes) {
    const fused = fuse(rewriter, node)
    if (fused !== undefined) rewriter.replace(node, fused)
  }
  rewriter.finish()
}

function fuse(rewriter: Rewriter, add: GraphNode): GraphNode | undefined {
  // Older operator sets align the second operand by an axis.
  if (add.domain !== '' || add.op !== 'Add' || add.opset < 7 || add.inputs[0] === add.inputs[1]) return undefined
  for (const [name, other] of [add.inputs, add.inputs.toReversed()]) {
    const conv = rewriter.ownedBy(name, 'Conv')
    if (conv === undefined || other === undefined || isDepthwise(rewriter, conv)) continue
    const [x = '', weight = '', bias = ''] = conv.inputs
    return nodeLike(conv, { domain: ownDomain, inputs: [x, weight, bias, other], outputs: add.outputs })
  }
  return undefined
}

/** Its kernel keeps no sums that something could be added to. */
function isDepthwise(rewriter: Rewriter, { inputs, attributes }: GraphNode): boolean {
  return attributes.int('group', 1) > 1 && rewriter.constant(inputs[1])?.dims[1] === 1
}
