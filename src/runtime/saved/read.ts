/** Reads the file of a saved session. Nothing of it is trusted: what is wrong is a FormatError. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import type { MappedFile } from '../../backend/contract'
import { currentBackend, isNative } from '../../backend/current'
import { FormatError } from '../../errors'
import { Attributes, type Attribute } from '../../graph/attributes'
import { Graph, GraphNode, type Dim, type ValueInfo } from '../../graph/graph'
import { arrayOf, isElementType, type NumericType } from '../../onnx/types'
import { checkShape, sizeOf } from '../../tensor/shape'
import { known, type Value } from '../value'
import { aligned, alignment, attributeKinds, format, magic, prefixLength, savedNumber, type Place } from './layout'

const op = 'InferenceSession.create'
/** Graphs within graphs. */
const maxDepth = 16
/** Numbers that JSON lacks. */
const named = new Map([NaN, Infinity, -Infinity, -0].map((value) => [savedNumber(value), value]))
/** Types whose elements do not use all of their bytes. */
const ranges: Partial<Record<NumericType, readonly [min: number, max: number]>> = {
  bool: [0, 1],
  int4: [-8, 7],
  uint4: [0, 15],
}

/** Whether bytes begin as a saved session does. */
export function isSaved(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, magic.length)).toString('latin1') === magic
}

/** The graph of the saved session at a path, whose weights are mapped into memory; undefined where another file lies. */
export function openSaved(path: string): Graph | undefined {
  const prefix = new Uint8Array(prefixLength)
  const file = openSync(path, 'r')
  try {
    readSync(file, prefix, 0, prefixLength, 0)
    if (!isSaved(prefix)) return undefined
    const { size } = fstatSync(file)
    const sections = readPrefix(prefix, size)
    const backend = currentBackend()
    const mapped = isNative(backend) ? backend.mapFile(path, sections.images) : undefined
    return parse(mapped === undefined ? readFileSync(file) : new Uint8Array(mapped.buffer), sections, mapped)
  } finally {
    closeSync(file)
  }
}

/** The graph in the bytes of a file, which nobody changes. */
export function parseSaved(bytes: Uint8Array): Graph {
  return parse(bytes, readPrefix(bytes, bytes.length), undefined)
}

/** Where the parts of a file begin. */
interface Sections {
  readonly header: number
  readonly elements: number
  readonly images: number
  readonly end: number
}

function readPrefix(bytes: Uint8Array, size: number): Sections {
  if (size < prefixLength) refuse('it was cut off')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const elements = aligned(prefixLength + Number(view.getBigUint64(8, true)))
  const images = elements + Number(view.getBigUint64(16, true))
  if (images > size) refuse('it was cut off')
  return { header: prefixLength + Number(view.getBigUint64(8, true)), elements, images, end: size }
}

/** Reads a graph. `mapped`: the file, where the bytes are mapped. */
function parse(bytes: Uint8Array, sections: Sections, mapped: MappedFile | undefined): Graph {
  let header: unknown
  try {
    header = JSON.parse(
      Buffer.from(bytes.buffer, bytes.byteOffset + prefixLength, sections.header - prefixLength).toString(),
    )
  } catch {
    refuse('its header is no JSON')
  }
  const { format: written, values, graph } = record(header, 'the header')
  if (written !== format)
    throw new FormatError({
      op,
      message: `the session was saved in format ${String(written)}, and this version of the library reads ${String(format)}`,
      hint: 'Save it again, from the ONNX model.',
    })
  try {
    return new Reader(bytes.subarray(sections.elements, sections.images), sections, mapped, values).graph(graph, 0)
  } catch (error) {
    if (error instanceof RangeError) refuse(error.message)
    throw error
  }
}

function refuse(fault: string): never {
  throw new FormatError({ op, message: `this is no saved session: ${fault}`, hint: 'The file is damaged.' })
}

class Reader {
  private readonly data: Uint8Array
  private readonly sections: Sections
  private readonly mapped: MappedFile | undefined
  private readonly values: readonly Value[]

  constructor(data: Uint8Array, sections: Sections, mapped: MappedFile | undefined, values: unknown) {
    this.data = data
    this.sections = sections
    this.mapped = mapped
    this.values = list(values, 'values').map((value) => this.value(value))
  }

  graph(json: unknown, depth: number): Graph {
    if (depth > maxDepth) refuse('its graphs are nested too deeply')
    const { name, inputs, outputs, nodes, constants } = record(json, 'a graph')
    const known = new Map(Object.entries(record(constants, 'constants')).map(([key, at]) => [key, this.valueAt(at)]))
    return new Graph({
      name: text(name, 'a name'),
      inputs: list(inputs, 'inputs').map(infoOf),
      outputs: list(outputs, 'outputs').map(infoOf),
      nodes: list(nodes, 'nodes').map((node) => this.node(node, known, depth)),
      constants: known,
      infos: new Map(),
    })
  }

  private node(json: unknown, constants: ReadonlyMap<string, Value>, depth: number): GraphNode {
    const { op: operator, domain, opset, name, inputs, outputs, captures, attributes, images } = record(json, 'a node')
    const title = text(operator, 'an operator')
    const entries = Object.entries(record(attributes, 'attributes')).map(
      ([key, attribute]) => [key, this.attribute(attribute, depth)] as const,
    )
    const captured = list(captures, 'captures').map((item) => text(item, 'a captured value'))
    if (captured.length > list(inputs, 'inputs').length) refuse('a node captures more values than it reads')
    const node = new GraphNode({
      op: title,
      domain: text(domain, 'a domain'),
      opset: whole(opset, 'an opset'),
      name: text(name, 'a name'),
      inputs: list(inputs, 'inputs').map((item) => text(item, 'an input')),
      outputs: list(outputs, 'outputs').map((item) => text(item, 'an output')),
      attributes: new Attributes(title, new Map(entries)),
      captures: captured,
    })
    for (const image of list(images, 'images')) this.image(node, image, constants)
    return node
  }

