/** The few epilogues that a layer runs with: usually one, for its input's and output's parameters. */
import type { Backend, BoundQuantized, QuantizedEpilogue } from '../../backend/contract'
import type { QDType8 } from '../../tensor/dtype'
import { PerBackend } from '../perBackend'

const capacity = 8

/** The parameters that an epilogue was computed from. */
export interface EpilogueKey {
  readonly xDType: QDType8
  readonly xScale: number
  readonly xZeroPoint: number
  readonly yDType: QDType8 | 'int32'
  /** Of the result's codes; 0 for accumulators. */
  readonly yScale: number
  readonly yZeroPoint: number
  readonly lo: number
  readonly hi: number
}

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
  return (
    a.xDType === b.xDType &&
    a.xScale === b.xScale &&
    a.xZeroPoint === b.xZeroPoint &&
    a.yDType === b.yDType &&
    a.yScale === b.yScale &&
    a.yZeroPoint === b.yZeroPoint &&
    a.lo === b.lo &&
    a.hi === b.hi
  )
}
