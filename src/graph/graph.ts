/**
 * A model's graph: nodes in an order in which they can run, values by name. Read from a file once, rewritten by passes
 * (`src/graph/passes`), then planned (`src/runtime`).
 */
import type { PackedImage } from '../backend/contract'
import { ModelError } from '../errors'
import type { ElementType } from '../onnx/types'
import type { Value } from '../runtime/value'
import type { Attributes } from './attributes'

/** A size that is fixed, or a symbol by its name (`"batch"`), or unknown (null). */
export type Dim = number | string | null

/** What a model says of a value. `dims` is undefined where not even the rank is known. */
export interface ValueInfo {
  readonly name: string
  readonly type: ElementType
  readonly dims: readonly Dim[] | undefined
}

/** Domain of this library's own operators, which passes put in place of islands of standard ones. */
export const ownDomain = 'int8'
/** Domain of onnxruntime's operators. */
export const microsoftDomain = 'com.microsoft'

/** What makes a node. */
export interface NodeFields {
  readonly op: string
  readonly domain: string
  /** Version of the domain's operator set. */
  readonly opset: number
  readonly name: string
  /** Names of values; `''` where an optional one is absent. Those that the node's bodies capture come last. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: Attributes
  /** What the bodies of If, Loop and Scan call the last inputs. */
  readonly captures?: readonly string[]
}

/** Packed weights that were saved, and the array of weights that they were made from. */
export interface SavedMemo {
  readonly from: unknown
  readonly image: PackedImage
}

/** One operation. */
export class GraphNode implements NodeFields {
  readonly op: string
  readonly domain: string
  readonly opset: number
  readonly name: string
  readonly outputs: readonly string[]
  readonly attributes: Attributes
  readonly captures: readonly string[]
  inputs: readonly string[]
  /** What a saved session holds of {@link memo}'s values, by key. */
  readonly saved = new Map<string, SavedMemo>()
  private readonly memory = new Map<string, { readonly from: readonly unknown[]; readonly value: unknown }>()

  constructor({ op, domain, opset, name, inputs, outputs, attributes, captures = [] }: NodeFields) {
    this.op = op
    this.domain = domain
    this.opset = opset
    this.name = name
    this.inputs = inputs
    this.outputs = outputs
    this.attributes = attributes
    this.captures = captures
  }

  /** How many inputs are the operator's own, as the standard counts them. */
  get ownInputs(): number {
    return this.inputs.length - this.captures.length
  }

  /** The operator's name with its domain, where that is not ONNX's own. */
  get title(): string {
    return this.domain === '' ? this.op : `${this.domain}.${this.op}`
  }

  /**
   * What belongs to the node and costs to make, such as packed weights: made when first asked for, and again when one of
   * the things that it is made `from` is another. `make` is given what was saved of it.
   */
  memo<T>(key: string, from: readonly unknown[], make: (image: PackedImage | undefined) => T): T {
    const found = this.memory.get(key)
    if (found?.from.length === from.length && found.from.every((item, i) => isSame(item, from[i])))
      return found.value as T
    const saved = this.saved.get(key)
    const value = make(saved !== undefined && saved.from === from[0] ? saved.image : undefined)
    this.memory.set(key, { from, value })
    return value
  }

  /** What {@link memo} has made so far. */
  memos(): Iterable<readonly [key: string, from: readonly unknown[], value: unknown]> {
    return [...this.memory].map(([key, { from, value }]) => [key, from, value] as const)
  }
}

/** Arrays up to this length are compared by their elements: scales and zero points, which are made anew for each plan. */
const comparedLength = 65536

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true
  return isParameters(a) && isParameters(b) && a.length === b.length && a.every((value, i) => value === b[i])
}

function isParameters(value: unknown): value is Float32Array | Int32Array {
  return (value instanceof Float32Array || value instanceof Int32Array) && value.length <= comparedLength
}

/** A graph. Passes change it in place; `nodes` stays in topological order. */
export class Graph {
  readonly name: string
  /** Values that a run has to be given. */
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  nodes: GraphNode[]
  /** Values known before any run: weights. */
  readonly constants: Map<string, Value>
  /** What the file says of values in between. */
  readonly infos: ReadonlyMap<string, ValueInfo>

