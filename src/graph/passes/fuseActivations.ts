/** Clips in the convolution or product before: `Relu(Conv(x))` is one kernel, with the bytes of two. */
import type { Backend } from '../../backend/contract'
import { ownDomain, type Graph, type GraphNode } from '../graph'
import { bothClips, clipAttributes, clipOf, nodeLike, Rewriter } from './rewrite'

const fusing: ReadonlySet<string> = new Set(['Conv', 'Gemm', 'MatMul', 'QLinearConvFloat', 'QLinearMatMulFloat'])

/** Fuses every Relu and Clip that follows such an operator and nothing else. */
export function fuseActivations(_backend: Backend, graph: Graph): void {
  const rewriter = new Rewriter(graph)
  for (const node of graph.nodes) {
    const fused = fuse(rewriter, node)
    if (fused !== undefined) rewriter.replace(node, fused)
  }
  rewriter.finish()
}

function fuse(rewriter: Rewriter, node: GraphNode): GraphNode | undefined {
  const clip = clipOf(rewriter, node)
  const before = rewriter.producer(clip?.input)
  if (clip === undefined || before === undefined || !fusing.has(before.op)) return undefined
  if ((before.domain !== '' && before.domain !== ownDomain) || rewriter.onlyReader(clip.input) === undefined)
    return undefined
  // Gemm without a constant row of biases adds in a step of its own, after which the clip has to come.
  if (before.op === 'Gemm' && !isLinear(rewriter, before)) return undefined
  if (before.op === 'MatMul' && rewriter.constant(before.inputs[1])?.dims.length !== 2) return undefined
  const { attributes } = before
  const inner = { lo: attributes.float('lo', -Infinity), hi: attributes.float('hi', Infinity) }
  return nodeLike(before, { domain: ownDomain, outputs: node.outputs }, clipAttributes(bothClips(inner, clip)))
}

function isLinear(rewriter: Rewriter, { inputs, attributes }: GraphNode): boolean {
  const b = rewriter.constant(inputs[1])
  const c = inputs[2] ?? ''
  const columns = b?.dims[attributes.int('transB', 0) !== 0 ? 0 : 1]
  const row = c === '' || rewriter.constant(c)?.dims.at(-1) === columns
  const dims = rewriter.constant(c)?.dims ?? []
  return b !== undefined && attributes.float('alpha', 1) === 1 && row && dims.slice(0, -1).every((size) => size === 1)
}
