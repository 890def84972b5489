/** What passes use to look around in a graph and to change it. */
import { sizeOf } from '../../tensor/shape'
import type { Value } from '../../runtime/value'
import { Attributes, type Attribute } from '../attributes'
import { GraphNode, ownDomain, type Graph } from '../graph'

/** A graph while a pass rewrites it: who computes and who reads each value, kept up to date. */
export class Rewriter {
  readonly graph: Graph
  private readonly producers: Map<string, GraphNode>
  private readonly readers: Map<string, Set<GraphNode>>
  private readonly replaced = new Map<GraphNode, readonly GraphNode[]>()

  constructor(graph: Graph) {
    this.graph = graph
    this.producers = graph.producers()
    this.readers = new Map([...graph.consumers()].map(([name, nodes]) => [name, new Set(nodes)]))
  }

  /** The node that computes a value; undefined for inputs and constants. */
  producer(name: string | undefined): GraphNode | undefined {
    return name === undefined ? undefined : this.producers.get(name)
  }

  /** The constant of a name. */
  constant(name: string | undefined): Value | undefined {
    return name === undefined || name === '' ? undefined : this.graph.constants.get(name)
  }

  /** A constant of one number. */
  scalar(name: string | undefined): number | undefined {
    const value = this.constant(name)
    return value === undefined || value.type === 'string' || sizeOf(value.dims) !== 1
      ? undefined
      : Number(value.data[0])
  }

  /** Nodes that read a value, each once. */
  readersOf(name: string): readonly GraphNode[] {
    return [...(this.readers.get(name) ?? [])]
  }

  /** The only node that reads a value, where the value is no result of the graph. */
  onlyReader(name: string): GraphNode | undefined {
    if (this.graph.isOutput(name)) return undefined
    const readers = this.readersOf(name)
    return readers.length === 1 ? readers[0] : undefined
  }

  /** The producer of a value that nobody else reads, if it is one of these operators of ONNX. */
  ownedBy(name: string | undefined, ...ops: readonly string[]): GraphNode | undefined {
    const node = this.producer(name)
    if (node === undefined || name === undefined || node.domain !== '' || !ops.includes(node.op)) return undefined
    return this.onlyReader(name) === undefined ? undefined : node
  }

  /** Puts nodes in the place of one; the last of them computes its outputs. */
  replace(node: GraphNode, ...nodes: readonly GraphNode[]): void {
    for (const input of node.inputs) this.readers.get(input)?.delete(node)
    this.replaced.set(node, nodes)
    for (const next of nodes) {
      for (const output of next.outputs) if (output !== '') this.producers.set(output, next)
      for (const input of next.inputs) {
        const set = this.readers.get(input)
        if (set === undefined) this.readers.set(input, new Set([next]))
        else set.add(next)
      }
    }
  }

  /** Adds a constant under a name of its own. */
  addConstant(near: string, value: Value): string {
    const name = this.freshName(near)
    this.graph.constants.set(name, value)
    return name
  }

  /** A name that no value has. */
  freshName(near: string): string {
    for (let i = 0; ; i++) {
      const name = `${near}/int8.${String(i)}`
      if (!this.producers.has(name) && !this.graph.constants.has(name) && !this.readers.has(name)) return name
    }
  }

  /** Takes the changes over, and drops what nothing depends on any more. */
  finish(): void {
    if (this.replaced.size === 0) return
    const expand = (node: GraphNode): readonly GraphNode[] => {
      const nodes = this.replaced.get(node)
      return nodes === undefined ? [node] : nodes.flatMap((next) => (next === node ? [next] : expand(next)))
    }
    this.graph.nodes = this.graph.nodes.flatMap(expand)
    this.graph.prune()
  }
}

/** A node of this library's own operators. */
export function ownNode(
  like: Pick<GraphNode, 'name' | 'opset'>,
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): GraphNode {
  return new GraphNode({
    op,
    domain: ownDomain,
    opset: like.opset,
    name: like.name,
    inputs,
    outputs,
    attributes: Attributes.of(attributes),
  })
}

/** A node like another with other inputs, outputs or domain; its attributes are kept, and some are added. */
export function nodeLike(
  node: GraphNode,
  change: { readonly domain?: string; readonly inputs?: readonly string[]; readonly outputs?: readonly string[] },
  added: Readonly<Record<string, Attribute>> = {},
): GraphNode {
  return new GraphNode({
    op: node.op,
    domain: change.domain ?? node.domain,
    opset: node.opset,
    name: node.name,
    inputs: change.inputs ?? node.inputs,
    outputs: change.outputs ?? node.outputs,
    attributes: new Attributes(node.title, new Map([...node.attributes.entries(), ...Object.entries(added)])),
    captures: node.captures,
  })
}

/** Bounds of an activation that only clips, and the value that it clips. */
export interface Clip {
  readonly lo: number
  readonly hi: number
  readonly input: string
}

/** Reads Relu and Clip with constant bounds; undefined for any other node. */
export function clipOf(rewriter: Rewriter, node: GraphNode | undefined): Clip | undefined {
  if (node?.domain !== '') return undefined
  const [input = '', min, max] = node.inputs
  if (node.op === 'Relu') return { lo: 0, hi: Infinity, input }
  if (node.op !== 'Clip') return undefined
  const bound = (name: string | undefined, attribute: number | undefined, fallback: number): number | undefined =>
    name === undefined || name === '' ? (attribute ?? fallback) : rewriter.scalar(name)
  const lo = bound(min, node.attributes.float('min'), -Infinity)
  const hi = bound(max, node.attributes.float('max'), Infinity)
  return lo === undefined || hi === undefined || Number.isNaN(lo + 0 * hi) || lo > hi ? undefined : { lo, hi, input }
}

/** Both of two clips, the inner one first; undefined where they have nothing in common. */
export function bothClips(inner: Omit<Clip, 'input'>, outer: Omit<Clip, 'input'>): Omit<Clip, 'input'> {
  const clamp = (x: number): number => Math.min(Math.max(x, outer.lo), outer.hi)
  return { lo: clamp(inner.lo), hi: clamp(inner.hi) }
}

/** Attributes of a fused clip; none where it clips nothing. */
export function clipAttributes({ lo, hi }: Omit<Clip, 'input'>): Readonly<Record<string, Attribute>> {
  return {
    ...(lo !== -Infinity && { lo: { kind: 'float', value: lo } as const }),
    ...(hi !== Infinity && { hi: { kind: 'float', value: hi } as const }),
  }
}
