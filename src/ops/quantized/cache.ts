/** The few epilogues that a layer runs with: usually one, for its input's and output's parameters. */
import type { Backend, BoundQuantized, QuantizedEpilogue } from '../../backend/contract'
import { PerBackend } from '../perBackend'

const capacity = 8

/** An epilogue with the handle of each backend that has run it. */
export interface CachedEpilogue {
  readonly epilogue: QuantizedEpilogue
  readonly bound: PerBackend<BoundQuantized>
}

/** Epilogues by the parameters they were computed from; the least recently used one goes first. */
export class EpilogueCache {
  private readonly entries = new Map<string, CachedEpilogue>()

  /** The handle for this key, computing what is missing. */
  get(
    key: string,
    backend: Backend,
    compute: () => QuantizedEpilogue,
    bind: (epilogue: QuantizedEpilogue) => BoundQuantized,
  ): BoundQuantized {
    const entry = this.entries.get(key) ?? { epilogue: compute(), bound: new PerBackend<BoundQuantized>() }
    this.entries.delete(key)
    this.entries.set(key, entry)
    const [oldest] = this.entries.keys()
    if (this.entries.size > capacity && oldest !== undefined) this.entries.delete(oldest)
    return entry.bound.get(backend, () => bind(entry.epilogue))
  }
}
