/** The few epilogues that a layer runs with: usually one, for its input's and output's parameters. */
import type { Backend, BoundQuantized, PackedQuantized, QuantizedEpilogue } from '../../backend/contract'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { PerBackend } from '../perBackend'
import type { Activation, Target } from './params'

const capacity = 8

/** The input that an epilogue is for: a tensor quantized per tensor, or its parameters. */
export type Input = Pick<QTensor<QDType8>, 'dtype' | 'scale' | 'zeroPoint'>

/** What a layer's accumulators go through for one pair of input and output. */
export class Epilogue {
  private readonly x: Input
  private readonly target: Target | null
  private readonly activation: Activation
  private readonly epilogue: QuantizedEpilogue
  private readonly bound = new PerBackend<BoundQuantized>()

  /** A target of null is that of accumulators as they are. */
  constructor(
    { dtype, scale, zeroPoint }: Input,
    target: Target | null,
    activation: Activation,
    epilogue: QuantizedEpilogue,
  ) {
    this.x = { dtype, scale, zeroPoint }
    this.target = target
    this.activation = activation
    this.epilogue = epilogue
  }

  /** Whether it is the epilogue for these parameters. */
  fits(x: Input, target: Target | null, activation: Activation): boolean {
    return (
      sameParams(this.x, x) &&
      (target === null || this.target === null ? target === this.target : sameParams(this.target, target)) &&
      sameActivation(this.activation, activation)
    )
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

  /** The epilogue for these parameters, if it is still here. */
  find(x: Input, target: Target | null, activation: Activation): Epilogue | undefined {
    const at = this.entries.findIndex((entry) => entry.fits(x, target, activation))
    const found = this.entries[at]
    if (found !== undefined && at > 0) {
      this.entries.splice(at, 1)
      this.entries.unshift(found)
    }
    return found
  }

  /** Keeps a new epilogue. */
  add(x: Input, target: Target | null, activation: Activation, epilogue: QuantizedEpilogue): Epilogue {
    const entry = new Epilogue(x, target, activation, epilogue)
    this.entries.unshift(entry)
    if (this.entries.length > capacity) this.entries.pop()
    return entry
  }
}

function sameParams(a: Input, b: Input): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.zeroPoint === b.zeroPoint
}

function sameActivation(a: Activation, b: Activation): boolean {
  if (a.kind !== 'clip' || b.kind !== 'clip') return a.kind === b.kind
  return a.min === b.min && a.max === b.max
}