  constructor(fields: {
    readonly name: string
    readonly inputs: readonly ValueInfo[]
    readonly outputs: readonly ValueInfo[]
    readonly nodes: readonly GraphNode[]
    readonly constants: Map<string, Value>
    readonly infos: ReadonlyMap<string, ValueInfo>
  }) {
    this.name = fields.name
    this.inputs = fields.inputs
    this.outputs = fields.outputs
    this.nodes = sorted(fields.nodes, [...fields.inputs.map(({ name }) => name), ...fields.constants.keys()])
    this.constants = fields.constants
    this.infos = fields.infos
  }

  /** The node that computes each value. */
  producers(): Map<string, GraphNode> {
    const result = new Map<string, GraphNode>()
    for (const node of this.nodes) for (const output of node.outputs) if (output !== '') result.set(output, node)
    return result
  }

  /** The nodes that read each value, once for each time they do. */
  consumers(): Map<string, GraphNode[]> {
    const result = new Map<string, GraphNode[]>()
    for (const node of this.nodes)
      for (const input of node.inputs) {
        if (input === '') continue
        const list = result.get(input)
        if (list === undefined) result.set(input, [node])
        else list.push(node)
      }
    return result
  }

  /** Whether a value is one of the graph's results. */
  isOutput(name: string): boolean {
    return this.outputs.some((output) => output.name === name)
  }

  /** Drops nodes and constants of which no result depends. Returns how many nodes went. */
  prune(): number {
    const needed = new Set(this.outputs.map(({ name }) => name))
    const kept: GraphNode[] = []
    for (const node of this.nodes.toReversed()) {
      if (!node.outputs.some((output) => needed.has(output))) continue
      for (const input of node.inputs) needed.add(input)
      kept.push(node)
    }
    const gone = this.nodes.length - kept.length
    this.nodes = kept.reverse()
    for (const name of this.constants.keys()) if (!needed.has(name)) this.constants.delete(name)
    return gone
  }

  /** Names of its values, and of those of the graphs within. */
  *names(): Generator<string> {
    yield* this.constants.keys()
    for (const { name } of this.inputs) yield name
    for (const { outputs, attributes } of this.nodes) {
      yield* outputs
      for (const body of attributes.graphs()) yield* body.names()
    }
  }

  /** Values that the graph reads from the one around it. */
  captures(): ReadonlySet<string> {
    const own = new Set([...this.inputs.map(({ name }) => name), ...this.constants.keys()])
    const result = new Set<string>()
    for (const node of this.nodes) for (const output of node.outputs) own.add(output)
    const read = (name: string): void => {
      if (name !== '' && !own.has(name)) result.add(name)
    }
    for (const node of this.nodes) node.inputs.forEach(read)
    this.outputs.forEach(({ name }) => {
      read(name)
    })
    return result
  }
}

/**
 * Nodes in an order in which each value is computed before it is read; the given order where that is one. Refuses
 * values that two nodes compute, that nobody computes, and cycles.
 */
function sorted(nodes: readonly GraphNode[], given: readonly string[]): GraphNode[] {
  const producers = new Map<string, GraphNode>()
  const known = new Set(given)
  for (const node of nodes)
    for (const output of node.outputs) {
      if (output === '') continue
      if (producers.has(output) || known.has(output))
        throw new ModelError({ op: 'onnx', message: `value "${output}" is computed twice` })
      producers.set(output, node)
    }
  const result: GraphNode[] = []
  const state = new Map<GraphNode, 'open' | 'done'>()
  // Depth-first without recursion: a file may hold a chain of any length.
  for (const root of nodes) {
    const stack: GraphNode[] = [root]
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      if (state.get(node) === 'done') {
        stack.pop()
        continue
      }
      const before = node.inputs.flatMap((name) => producers.get(name) ?? [])
      const waiting = before.filter((producer) => state.get(producer) !== 'done')
      if (waiting.length === 0) {
        state.set(node, 'done')
        result.push(node)
        stack.pop()
        continue
      }
      if (state.get(node) === 'open')
        throw new ModelError({ op: 'onnx', message: `node ${describeNode(node)} depends on its own result` })
      state.set(node, 'open')
      stack.push(...waiting)
    }
  }
  return result
}

/** A node in words: its name, or its first output's. */
export function describeNode(node: Pick<NodeFields, 'op' | 'name' | 'outputs'>): string {
  return node.name !== '' ? `"${node.name}" (${node.op})` : `${node.op} of "${node.outputs[0] ?? ''}"`
}
