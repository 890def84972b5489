/** Every operator by its domain and name. */
import { UnsupportedOperatorError } from '../../errors'
import { describeNode, microsoftDomain, ownDomain, type Graph, type GraphNode } from '../../graph/graph'
import type { Lower, Operators } from './operator'
import { arithmetic } from './arithmetic'
import { controls, type Control } from './control'
import { dynamicQuantizers, ownDynamic } from './dynamic'
import { detections } from './detection'
import { einsums } from './einsum'
import { gridSamples } from './gridSample'
import { gatherings } from './gathering'
import { normalizations } from './normalization'
import { resizes } from './resize'
import { casts } from './cast'
import { logic } from './logic'
import { recurrents } from './recurrent'
import { reduces } from './reduce'
import { softmaxes } from './softmax'
import { activations } from './activations'
import { fusedProducts, products } from './matmul'
import { integerProducts } from './integer'
import { microsoftProducts, ownProducts, quantizedProducts } from './qlinear'
import { quantizers } from './quantize'
import { microsoftElementwise, ownElementwise } from './qelementwise'
import { quantizedPools } from './qpool'
import { movements } from './movement'
import { shapes } from './shape'
import { pools } from './pool'
import { convolutions, fusedConvolutions } from './conv'

const families: Readonly<Record<string, readonly Operators[]>> = {
  '': [
    activations,
    arithmetic,
    casts,
    detections,
    dynamicQuantizers,
    einsums,
    gatherings,
    gridSamples,
    normalizations,
    resizes,
    logic,
    recurrents,
    reduces,
    softmaxes,
    convolutions,
    integerProducts,
    movements,
    pools,
    products,
    quantizedProducts,
    quantizers,
    shapes,
  ],
  [microsoftDomain]: [microsoftElementwise, microsoftProducts, quantizedPools, quantizers],
  [ownDomain]: [fusedConvolutions, fusedProducts, ownDynamic, ownElementwise, ownProducts, quantizedPools],
}

const tables: ReadonlyMap<string, ReadonlyMap<string, Lower>> = new Map(
  Object.entries(families).map(([domain, list]) => [domain, new Map(list.flatMap((table) => Object.entries(table)))]),
)

const controlTable: ReadonlyMap<string, Control> = new Map(Object.entries(controls))

/** Names of the operators of each domain, sorted: what the reference of operators is made of. */
export function operatorNames(domain: string): readonly string[] {
  return [...(tables.get(domain)?.keys() ?? []), ...(domain === '' ? controlTable.keys() : [])].sort()
}

/** How a node with graphs in its attributes is followed; undefined for all other operators. */
export function controlOf({ domain, op }: GraphNode): Control | undefined {
  return domain === '' ? controlTable.get(op) : undefined
}

/** The operator of a node. Throws an UnsupportedOperatorError where there is none. */
export function operatorOf(node: GraphNode): Lower {
  const lower = tables.get(node.domain)?.get(node.op)
  if (lower === undefined)
    throw new UnsupportedOperatorError({
      op: node.title,
      message: `there is no such operator (node ${describeNode(node)})`,
    })
  return lower
}

/** Operators of a graph, and of the graphs within, that this library does not have, and how many nodes have each. */
export function missingOperators(graph: Graph): ReadonlyMap<string, number> {
  const missing = new Map<string, number>()
  const visit = ({ nodes }: Graph): void => {
    for (const node of nodes) {
      if (tables.get(node.domain)?.has(node.op) !== true && controlOf(node) === undefined)
        missing.set(node.title, (missing.get(node.title) ?? 0) + 1)
      for (const inner of node.attributes.graphs()) visit(inner)
    }
  }
  visit(graph)
  return missing
}

/** Refuses a graph with operators that are not there, naming all of them at once. */
export function checkOperators(graph: Graph): void {
  const missing = missingOperators(graph)
  if (missing.size === 0) return
  const list = [...missing].map(([title, count]) => (count === 1 ? title : `${title} (${String(count)} nodes)`))
  throw new UnsupportedOperatorError({
    op: 'InferenceSession.create',
    message: `the model uses operators that this library does not have: ${list.sort().join(', ')}`,
    hint: 'See the reference of operators for what there is.',
  })
}
