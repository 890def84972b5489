/** Attributes of a node: named values of a few types, read with the type that the operator expects. */
import { ModelError, show } from '../errors'
import type { Value } from '../runtime/value'
import type { Graph } from './graph'

/** What each kind of attribute holds. int64 is a number: what lies beyond 2^53 is a bound such as "to the end". */
export interface AttributeValues {
  readonly float: number
  readonly int: number
  readonly string: string
  readonly tensor: Value
  readonly graph: Graph
  readonly floats: readonly number[]
  readonly ints: readonly number[]
  readonly strings: readonly string[]
}

type Kind = keyof AttributeValues

/** An attribute's kind and value. */
export type Attribute = { readonly [K in Kind]: { readonly kind: K; readonly value: AttributeValues[K] } }[Kind]

/** The attributes of one node. */
export class Attributes {
  private readonly values: ReadonlyMap<string, Attribute>
  private readonly owner: string

  /** `owner` names the node in errors. */
  constructor(owner: string, values: ReadonlyMap<string, Attribute>) {
    this.owner = owner
    this.values = values
  }

  /** Attributes of a node that this library makes. */
  static of(values: Readonly<Record<string, Attribute>>): Attributes {
    return new Attributes('int8', new Map(Object.entries(values)))
  }

  has(name: string): boolean {
    return this.values.has(name)
  }

  entries(): IterableIterator<[string, Attribute]> {
    return this.values.entries()
  }

  int(name: string): number | undefined
  int(name: string, fallback: number): number
  int(name: string, fallback?: number): number | undefined {
    return this.get(name, 'int') ?? fallback
  }

  float(name: string): number | undefined
  float(name: string, fallback: number): number
  float(name: string, fallback?: number): number | undefined {
    return this.get(name, 'float') ?? fallback
  }

  string(name: string): string | undefined
  string(name: string, fallback: string): string
  string(name: string, fallback?: string): string | undefined {
    return this.get(name, 'string') ?? fallback
  }

  ints(name: string): readonly number[] | undefined {
    return this.get(name, 'ints')
  }

  floats(name: string): readonly number[] | undefined {
    return this.get(name, 'floats')
  }

  strings(name: string): readonly string[] | undefined {
    return this.get(name, 'strings')
  }

  tensor(name: string): Value | undefined {
    return this.get(name, 'tensor')
  }

  graph(name: string): Graph | undefined {
    return this.get(name, 'graph')
  }

  /** Graphs among the attributes: bodies of If and Loop. */
  *graphs(): Generator<Graph> {
    for (const attribute of this.values.values()) if (attribute.kind === 'graph') yield attribute.value
  }

  private get<K extends Kind>(name: string, kind: K): AttributeValues[K] | undefined {
    const attribute = this.values.get(name)
    if (attribute === undefined) return undefined
    // Writers without a type field leave an empty list's kind open.
    if (attribute.kind !== kind)
      throw new ModelError({
        op: this.owner,
        argument: `attribute ${name}`,
        expected: `of type ${kind}`,
        received: `${attribute.kind} ${show(attribute.value)}`,
      })
    return attribute.value as AttributeValues[K]
  }
}
