/** The few epilogues that a layer runs with: usually one, for its input's and output's parameters. */
import type { Backend, BoundQuantized, QuantizedEpilogue } from '../../backend/contract'
import { PerBackend } from '../perBackend'

const capacity = 8

/** The parameters that an epilogue was computed from. */
export type EpilogueKey = readonly (number | string)[]

interface Entry {
  readonly key: EpilogueKey
  readonly epilogue: QuantizedEpilogue
  readonly bound: PerBackend<BoundQuantized>
}

/** Epilogues by the parameters they were computed from; the least recently used one goes first. */
export class EpilogueCache {
  /** The most recently used one first. */
  private readonly entries: Entry[] = []

  /** The handle for this key, computing what is missing. */
  get(
    key: EpilogueKey,
    backend: Backend,
    compute: () => QuantizedEpilogue,
    bind: (epilogue: QuantizedEpilogue) => BoundQuantized,
  ): BoundQuantized {
    let entry = this.entries[0]
    if (entry === undefined || !sameKey(entry.key, key)) {
      const at = this.entries.findIndex((other) => sameKey(other.key, key))
      const [found] = at < 0 ? [] : this.entries.splice(at, 1)
      entry = found ?? { key, epilogue: compute(), bound: new PerBackend<BoundQuantized>() }
      this.entries.unshift(entry)
      if (this.entries.length > capacity) this.entries.pop()
    }
    const { epilogue } = entry
    return entry.bound.get(backend, () => bind(epilogue))
  }
}

function sameKey(a: EpilogueKey, b: EpilogueKey): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
