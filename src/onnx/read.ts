/** Reads ONNX files into graphs. Nothing of a file is trusted: what is wrong is a FormatError or a ModelError. */
import { fromBinary } from '@bufbuild/protobuf'
import { FormatError, ModelError, UnsupportedOperatorError, Int8Error } from '../errors'
import { Attributes, type Attribute } from '../graph/attributes'
import { Graph, GraphNode, type Dim, type ValueInfo } from '../graph/graph'
import { maxRank } from '../tensor/shape'
import { finish, type Work } from '../runtime/slices'
import type { Value } from '../runtime/value'
import { openExternal } from './external'
import { Functions, normalDomain, type Opsets, type PlacedNode } from './functions'
import {
  ModelProtoSchema,
  type AttributeProto,
  type GraphProto,
  type ModelProto,
  type OperatorSetIdProto,
  type ValueInfoProto,
} from './proto/onnx_pb'
import { attributeTypes as Type } from './attributeTypes'
import { typeName, valueOfTensor, type ExternalReader } from './tensorProto'
import { typeOfNumber } from './types'

const op = 'onnx'
/** Graphs within graphs (If, Loop) that a file may nest. */
const maxDepth = 16

/** A model: its graph and what the file says of itself. */
export interface Model {
  readonly graph: Graph
  readonly irVersion: number
  /** Version of each domain's operator set; ONNX's own domain is `''`. */
  readonly opsets: ReadonlyMap<string, number>
  readonly producer: string
  readonly metadata: ReadonlyMap<string, string>
}

/** The newest operator set of ONNX whose operators mean what this library computes. */
export const newestOpset = 27

/**
 * Parses a model.
 *
 * @param bytes - The file. They belong to the model from then on, whose weights may lie in them.
 * @param directory - Where files with external data may lie; undefined: they are refused.
 */
export function parseModel(bytes: Uint8Array, directory?: string): Model {
  return finish(parsingModel(bytes, directory))
}

/** {@link parseModel}, which may pause between weights. */
export function* parsingModel(bytes: Uint8Array, directory?: string): Work<Model> {
  let proto: ModelProto
  try {
    proto = fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false })
  } catch (error) {
    // The parser throws plain errors, and runs out of stack on deeply nested input.
    const reason = error instanceof Error ? error.message : String(error)
    throw new FormatError({
      op,
      message: `this is no ONNX model: ${reason}`,
      hint: 'The file is damaged, was cut off, or holds something else.',
    })
  }
  if (proto.graph === undefined)
    throw new FormatError({ op, message: 'this is no ONNX model: it holds no graph', hint: 'Is it another file?' })
  try {
    const opsets = opsetsOf(proto.opsetImport)
    const reader = new Reader(new Functions(proto.functions, opsetsOf), openExternal(directory))
    yield
    return {
      graph: yield* reader.reading(proto.graph, opsets, 0),
      irVersion: Number(proto.irVersion),
      opsets,
      producer: [proto.producerName, proto.producerVersion].filter((text) => text !== '').join(' '),
      metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
    }
  } catch (error) {
    if (error instanceof Int8Error) throw error
    if (error instanceof RangeError) throw new FormatError({ op, message: `the model is too large: ${error.message}` })
    throw error
  }
}

/** Versions of the operator sets that a model or a function imports. */
function opsetsOf(imports: readonly OperatorSetIdProto[]): Opsets {
  const opsets = new Map(imports.map(({ domain, version }) => [normalDomain(domain), Number(version)]))
  checkOpset(opsets.get('') ?? 1)
  return opsets
}

function checkOpset(version: number): void {
  if (version < 1 || !Number.isSafeInteger(version))
    throw new FormatError({ op, message: `the model has operator set ${String(version)}` })
  if (version > newestOpset)
    throw new UnsupportedOperatorError({
      op,
      message: `the model has operator set ${String(version)}; this library knows those to ${String(newestOpset)}`,
      hint: 'Export the model for an older operator set, or bring it there by onnx.version_converter.',
    })
}

class Reader {
  private readonly functions: Functions
  private readonly external: ExternalReader

  constructor(functions: Functions, external: ExternalReader) {
    this.functions = functions
    this.external = external
  }

  graph(proto: GraphProto, opsets: Opsets, depth: number): Graph {
    return finish(this.reading(proto, opsets, depth))
  }

