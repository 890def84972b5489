/** Small ONNX models for tests, as bytes. */
import { Attributes, type Attribute } from '../../src/graph/attributes'
import { Graph, GraphNode, type Dim, type ValueInfo } from '../../src/graph/graph'
import { serializeModel } from '../../src/onnx/write'
import type { ElementType } from '../../src/onnx/types'
import type { Value } from '../../src/runtime/value'

/** An attribute: see `attributeOf`. */
export type AttributeSpec = number | string | readonly number[] | readonly string[] | GraphSpec

/** A node: operator, inputs, outputs, attributes. */
export type NodeSpec = readonly [
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes?: Readonly<Record<string, AttributeSpec>>,
]

/** A graph: of a model, or the body of If, Loop or Scan. */
export interface GraphSpec {
  readonly inputs: Readonly<Record<string, readonly [type: ElementType, dims: readonly Dim[]]>>
  readonly outputs: Readonly<Record<string, ElementType>>
  readonly nodes: readonly NodeSpec[]
  readonly constants?: Readonly<Record<string, Value>>
}

/** A model to be written. */
export interface ModelSpec extends GraphSpec {
  readonly opset?: number
}

function isList(value: object): value is readonly number[] | readonly string[] {
  return Array.isArray(value)
}

function isTexts(list: readonly unknown[]): list is readonly string[] {
  return typeof list[0] === 'string'
}

/** Whole numbers are ints; floats are written as `'0.5f'`. */
function attributeOf(value: AttributeSpec, opset: number): Attribute {
  if (typeof value === 'number') return { kind: 'int', value }
  if (typeof value === 'object') {
    if (!isList(value)) return { kind: 'graph', value: graphOf(value, opset) }
    return isTexts(value) ? { kind: 'strings', value } : { kind: 'ints', value: value }
  }
  return /^-?[\d.]+f$/.test(value) ? { kind: 'float', value: Number(value.slice(0, -1)) } : { kind: 'string', value }
}

function graphOf({ inputs, outputs, nodes, constants = {} }: GraphSpec, opset: number): Graph {
  const info = (name: string, type: ElementType, dims: readonly Dim[] | undefined): ValueInfo => ({ name, type, dims })
  return new Graph({
    name: 'test',
    inputs: Object.entries(inputs).map(([name, [type, dims]]) => info(name, type, dims)),
    outputs: Object.entries(outputs).map(([name, type]) => info(name, type, undefined)),
    nodes: nodes.map(([title, from, to, attributes = {}], i) => {
      const [op = '', domain = ''] = title.split(':').reverse()
      const list = Object.entries(attributes).map(([name, value]) => [name, attributeOf(value, opset)] as const)
      return new GraphNode({
        op,
        domain,
        opset,
        name: `n${String(i)}`,
        inputs: from,
        outputs: to,
        attributes: Attributes.of(Object.fromEntries(list)),
      })
    }),
    constants: new Map(Object.entries(constants)),
    infos: new Map(),
  })
}

/** The bytes of a model. A domain is written before the operator: `com.microsoft:QLinearAdd`. */
export function modelOf({ opset = 17, ...spec }: ModelSpec): Uint8Array {
  return serializeModel(graphOf(spec, opset), {
    irVersion: 8,
    opsets: new Map([
      ['', opset],
      ['com.microsoft', 1],
    ]),
    metadata: new Map(),
  })
}