  private image(node: GraphNode, json: unknown, constants: ReadonlyMap<string, Value>): void {
    const { key, constant, isa, offset, length } = record(json, 'an image')
    const from = constants.get(text(constant, 'a constant'))?.data
    const { images, end } = this.sections
    const place = placeOf(offset, length, end - images)
    const image = { isa: text(isa, 'an instruction set'), ...place, offset: images + place.offset }
    if (this.mapped === undefined || from === undefined) return
    node.saved.set(text(key, 'a key'), { from, image: { ...image, from: this.mapped } })
  }

  private attribute(json: unknown, depth: number): Attribute {
    const { kind, value } = record(json, 'an attribute')
    if (!attributeKinds.includes(kind as Attribute['kind'])) refuse(`an attribute is of kind ${String(kind)}`)
    switch (kind as Attribute['kind']) {
      case 'float':
        return { kind: 'float', value: number(value) }
      case 'int':
        return { kind: 'int', value: number(value) }
      case 'floats':
        return { kind: 'floats', value: list(value, 'floats').map(number) }
      case 'ints':
        return { kind: 'ints', value: list(value, 'ints').map(number) }
      case 'string':
        return { kind: 'string', value: text(value, 'a string') }
      case 'strings':
        return { kind: 'strings', value: list(value, 'strings').map((item) => text(item, 'a string')) }
      case 'tensor':
        return { kind: 'tensor', value: this.valueAt(value) }
      case 'graph':
        return { kind: 'graph', value: this.graph(value, depth + 1) }
    }
  }

  private valueAt(at: unknown): Value {
    return this.values[whole(at, 'a position')] ?? refuse('it refers to a value that is not there')
  }

  private value(json: unknown): Value {
    const { type, dims, format: order = 'contiguous', offset, length, strings } = record(json, 'a value')
    if (!isElementType(type)) refuse(`a value is of type ${String(type)}`)
    const sizes = list(dims, 'dims').map((size) => whole(size, 'a size'))
    checkShape(op, sizes, 'dims')
    if (type === 'string') {
      const items = list(strings, 'strings').map((item) => text(item, 'a string'))
      if (items.length !== sizeOf(sizes)) refuse('a value has another number of strings than its sizes')
      return known(type, sizes, items)
    }
    if (order !== 'contiguous' && order !== 'channelsLast') refuse(`a value is of format ${String(order)}`)
    if (order === 'channelsLast' && (sizes.length < 3 || sizes.length > 5)) refuse('a value is of another rank')
    return known(type, sizes, this.elements(type, sizeOf(sizes), offset, length), order) as Value
  }

  /** Elements in place where their address allows it, else a copy. */
  private elements<T extends NumericType>(type: T, count: number, offset: unknown, length: unknown) {
    const ArrayClass = arrayOf(type)
    const place = placeOf(offset, length, this.data.length)
    if (place.length !== count * ArrayClass.BYTES_PER_ELEMENT) refuse('a value has another length than its sizes')
    const bytes = this.data.subarray(place.offset, place.offset + place.length)
    const inPlace = bytes.byteOffset % ArrayClass.BYTES_PER_ELEMENT === 0
    const array = inPlace
      ? new ArrayClass(bytes.buffer, bytes.byteOffset, count)
      : new ArrayClass(new Uint8Array(bytes).buffer)
    const [min, max] = ranges[type] ?? [-Infinity, Infinity]
    if (ranges[type] !== undefined && (array as Uint8Array).some((element) => element < min || element > max))
      refuse(`a value has elements that ${type} lacks`)
    return array
  }
}

function placeOf(offset: unknown, length: unknown, end: number): Place {
  const place = { offset: whole(offset, 'an offset'), length: whole(length, 'a length') }
  if (place.offset % alignment !== 0 || place.offset + place.length > end) refuse('an array does not lie in it')
  return place
}

function infoOf(json: unknown): ValueInfo {
  const { name, type, dims } = record(json, 'an input')
  if (!isElementType(type)) return refuse(`an input or output is of type ${String(type)}`)
  return { name: text(name, 'a name'), type, dims: dims === null ? undefined : list(dims, 'dims').map(dimOf) }
}

function dimOf(json: unknown): Dim {
  return json === null || typeof json === 'string' ? json : whole(json, 'a size')
}

function record(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) refuse(`${what} is no object`)
  return json as Readonly<Record<string, unknown>>
}

function list(json: unknown, what: string): readonly unknown[] {
  return Array.isArray(json) ? json : refuse(`${what} is no list`)
}

function text(json: unknown, what: string): string {
  return typeof json === 'string' ? json : refuse(`${what} is no text`)
}

function whole(json: unknown, what: string): number {
  return Number.isSafeInteger(json) && (json as number) >= 0 ? (json as number) : refuse(`${what} is no whole number`)
}

function number(json: unknown): number {
  if (typeof json === 'number') return json
  return named.get(text(json, 'a number')) ?? refuse('a number is none')
}
