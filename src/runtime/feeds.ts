/** What a run is given: checked against what the model says of its inputs. */
import { ArgumentError, DTypeError, ShapeError, show } from '../errors'
import type { Dim } from '../graph/graph'
import { allocateElements, type ElementType } from '../onnx/types'
import { shapeText, type Shape } from '../tensor/shape'
import { readTensor, type Checked, type TensorLike } from './tensor'
import { known, type Value } from './value'

/** Tensors by name. */
export type Feeds = Readonly<Record<string, TensorLike>>

/** What a model says of an input or output. */
export interface ValueMetadata {
  readonly name: string
  readonly type: ElementType
  /** Sizes: numbers, names of symbols, or null where the model does not say. Undefined: nor how many axes. */
  readonly shape: readonly Dim[] | undefined
}

/** Inputs of a run, by name, in the model's order. */
export type Inputs = ReadonlyMap<string, Checked>

/** Checks what a run was given against what the model says of its inputs. */
export function readFeeds(op: string, metadata: readonly ValueMetadata[], feeds: unknown): Inputs {
  if (typeof feeds !== 'object' || feeds === null)
    throw new ArgumentError({
      op,
      argument: 'feeds',
      expected: 'an object of tensors by input name',
      received: show(feeds),
    })
  const names = metadata.map(({ name }) => name)
  for (const name of Object.keys(feeds))
    if (!names.includes(name))
      throw new ArgumentError({
        op,
        argument: `feeds.${name}`,
        expected: `one of the inputs ${show(names)}`,
        received: 'another name',
      })
  const symbols = new Map<string, number>()
  return new Map(
    metadata.map((input) => {
      const value = readTensor(op, `feeds.${input.name}`, (feeds as Record<string, unknown>)[input.name])
      checkFeed(op, input, value, symbols)
      return [input.name, value]
    }),
  )
}

/** Inputs of given sizes, without elements; sizes that are not given are the model's own, with 1 for every symbol. */
export function standIns(
  op: string,
  metadata: readonly ValueMetadata[],
  shapes: Readonly<Record<string, Shape>>,
): Inputs {
  const symbols = new Map<string, number>()
  return new Map(
    metadata.map((input) => {
      const { name, type, shape } = input
      const dims = shapes[name] ?? shape?.map((dim) => (typeof dim === 'number' ? dim : 1))
      if (dims === undefined)
        throw new ArgumentError({
          op,
          argument: `shapes.${name}`,
          expected: 'the sizes of this input, which the model does not give',
          received: 'nothing',
        })
      const checked: Checked = { type, dims, data: allocateElements(type, 0) }
      checkFeed(op, input, checked, symbols)
      return [name, checked]
    }),
  )
}

/** Inputs that the caller cannot change any more. */
export function copiesOf(inputs: Inputs): Inputs {
  return new Map([...inputs].map(([name, checked]) => [name, { ...checked, data: checked.data.slice() }]))
}

/** Copies of inputs as values of a graph. */
export function valuesOf(inputs: Inputs): Map<string, Value> {
  return new Map([...inputs].map(([name, { type, dims, data }]) => [name, known(type, dims, data.slice()) as Value]))
}

/** Compares a feed with what the model says of it. Symbols must stand for one size throughout. */
function checkFeed(
  op: string,
  { name, type, shape }: ValueMetadata,
  value: Checked,
  symbols: Map<string, number>,
): void {
  const argument = `feeds.${name}`
  if (value.type !== type) throw new DTypeError({ op, argument, expected: `of type ${type}`, received: value.type })
  if (shape === undefined) return
  const fits =
    shape.length === value.dims.length &&
    shape.every((dim, axis) => {
      const size = value.dims[axis] ?? 0
      if (typeof dim === 'number') return dim === size
      if (dim === null) return true
      const seen = symbols.get(dim)
      if (seen === undefined) symbols.set(dim, size)
      return seen === undefined || seen === size
    })
  if (fits) return
  const text = `[${shape.map((dim) => dim ?? '?').join(', ')}]`
  const bound = shape.filter((dim) => typeof dim === 'string' && symbols.has(dim))
  throw new ShapeError({
    op,
    argument,
    expected: `of shape ${text}`,
    received: shapeText(value.dims),
    ...(bound.length > 0 && {
      hint: `Here ${bound.map((dim) => `${String(dim)} = ${String(symbols.get(String(dim)))}`).join(', ')}.`,
    }),
  })
}
