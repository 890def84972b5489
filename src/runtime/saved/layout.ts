/**
 * The file of a saved session: 8 bytes that name it, 8 bytes each for the lengths of the header and of the elements, a JSON
 * header, the elements, then packed weights, which only native code reads; every array at a multiple of 64 bytes. The graph in it has been through all passes, so its operators may be this library's
 * own: `format` is raised with every change of their meaning, of the header or of the order of elements.
 */
import type { Attribute } from '../../graph/attributes'
import type { Dim, NodeFields } from '../../graph/graph'
import type { ElementType } from '../../onnx/types'
import type { MemoryFormat } from '../../tensor/shape'

/** The first bytes of a file. */
export const magic = 'int8sess'
/** What this library reads and writes. */
export const format = 2
export const alignment = 64
/** Bytes before the header. */
export const prefixLength = 24

/** Place of an array: elements count from the first multiple of 64 behind the header, packed weights from where those end. */
export interface Place {
  readonly offset: number
  readonly length: number
}

/** A value; strings stand in the header. */
export type SavedValue =
  | ({
      readonly type: Exclude<ElementType, 'string'>
      readonly dims: readonly number[]
      readonly format: MemoryFormat
    } & Place)
  | { readonly type: 'string'; readonly dims: readonly number[]; readonly strings: readonly string[] }

export interface SavedInfo {
  readonly name: string
  readonly type: ElementType
  readonly dims: readonly Dim[] | null
}

/** Numbers that JSON lacks are strings: `NaN`, `Infinity`, `-Infinity`, `-0`. */
export type SavedNumber = number | string

/** Tensors are positions in the header's list of values. */
export type SavedAttribute =
  | { readonly kind: 'float' | 'int'; readonly value: SavedNumber }
  | { readonly kind: 'floats' | 'ints'; readonly value: readonly SavedNumber[] }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: number }
  | { readonly kind: 'graph'; readonly value: SavedGraph }

/** Kinds of attributes that a file holds. */
export const attributeKinds: readonly Attribute['kind'][] = [
  'float',
  'int',
  'string',
  'tensor',
  'graph',
  'floats',
  'ints',
  'strings',
]

/** Packed weights of a node. */
export interface SavedImage extends Place {
  /** What the node calls them, and the constant that they were made from. */
  readonly key: string
  readonly constant: string
  readonly isa: string
}

export interface SavedNode extends Required<Omit<NodeFields, 'attributes'>> {
  readonly attributes: Readonly<Record<string, SavedAttribute>>
  readonly images: readonly SavedImage[]
}

export interface SavedGraph {
  readonly name: string
  readonly inputs: readonly SavedInfo[]
  readonly outputs: readonly SavedInfo[]
  readonly nodes: readonly SavedNode[]
  /** Positions in the header's list of values. */
  readonly constants: Readonly<Record<string, number>>
}

export interface Header {
  readonly format: number
  readonly graph: SavedGraph
  readonly values: readonly SavedValue[]
}

/** The next multiple of the alignment. */
export function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment
}

/** A number as JSON holds it. */
export function savedNumber(value: number): SavedNumber {
  return Object.is(value, -0) ? '-0' : Number.isFinite(value) ? value : String(value)
}
