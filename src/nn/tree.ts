/** The module tree: who is a child, how paths resolve, how a tree is copied. */
import { ArgumentError, show } from '../errors'
import { isObserver, type Observer } from '../quantization/observers/observer'
import type { Layer } from './module'

/** Marks modules, of this or another copy of the library. */
export const brand: unique symbol = Symbol.for('int8.Module')

/** Whether a value is a {@link Module}, of this or another copy of the library. */
export function isModule(value: unknown): value is Layer {
  return typeof value === 'object' && value !== null && (value as { readonly [brand]?: unknown })[brand] === brand
}

/** Modules among an object's own fields, and in arrays among them. */
export function childrenOf(module: Layer): [string, Layer][] {
  const found: [string, Layer][] = []
  for (const [field, value] of Object.entries(module) as [string, unknown][]) {
    if (isModule(value)) found.push([field, value])
    else if (Array.isArray(value))
      value.forEach((item: unknown, index) => {
        if (isModule(item)) found.push([`${field}.${String(index)}`, item])
      })
  }
  return found
}

/** A module and all below it, depth first, each once, by its first path. */
export function modulesOf(root: Layer): [string, Layer][] {
  const seen = new Set<Layer>()
  return placesOf(root).filter(([, module]) => !seen.has(module) && seen.add(module))
}

/** A module and all below it, depth first, a shared one at each of its paths. */
export function placesOf(root: Layer): [string, Layer][] {
  const above = new Set<Layer>()
  const found: [string, Layer][] = []
  const visit = (path: string, module: Layer): void => {
    if (above.has(module))
      throw new ArgumentError({ op: root.typeName, message: `the module '${path}' lies within itself` })
    found.push([path, module])
    above.add(module)
    for (const [name, child] of module.namedChildren()) visit(path === '' ? name : `${path}.${name}`, child)
    above.delete(module)
  }
  visit('', root)
  return found
}

/** The parent of the module at a path, and its name there. */
export function resolveChild(root: Layer, path: string, op: string): { readonly parent: Layer; readonly name: string } {
  let parent = root
  let left = path
  if (typeof path !== 'string')
    throw new ArgumentError({ op, argument: 'path', expected: 'a string', received: show(path) })
  for (;;) {
    const children = parent.namedChildren()
    const step = children
      .filter(([name]) => left === name || left.startsWith(`${name}.`))
      .sort(([a], [b]) => b.length - a.length)[0]
    if (step === undefined) {
      const names = children.map(([name]) => name).join(', ')
      const at = path.slice(0, path.length - left.length).replace(/\.$/, '')
      throw new ArgumentError({
        op,
        argument: 'path',
        expected: 'the path of a module',
        received: show(path),
        hint: `${at === '' ? 'The model' : `'${at}'`} has ${names === '' ? 'no modules below it' : `the modules ${names}`}.`,
      })
    }
    const [name, child] = step
    if (name === left) return { parent, name }
    parent = child
    left = left.slice(name.length + 1)
  }
}

/** Sets the field, or the array element, that a child's name stands for. */
export function replaceChild(parent: Layer, name: string, module: Layer): void {
  if (Object.hasOwn(parent, name)) {
    Reflect.set(parent, name, module)
    return
  }
  const dot = name.lastIndexOf('.')
  const list: unknown = Reflect.get(parent, name.slice(0, dot))
  if (Array.isArray(list)) list[Number(name.slice(dot + 1))] = module
}

/** Copies a tree without running constructors; see `Module.clone`. */
export function cloneTree<M extends Layer>(root: M): M {
  const copies = new Map<object, object>()
  const copyModule = <T extends Layer>(module: T): T => {
    const known = copies.get(module)
    if (known !== undefined) return known as T
    const copy = Object.create(Object.getPrototypeOf(module) as object) as T
    copies.set(module, copy)
    for (const key of Reflect.ownKeys(module)) {
      const field = Object.getOwnPropertyDescriptor(module, key)
      if (field === undefined) continue
      if ('value' in field) field.value = copyField(field.value)
      Object.defineProperty(copy, key, field)
    }
    return copy
  }
  const copyObserver = (observer: Observer): object => {
    const copy = copies.get(observer) ?? copyShallow(observer)
    copies.set(observer, copy)
    return copy
  }
  const copyField = (value: unknown): unknown => {
    if (isModule(value)) return copyModule(value)
    if (isObserver(value)) return copyObserver(value)
    if (Array.isArray(value) && value.some(isModule)) return value.map(copyField)
    return value
  }
  const copy = copyModule(root)
  for (const [path, module] of copy.namedModules()) module.modulePath = path
  return copy
}

/** Observers replace what they have seen as they see more; they never write into it, so that a copy may share it. */
function copyShallow(object: object): object {
  return Object.create(Object.getPrototypeOf(object) as object, Object.getOwnPropertyDescriptors(object)) as object
}
