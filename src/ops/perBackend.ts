/** Values that belong to one backend with one instruction set: packed weights, bound ops. */
import type { Backend } from '../backend/contract'

/** One value per backend and instruction set, made when first asked for; forgotten with the backend. */
export class PerBackend<T> {
  private readonly byBackend = new WeakMap<Backend, Map<string, T>>()

  /** The value for this backend as it is now. */
  get(backend: Backend, make: (backend: Backend) => T): T {
    let byIsa = this.byBackend.get(backend)
    if (byIsa === undefined) this.byBackend.set(backend, (byIsa = new Map<string, T>()))
    const found = byIsa.get(backend.isa)
    if (found !== undefined) return found
    const value = make(backend)
    byIsa.set(backend.isa, value)
    return value
  }
}
