/** State dicts: collecting a tree's tensors by name, and loading them back whole or not at all. */
import { ArgumentError, FormatError, show, type Int8Error } from '../errors'
import type { DType } from '../tensor/dtype'
import { isQTensor, type QTensor } from '../tensor/qtensor'
import { sameShape, shapeText, type Shape } from '../tensor/shape'
import { isTensor, type Tensor } from '../tensor/tensor'
import type { Layer } from './module'
import { placesOf } from './tree'

/** A tensor in a state dict. */
export type StateValue = Tensor<DType> | QTensor

/** Tensors by full name: `features.0.weight`. PyTorch: `state_dict()`. */
export type StateDict = Map<string, StateValue>

/** What a load left over; both empty unless `strict` is false. */
export interface LoadResult {
  /** Names that the model has and the dict lacks. */
  readonly missing: readonly string[]
  /** Names that the dict has and the model lacks. */
  readonly unexpected: readonly string[]
}

/** One tensor of a module. */
export interface StateSlot {
  readonly kind: 'parameter' | 'buffer'
  /** What it holds; absent until set. */
  readonly value: StateValue | undefined
  /** A dict may lack it. */
  readonly optional?: boolean
  /** What a tensor has to be and is not, as "must be …, but got …"; nothing where it fits. */
  check(value: StateValue): string | undefined
}

/** Every tensor below a module, or those of one kind, by full name. */
export function collectState(root: Layer, kind?: StateSlot['kind']): [string, StateValue][] {
  const found: [string, StateValue][] = []
  for (const [path, module] of root.namedModules())
    for (const [key, slot] of Object.entries(module.state()))
      if (slot.value !== undefined && (kind === undefined || slot.kind === kind))
        found.push([join(path, key), slot.value])
  return found
}

/**
 * Loads a dict into a tree: collects every fault first, sets only where there is none. A shared module's tensors are read
 * under its first path; PyTorch's dicts repeat them under the others.
 */
export function loadState(
  root: Layer,
  dict: ReadonlyMap<string, StateValue>,
  { strict = true }: { readonly strict?: boolean },
): LoadResult {
  const op = `${root.typeName}.loadStateDict`
  if (typeof strict !== 'boolean')
    throw new ArgumentError({ op, argument: 'options.strict', expected: 'a boolean', received: show(strict) })
  if (Object.prototype.toString.call(dict) !== '[object Map]')
    throw new ArgumentError({ op, argument: 'dict', expected: 'a Map of tensors by name', received: show(dict) })
  const missing: string[] = []
  const misfits: string[] = []
  const unexpected = new Set(dict.keys())
  const chosen: (readonly [Layer, Map<string, StateValue>])[] = []
  for (const [path, module] of root.namedModules()) {
    module.modulePath = path
    const values = new Map<string, StateValue>()
    for (const [key, slot] of Object.entries(module.state())) {
      const name = join(path, key)
      const value = dict.get(name)
      unexpected.delete(name)
      if (value === undefined) {
        if (slot.optional !== true) missing.push(name)
        continue
      }
      const fault = isTensor(value) || isQTensor(value) ? slot.check(value) : `must be a tensor, but got ${show(value)}`
      if (fault === undefined) values.set(key, value)
      else misfits.push(`${name} ${fault}`)
    }
    if (values.size > 0) chosen.push([module, values])
  }
  for (const [path, module] of placesOf(root))
    for (const key of Object.keys(module.state())) unexpected.delete(join(path, key))
  const result: LoadResult = { missing, unexpected: [...unexpected] }
  const faults = [
    ...(strict ? [named('missing', missing), named('unexpected', result.unexpected)] : []),
    ...misfits,
  ].filter((fault) => fault !== '')
  if (faults.length > 0) throw refusal(op, faults, strict)
  const commits = chosen.map(([module, values]) => module.prepareLoad(values))
  for (const commit of commits) commit()
  return result
}

function refusal(op: string, faults: readonly string[], strict: boolean): Int8Error {
  return new FormatError({
    op,
    message: `the state dict does not fit this model: ${faults.join('; ')}`,
    ...(strict && { hint: 'Nothing was loaded. Pass { strict: false } to load what fits by name.' }),
  })
}

function named(what: string, names: readonly string[]): string {
  return names.length === 0 ? '' : `${what}: ${names.join(', ')}`
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

/** The check of a slot for a plain tensor of one shape. */
export function plainSlotCheck(value: StateValue, dtype: DType, shape: Shape): string | undefined {
  const wanted = `a Tensor of ${dtype} of shape ${shapeText(shape)}`
  if (!isTensor(value) || value.dtype !== dtype || !sameShape(value.shape, shape))
    return `must be ${wanted}, but got ${describe(value)}`
  return undefined
}

/** A tensor in a few words, for errors. */
export function describe(value: unknown): string {
  if (isTensor(value)) return `a Tensor of ${value.dtype} of shape ${shapeText(value.shape)}`
  if (isQTensor(value)) return `a QTensor of ${value.dtype} of shape ${shapeText(value.shape)}`
  return show(value)
}
