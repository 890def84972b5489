/** Replaces modules throughout a tree. */
import type { Layer } from '../nn/module'

/**
 * Calls `visit` on every module below (and not) the root, parents first; what it returns takes the module's place wherever
 * the tree refers to it, undefined lets it stay and goes on below it. A module used in several places is visited once.
 *
 * @param state - What the root hands down; `visit` answers with what its children get.
 */
export function replaceModules<S>(
  root: Layer,
  state: S,
  visit: (module: Layer, path: string, state: S) => { readonly replacement?: Layer; readonly state: S },
): void {
  const done = new Map<Layer, Layer>()
  const below = (parent: Layer, parentPath: string, inherited: S): void => {
    for (const [name, child] of parent.namedChildren()) {
      const path = parentPath === '' ? name : `${parentPath}.${name}`
      let result = done.get(child)
      if (result === undefined) {
        const answer = visit(child, path, inherited)
        result = answer.replacement ?? child
        done.set(child, result)
        if (answer.replacement === undefined) below(child, path, answer.state)
        else answer.replacement.modulePath = path
      }
      if (result !== child) parent.setChild(name, result)
    }
  }
  below(root, '', state)
}
