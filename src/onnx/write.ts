/** Writes graphs as ONNX files. */
import { create, toBinary } from '@bufbuild/protobuf'
import { ArgumentError } from '../errors'
import type { Attribute } from '../graph/attributes'
import { ownDomain, type Dim, type Graph, type GraphNode, type ValueInfo } from '../graph/graph'
import type { Value } from '../runtime/value'
import { attributeTypes } from './attributeTypes'
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type ValueInfoProto,
} from './proto/onnx_pb'
import { tensorOfValue } from './tensorProto'
import { typeNumbers } from './types'

/** What a file says beside its graph. */
export interface ModelHeader {
  readonly irVersion: number
  readonly opsets: ReadonlyMap<string, number>
  readonly metadata: ReadonlyMap<string, string>
}

/** The bytes of a model. Nodes of this library's own domain have no place in a file. */
export function serializeModel(graph: Graph, { irVersion, opsets, metadata }: ModelHeader): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    producerName: 'int8',
    opsetImport: [...opsets].map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
    ),
    graph: graphProto(graph),
    metadataProps: [...metadata].map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  })
  return toBinary(ModelProtoSchema, model)
}

/** @param outer - What the graph around calls the values that this one captures, where that is another name. */
function graphProto(graph: Graph, outer: ReadonlyMap<string, string> = new Map()): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name,
    node: graph.nodes.map((node) => nodeProto(node, outer)),
    initializer: [...graph.constants].map(([name, value]) => tensorOfValue(name, contiguousOnly(name, value))),
    input: graph.inputs.map(infoProto),
    output: graph.outputs.map((info) => infoProto({ ...info, name: outer.get(info.name) ?? info.name })),
  })
}

function contiguousOnly(name: string, value: Value): Value {
  if (value.format === 'contiguous') return value
  throw new ArgumentError({ op: 'onnx', message: `constant "${name}" is not stored in row-major order` })
}

function nodeProto(node: GraphNode, outer: ReadonlyMap<string, string>): NodeProto {
  if (node.domain === ownDomain)
    throw new ArgumentError({ op: 'onnx', message: `node "${node.name}" (${node.title}) cannot be written to a file` })
  const inputs = node.inputs.map((name) => outer.get(name) ?? name)
  // In a file, bodies read what is around them by its name there.
  const captured = new Map(node.captures.map((name, i) => [name, inputs[node.ownInputs + i] ?? name]))
  return create(NodeProtoSchema, {
    opType: node.op,
    domain: node.domain,
    name: node.name,
    input: inputs.slice(0, node.ownInputs),
    output: [...node.outputs],
    attribute: [...node.attributes.entries()].map(([name, attribute]) => attributeProto(name, attribute, captured)),
  })
}

function attributeProto(name: string, attribute: Attribute, captured: ReadonlyMap<string, string>): AttributeProto {
  const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)
  const { kind, value } = attribute
  switch (kind) {
    case 'float':
      return create(AttributeProtoSchema, { name, type: attributeTypes.FLOAT, f: value })
    case 'int':
      return create(AttributeProtoSchema, { name, type: attributeTypes.INT, i: wide(value) })
    case 'string':
      return create(AttributeProtoSchema, { name, type: attributeTypes.STRING, s: encode(value) })
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: attributeTypes.TENSOR, t: tensorOfValue('', value) })
    case 'graph':
      return create(AttributeProtoSchema, { name, type: attributeTypes.GRAPH, g: graphProto(value, captured) })
    case 'floats':
      return create(AttributeProtoSchema, { name, type: attributeTypes.FLOATS, floats: [...value] })
    case 'ints':
      return create(AttributeProtoSchema, { name, type: attributeTypes.INTS, ints: value.map(wide) })
    case 'strings':
      return create(AttributeProtoSchema, { name, type: attributeTypes.STRINGS, strings: value.map(encode) })
  }
}

/** An int64: bounds beyond 2^63 - 1, which numbers round to, are that. */
function wide(value: number): bigint {
  const most = 2n ** 63n - 1n
  const exact = BigInt(value)
  return exact > most ? most : exact
}

function infoProto({ name, type, dims }: ValueInfo): ValueInfoProto {
  const shape = dims === undefined ? {} : { shape: { dim: dims.map((dim) => ({ value: dimProto(dim) })) } }
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: 'tensorType', value: { elemType: typeNumbers[type], ...shape } } },
  })
}

function dimProto(
  dim: Dim,
): { case: 'dimValue'; value: bigint } | { case: 'dimParam'; value: string } | { case: undefined } {
  if (dim === null) return { case: undefined }
  return typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim }
}
