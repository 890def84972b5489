/**
 * QDQ islands: float operators between DequantizeLinear and QuantizeLinear, which is how most tools write quantized
 * models. Each becomes the integer operation that it means (numerics.md). This is no optimization: it decides what the
 * model computes, and so it runs at every level.
 */
import type { Work } from '../../../runtime/slices'
import type { Graph, GraphNode } from '../../graph'
import { clipOf, bothClips, Rewriter, type Clip } from '../rewrite'
import { averageIsland, softmaxIsland } from './averages'
import { concatIsland, movementIsland } from './movement'
import { pairIsland } from './pairs'
import { convIsland, productIsland, floatConv, floatProduct } from './products'
import { targetOf, type Target } from './quantized'

/** What an island's QuantizeLinear node reads: the operator, and the activation that is fused into it. */
export interface Island {
  readonly rewriter: Rewriter
  /** The QuantizeLinear node, whose output the island computes. */
  readonly quantizer: GraphNode
  readonly target: Target
  /** The operator in the middle. */
  readonly node: GraphNode
  readonly clip: Omit<Clip, 'input'>
}

/** Makes nodes of an island; undefined where it is none of its kind. */
type Match = (island: Island) => readonly GraphNode[] | undefined

/** By the operator in the middle. */
const matches: Readonly<Record<string, Match>> = {
  Conv: convIsland,
  Gemm: productIsland,
  MatMul: productIsland,
  Add: (island) => productIsland(island) ?? pairIsland(island),
  Mul: pairIsland,
  AveragePool: averageIsland,
  GlobalAveragePool: averageIsland,
  ReduceMean: averageIsland,
  Softmax: softmaxIsland,
  Concat: concatIsland,
}

/** Rewrites every island; pauses between them. */
export function* fuseIslands(graph: Graph): Work<void> {
  const rewriter = new Rewriter(graph)
  for (const quantizer of graph.nodes) {
    const target = targetOf(rewriter, quantizer)
    if (target === undefined) continue
    const nodes = islandOf(rewriter, quantizer, target)
    if (nodes !== undefined) rewriter.replace(quantizer, ...nodes)
    yield
  }
  // Layers whose result stays float: the integer accumulator, scaled once.
  for (const node of graph.nodes) {
    const nodes = node.op === 'Conv' ? floatConv(rewriter, node) : floatProduct(rewriter, node)
    if (nodes !== undefined) rewriter.replace(node, ...nodes)
  }
  rewriter.finish()
}

function islandOf(rewriter: Rewriter, quantizer: GraphNode, target: Target): readonly GraphNode[] | undefined {
  let clip: Omit<Clip, 'input'> = { lo: -Infinity, hi: Infinity }
  let value = quantizer.inputs[0] ?? ''
  for (;;) {
    const node = rewriter.producer(value)
    if (node?.domain !== '' || rewriter.onlyReader(value) === undefined) return undefined
    const island = { rewriter, quantizer, target, node, clip }
    const made = matches[node.op]?.(island) ?? movementIsland(island)
    if (made !== undefined) return made
    const found = clipOf(rewriter, node)
    if (found === undefined) return undefined
    clip = bothClips(found, clip)
    value = found.input
  }
}
