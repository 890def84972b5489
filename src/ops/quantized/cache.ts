/** The few epilogues that a layer runs with: usually one, for its input's and output's parameters. */
import type { Backend, BoundQuantized, PackedQuantized, QuantizedEpilogue } from '../../backend/contract'
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

/** What a layer's accumulators go through for one pair of input and output. */
export class Epilogue {
  readonly key: EpilogueKey
  private readonly epilogue: QuantizedEpilogue
  private readonly bound = new PerBackend<BoundQuantized>()

  constructor(key: EpilogueKey, epilogue: QuantizedEpilogue) {
    this.key = key
    this.epilogue = epilogue
  }

  /** The epilogue bound to its layer's weights, as this backend runs them. */
  handle(packed: Packed, backend: Backend): BoundQuantized {
    return this.bound.get(backend, (owner) => owner.bindQuantized(packed.handle(owner), this.epilogue))
  }
}

/** The weights that an epilogue belongs to. */
interface Packed {
  handle(backend: Backend): PackedQuantized
}

/** Epilogues by the parameters they were computed from; the least recently used one goes first. */
export class EpilogueCache {
  /** The most recently used one first. */
  private readonly entries: Epilogue[] = []

  /** The epilogue for this key, if it is still here. */
  find(key: EpilogueKey): Epilogue | undefined {
    const at = this.entries.findIndex((entry) => sameKey(entry.key, key))
    const found = this.entries[at]
    if (found !== undefined && at > 0) {
      this.entries.splice(at, 1)
      this.entries.unshift(found)
    }
    return found
  }

  /** Keeps a new epilogue. */
  add(key: EpilogueKey, epilogue: QuantizedEpilogue): Epilogue {
    const entry = new Epilogue(key, epilogue)
    this.entries.unshift(entry)
    if (this.entries.length > capacity) this.entries.pop()
    return entry
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
