/** Values of a graph while it is planned or run. */
import { UnsupportedOperatorError } from '../errors'
import { allocateElements, type ElementArrays, type ElementType } from '../onnx/types'
import { sizeOf, type MemoryFormat, type Shape } from '../tensor/shape'

/** A value of one type. */
export interface TypedValue<T extends ElementType> {
  readonly type: T
  /** Logical sizes, whatever the format. */
  readonly dims: Shape
  /** How `data` lies in memory. */
  readonly format: MemoryFormat
  /**
   * The elements. While a plan is traced, the array of a value that is computed at run time stands for its place in
   * memory and holds nothing.
   */
  readonly data: ElementArrays[T]
  /** Whether `data` holds the elements now. */
  readonly known: boolean
}

/** A value of any type. */
export type Value = { readonly [T in ElementType]: TypedValue<T> }[ElementType]

/** A value of one of some types. */
export type ValueOf<T extends ElementType> = Extract<Value, { readonly type: T }>

/** A value that is computed by steps: the array that they write. */
export function computed<T extends ElementType>(
  type: T,
  dims: Shape,
  data: ElementArrays[T],
  format: MemoryFormat = 'contiguous',
): TypedValue<T> {
  return { type, dims, format, data, known: false }
}

/** A value whose elements are there. */
export function known<T extends ElementType>(
  type: T,
  dims: Shape,
  data: ElementArrays[T],
  format: MemoryFormat = 'contiguous',
): TypedValue<T> {
  return { type, dims, format, data, known: true }
}

/** A new array for a value of this type and these sizes, to be written by steps. */
export function allocateFor<T extends ElementType>(type: T, dims: Shape): ElementArrays[T] {
  return allocateElements(type, sizeOf(dims))
}

/** The value with elements of its own. */
export function copyOf(value: Value | undefined): Value | undefined {
  return value && ({ ...value, data: value.data.slice() } as Value)
}

/** The same elements under other sizes. Only for contiguous values. */
export function withDims<V extends Value>(value: V, dims: Shape): V {
  return { ...value, dims, format: 'contiguous' }
}

/** Narrows a value to one of some types, or refuses it: `node` does not take such a type. */
export function ofType<T extends ElementType>(
  node: { readonly op: string; readonly name: string },
  value: Value,
  what: string,
  ...types: readonly T[]
): ValueOf<T> {
  if ((types as readonly ElementType[]).includes(value.type)) return value as ValueOf<T>
  throw new UnsupportedOperatorError({
    op: node.op,
    argument: what,
    expected: types.join(' or '),
    received: value.type,
    ...(node.name !== '' && { hint: `Node "${node.name}".` }),
  })
}