  *reading(proto: GraphProto, opsets: Opsets, depth: number): Work<Graph> {
    if (depth > maxDepth)
      throw new ModelError({ op, message: `graphs are nested more than ${String(maxDepth)} levels deep` })
    if (proto.sparseInitializer.length > 0)
      throw new UnsupportedOperatorError({ op, message: 'the model has sparse weights' })
    const constants = new Map<string, Value>()
    for (const tensor of proto.initializer) {
      if (constants.has(tensor.name)) throw new ModelError({ op, message: `weight "${tensor.name}" is there twice` })
      constants.set(tensor.name, valueOfTensor(tensor, this.external))
      yield
    }
    return new Graph({
      name: proto.name,
      // Before IR version 4, weights are listed among the inputs too.
      inputs: proto.input.filter(({ name }) => !constants.has(name)).map(infoOf),
      outputs: proto.output.map(infoOf),
      nodes: proto.node.flatMap((node) =>
        [...this.functions.expand(node, opsets)].map((placed) => this.node(placed, depth)),
      ),
      constants,
      infos: new Map(proto.valueInfo.flatMap((info) => (isTensor(info) ? [[info.name, infoOf(info)] as const] : []))),
    })
  }

  private node({ node: proto, opsets }: PlacedNode, depth: number): GraphNode {
    const { opType, name, input, output } = proto
    const domain = normalDomain(proto.domain)
    const owner = name === '' ? opType : `${opType} "${name}"`
    const attributes = new Map<string, Attribute>()
    for (const attribute of proto.attribute) {
      const value = this.attribute(owner, attribute, opsets, depth)
      if (value !== undefined) attributes.set(attribute.name, value)
    }
    const bodies = [...attributes.values()].flatMap(({ kind, value }) => (kind === 'graph' ? [value] : []))
    const captures = [...new Set(bodies.flatMap((body) => [...body.captures()]))]
    return new GraphNode({
      op: opType,
      domain,
      opset: opsets.get(domain) ?? 1,
      name,
      inputs: [...input, ...captures],
      outputs: output,
      attributes: new Attributes(owner, attributes),
      captures,
    })
  }

  private attribute(owner: string, proto: AttributeProto, opsets: Opsets, depth: number): Attribute | undefined {
    const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
    switch (typeOf(proto)) {
      case Type.FLOAT:
        return { kind: 'float', value: proto.f }
      case Type.INT:
        return { kind: 'int', value: Number(proto.i) }
      case Type.STRING:
        return { kind: 'string', value: decode(proto.s) }
      case Type.FLOATS:
        return { kind: 'floats', value: proto.floats }
      case Type.INTS:
        return { kind: 'ints', value: proto.ints.map(Number) }
      case Type.STRINGS:
        return { kind: 'strings', value: proto.strings.map(decode) }
      case Type.TENSOR:
        if (proto.t !== undefined) return { kind: 'tensor', value: valueOfTensor(proto.t, this.external) }
        break
      case Type.GRAPH:
        if (proto.g !== undefined) return { kind: 'graph', value: this.graph(proto.g, opsets, depth + 1) }
        break
      case Type.UNDEFINED:
        return undefined
      default:
    }
    throw new UnsupportedOperatorError({
      op: owner,
      message: `attribute ${proto.name} is of a type that this library does not read (${String(proto.type)})`,
    })
  }
}

/** The type of an attribute; writers of old files leave it out. */
function typeOf(proto: AttributeProto): number {
  if (proto.type !== Type.UNDEFINED) return proto.type
  if (proto.t !== undefined) return Type.TENSOR
  if (proto.g !== undefined) return Type.GRAPH
  if (proto.ints.length > 0) return Type.INTS
  if (proto.floats.length > 0) return Type.FLOATS
  if (proto.strings.length > 0) return Type.STRINGS
  if (proto.s.length > 0) return Type.STRING
  if (proto.f !== 0) return Type.FLOAT
  return proto.i !== 0n ? Type.INT : Type.UNDEFINED
}

function isTensor(proto: ValueInfoProto): boolean {
  return proto.type?.value.case === 'tensorType' && typeOfNumber(proto.type.value.value.elemType) !== undefined
}

function infoOf(proto: ValueInfoProto): ValueInfo {
  const { name } = proto
  const value = proto.type?.value
  if (value?.case === undefined) throw new FormatError({ op, message: `value "${name}" has no type` })
  if (value.case !== 'tensorType')
    throw new UnsupportedOperatorError({ op, message: `value "${name}" is no tensor (${value.case})` })
  const type = typeOfNumber(value.value.elemType)
  if (type === undefined)
    throw new UnsupportedOperatorError({ op, message: `value "${name}" is of ${typeName(value.value.elemType)}` })
  const dims = value.value.shape?.dim.map(({ value: dim }): Dim => {
    if (dim.case === 'dimParam') return dim.value === '' ? null : dim.value
    return dim.case === 'dimValue' && dim.value >= 0n ? Number(dim.value) : null
  })
  if (dims !== undefined && dims.length > maxRank)
    throw new UnsupportedOperatorError({ op, message: `value "${name}" has ${String(dims.length)} axes` })
  return { name, type, dims }
}
