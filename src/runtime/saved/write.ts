/** Writes a graph as the file of a saved session. */
import { randomUUID } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import type { Attribute } from '../../graph/attributes'
import type { Graph, GraphNode, ValueInfo } from '../../graph/graph'
import type { Value } from '../value'
import {
  aligned,
  format,
  magic,
  prefixLength,
  savedNumber,
  type Header,
  type Place,
  type SavedAttribute,
  type SavedGraph,
  type SavedImage,
  type SavedInfo,
  type SavedNode,
  type SavedValue,
} from './layout'

/** Packed weights to be kept with a graph. */
export interface ImageToSave {
  readonly key: string
  readonly constant: string
  readonly isa: string
  readonly bytes: Uint8Array
}

/** Packed weights of a node of a graph with these constants. */
export type ImagesOf = (node: GraphNode, constants: Graph['constants']) => readonly ImageToSave[]

/** Writes the file beside its place and moves it there: a process that has the old file mapped keeps it whole. */
export async function writeSaved(path: string, graph: Graph, imagesOf: ImagesOf): Promise<void> {
  const writer = new Writer(imagesOf)
  const header: Header = { format, graph: writer.graph(graph), values: writer.values }
  // A name that no other save has, of this process or another.
  const temporary = `${path}.${randomUUID()}.tmp`
  const file = await open(temporary, 'wx')
  try {
    await writeAll(file, header, writer)
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(temporary, { force: true })
    throw error
  }
}

async function writeAll(file: FileHandle, header: Header, { elements, images }: Writer): Promise<void> {
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(prefixLength)
  prefix.write(magic, 'latin1')
  prefix.writeBigUInt64LE(BigInt(json.length), 8)
  prefix.writeBigUInt64LE(BigInt(elements.end), 16)
  await file.writev([prefix, json], 0)
  let start = aligned(prefixLength + json.length)
  for (const { chunks, end } of [elements, images]) {
    for (const { offset, bytes } of chunks) await file.write(bytes, 0, bytes.length, start + offset)
    start += end
  }
  await file.truncate(start)
}

/** Arrays one after the other, each at a multiple of 64 bytes. */
class Section {
  readonly chunks: { readonly offset: number; readonly bytes: Uint8Array }[] = []
  end = 0

  add(bytes: Uint8Array): Place {
    const offset = this.end
    if (bytes.length > 0) this.chunks.push({ offset, bytes })
    this.end = aligned(offset + bytes.length)
    return { offset, length: bytes.length }
  }
}

class Writer {
  readonly values: SavedValue[] = []
  readonly elements = new Section()
  readonly images = new Section()
  private readonly imagesOf: ImagesOf
  private readonly positions = new Map<Value['data'], number>()

  constructor(imagesOf: ImagesOf) {
    this.imagesOf = imagesOf
  }

  graph({ name, inputs, outputs, nodes, constants }: Graph): SavedGraph {
    return {
      name,
      inputs: inputs.map(infoOf),
      outputs: outputs.map(infoOf),
      nodes: nodes.map((node) => this.node(node, constants)),
      constants: Object.fromEntries([...constants].map(([key, value]) => [key, this.value(value)])),
    }
  }

  private node(node: GraphNode, constants: Graph['constants']): SavedNode {
    const { op, domain, opset, name, inputs, outputs, captures, attributes } = node
    return {
      ...{ op, domain, opset, name, inputs, outputs, captures },
      attributes: Object.fromEntries([...attributes.entries()].map(([key, value]) => [key, this.attribute(value)])),
      images: this.imagesOf(node, constants).map(({ key, constant, isa, bytes }): SavedImage => {
        return { key, constant, isa, ...this.images.add(bytes) }
      }),
    }
  }

  private attribute({ kind, value }: Attribute): SavedAttribute {
    switch (kind) {
      case 'float':
      case 'int':
        return { kind, value: savedNumber(value) }
      case 'floats':
      case 'ints':
        return { kind, value: value.map(savedNumber) }
      case 'tensor':
        return { kind, value: this.value(value) }
      case 'graph':
        return { kind, value: this.graph(value) }
      case 'string':
        return { kind, value }
      case 'strings':
        return { kind, value }
    }
  }

  private value(value: Value): number {
    const found = this.positions.get(value.data)
    if (found !== undefined && sameHead(this.values[found], value)) return found
    const { dims } = value
    const saved: SavedValue =
      value.type === 'string'
        ? { type: value.type, dims, strings: value.data }
        : {
            type: value.type,
            dims,
            format: value.format,
            ...this.elements.add(new Uint8Array(value.data.buffer, value.data.byteOffset, value.data.byteLength)),
          }
    const position = this.values.push(saved) - 1
    this.positions.set(value.data, position)
    return position
  }
}

function sameHead(saved: SavedValue | undefined, { type, dims }: Value): boolean {
  return saved?.type === type && saved.dims.join() === dims.join()
}

function infoOf({ name, type, dims }: ValueInfo): SavedInfo {
  return { name, type, dims: dims ?? null }
}
