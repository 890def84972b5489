/**
 * Functions that a model brings along (`ModelProto.functions`): each call is replaced by the nodes of the function's body
 * when the model is read, so that nothing behind that knows of functions.
 */
import { create } from '@bufbuild/protobuf'
import { ModelError } from '../errors'
import {
  NodeProtoSchema,
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  type OperatorSetIdProto,
} from './proto/onnx_pb'

/** Calls within calls. */
const maxDepth = 64
/** Names and attributes that the nodes of all calls may have: a small file can ask for as many as it likes. */
const mostParts = 1 << 20

/** Version of each domain's operator set; ONNX's own domain is `''`. */
export type Opsets = ReadonlyMap<string, number>

/** `ai.onnx` is another name of ONNX's own domain. */
export function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain
}

/** A node that calls no function, and the operator sets that give its operator a meaning. */
export interface PlacedNode {
  readonly node: NodeProto
  readonly opsets: Opsets
}

/** The functions of one model. */
export class Functions {
  private readonly byKey: ReadonlyMap<string, FunctionProto>
  private readonly opsetsOf: (imports: readonly OperatorSetIdProto[]) => Opsets
  private calls = 0
  private parts = 0

  /** @param opsetsOf - Checks and reads what a function imports. */
  constructor(functions: readonly FunctionProto[], opsetsOf: (imports: readonly OperatorSetIdProto[]) => Opsets) {
    this.byKey = new Map(functions.map((each) => [keyOf(each.domain, each.name, each.overload), each]))
    this.opsetsOf = opsetsOf
  }

  /** The node itself, or the nodes that its call stands for. */
  *expand(node: NodeProto, opsets: Opsets, depth = 0): Generator<PlacedNode> {
    const called = this.byKey.get(keyOf(node.domain, node.opType, node.overload))
    if (called === undefined) {
      yield { node, opsets }
      return
    }
    if (depth === maxDepth)
      throw wrong(called, `calls are nested more than ${String(maxDepth)} deep: does it call itself?`)
    const count = (): void => {
      if (++this.parts > mostParts) throw wrong(called, 'the bodies of all calls together are too large')
    }
    const body = new Call(called, node, `${node.name || node.opType}.${String(this.calls++)}/`, count)
    const imported = this.opsetsOf(called.opsetImport)
    for (const inner of body.nodes()) yield* this.expand(inner, imported, depth + 1)
  }
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([normalDomain(domain), name, overload])
}

function wrong({ domain, name }: FunctionProto, message: string): ModelError {
  return new ModelError({ op: 'onnx', message: `function ${domain}.${name}: ${message}` })
}

/** One call: the body with the caller's names for its inputs, outputs and attributes, and names of its own for the rest. */
class Call {
  private readonly called: FunctionProto
  private readonly prefix: string
  private readonly count: () => void
  private readonly names = new Map<string, string>()
  private readonly attributes: ReadonlyMap<string, AttributeProto>
  /** Outputs of the function that are its inputs, which no node computes. */
  private readonly passed: readonly NodeProto[]

  /** @param count - Told of each name and attribute that is made. */
  constructor(called: FunctionProto, node: NodeProto, prefix: string, count: () => void) {
    if (node.input.length > called.input.length || node.output.length > called.output.length)
      throw wrong(called, 'a node gives or takes more values than it has')
    this.called = called
    this.prefix = prefix
    this.count = count
    this.attributes = new Map([...called.attributeProto, ...node.attribute].map((each) => [each.name, each]))
    called.input.forEach((name, i) => this.names.set(name, node.input[i] ?? ''))
    const passed: NodeProto[] = []
    called.output.forEach((name, i) => {
      const output = node.output[i] ?? ''
      const input = this.names.get(name)
      if (output === '') return
      if (input === undefined) this.names.set(name, output)
      else passed.push(create(NodeProtoSchema, { opType: 'Identity', input: [input], output: [output] }))
    })
    this.passed = passed
  }

  *nodes(): Generator<NodeProto> {
    for (const node of this.called.node) yield this.node(node)
    yield* this.passed
  }

  private readonly rename = (name: string): string => {
    this.count()
    return name === '' ? '' : (this.names.get(name) ?? `${this.prefix}${name}`)
  }

  private node(node: NodeProto): NodeProto {
    this.count()
    return changed(node, {
      name: node.name === '' ? '' : `${this.prefix}${node.name}`,
      input: node.input.map(this.rename),
      output: node.output.map(this.rename),
      attribute: node.attribute.flatMap((each) => this.attribute(each)),
    })
  }

  /** Attributes that refer to one of the call are that one; where the call has none, there is none. */
  private attribute(attribute: AttributeProto): AttributeProto[] {
    this.count()
    const { name, refAttrName, g } = attribute
    if (refAttrName !== '') {
      const given = this.attributes.get(refAttrName)
      return given === undefined ? [] : [changed(given, { name })]
    }
    return [g === undefined ? attribute : changed(attribute, { g: this.graph(g) })]
  }

  private graph(graph: GraphProto): GraphProto {
    const renamed = <T extends { name: string }>(items: readonly T[]): T[] =>
      items.map((item) => changed(item, { name: this.rename(item.name) } as Partial<T>))
    return changed(graph, {
      node: graph.node.map((node) => this.node(node)),
      initializer: renamed(graph.initializer),
      input: renamed(graph.input),
      output: renamed(graph.output),
      valueInfo: renamed(graph.valueInfo),
    })
  }
}

/** The message with other values in some fields. Those that a message does not set lie in its prototype. */
function changed<T extends object>(message: T, fields: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message) as object) as T, message, fields)
}
