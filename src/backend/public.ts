/** The public `backend` object: what runs the ops here, and its settings. */
import { currentBackend, currentStatus, isNative, setNumThreads, type BackendStatus } from './current'

export type { BackendStatus } from './current'
export type { LoadFailure } from './native'

/** What runs the ops. Reading it chooses the backend, if nothing has run yet. */
export interface BackendInfo {
  /** `native`: C++ kernels; `js`: the JavaScript backend, with the same results to the byte, much slower. */
  readonly name: 'native' | 'js'
  /** Instruction set that the kernels use: `avx512vnni`, …, `portable`; `js` on the JavaScript backend. */
  readonly isa: string
  /** Instruction sets that can run here, best first. `INT8_ISA` forces one. */
  readonly supportedIsas: readonly string[]
  /** Threads that one kernel may use, the calling one included. */
  readonly numThreads: number
  /**
   * Sets the threads that one kernel may use, for the whole process: 1 to 256. Results do not depend on it. Throws a
   * `BackendError` for anything else. The JavaScript backend computes on one thread, whatever the bound.
   */
  setNumThreads(n: number): void
  /** How the backend was chosen: where the native binary was looked for, and what was wrong there. */
  readonly status: BackendStatus
}

/**
 * What runs the ops here.
 *
 * @example
 * ```ts
 * backend.name // 'native' or 'js'
 * backend.isa // 'avx512vnni', 'portable', … or 'js'
 * backend.setNumThreads(1)
 * ```
 */
export const backend: BackendInfo = {
  get name() {
    return currentBackend().name
  },
  get isa() {
    return currentBackend().isa
  },
  get supportedIsas() {
    const current = currentBackend()
    return isNative(current) ? current.supportedIsas : ['js']
  },
  get numThreads() {
    const current = currentBackend()
    return isNative(current) ? current.numThreads : 1
  },
  setNumThreads,
  get status() {
    return currentStatus()
  },
}
