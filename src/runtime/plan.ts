/**
 * A plan: a traced graph with its intermediate values placed in one block of memory, compiled by the backend. Steps of
 * the backend run one after the other without coming back to JavaScript; host steps stand between such stretches, entry
 * steps before all.
 */
import type { Backend, Executable } from '../backend/contract'
import type { Step } from '../backend/steps'
import { BackendError } from '../errors'
import type { NumericArray } from '../onnx/types'
import { planArena } from './arena'
import { findEntries } from './entries'
import { usableMemory } from './memory'
import { finish, type Work } from './slices'
import { isHost, type HostStep } from './steps'
import { endsOf, type Trace } from './trace'
import { isArray, lifetimes } from './uses'
import { copyOf, type Value } from './value'

/** Steps that the backend runs in one go: indices into the program. */
interface Stretch {
  readonly kind: 'backend'
  readonly first: number
  readonly last: number
}

/** A host step with the places that it reads and writes. */
interface HostPart {
  readonly kind: 'host'
  readonly step: HostStep
  readonly reads: readonly Place[]
  readonly writes: readonly Place[]
}

/** An array's place in memory, or the array itself where it is a constant. */
type Place = { readonly offset: number; readonly like: NumericArray } | { readonly constant: NumericArray }

/** What feeding an input runs. The step's `x` is to be the caller's array. */
interface Entry {
  readonly step: Step
  /** Index in the trace. */
  readonly index: number
}

/** Where an input or output lies. */
interface Slot {
  readonly value: Value
  readonly offset: number
}

/** Steps placed between two pauses. */
const stepsAtOnce = 256

/** A graph planned for inputs of given sizes. Instances run it; each has memory of its own. */
export class Plan {
  readonly trace: Trace
  /** Bytes that an instance takes for intermediate values, inputs and outputs. */
  readonly arenaBytes: number
  private readonly offsets: ReadonlyMap<ArrayBufferLike, number>
  private readonly entries: ReadonlyMap<string, number>
  private readonly backend: Backend

  constructor(backend: Backend, trace: Trace) {
    this.backend = backend
    this.trace = trace
    this.entries = findEntries(trace)
    const lives = lifetimes(trace, this.entries)
    const buffers = [...lives.keys()]
    const arena = planArena([...lives.values()])
    this.offsets = new Map(buffers.map((buffer, i) => [buffer, arena.offsets[i] ?? 0]))
    this.arenaBytes = arena.bytes
    const most = usableMemory()
    if (arena.bytes > most)
      throw new BackendError({
        op: 'InferenceSession',
        message: `a run needs ${String(arena.bytes)} bytes for its values, and this process has ${String(most)}`,
        hint: 'Take smaller inputs or batches. If they are small, the model asks for more than it should.',
      })
  }

  /** Number of steps that JavaScript computes. */
  get hostSteps(): number {
    return this.trace.steps.filter(({ step }) => isHost(step)).length
  }

  /** Makes an instance: memory, and the steps compiled for it. */
  instantiate(): PlanInstance {
    return finish(this.instantiation())
  }

  /** {@link Plan.instantiate} with pauses. */
  *instantiation(): Work<PlanInstance> {
    const memory = new ArrayBuffer(this.arenaBytes)
    const steps: Step[] = []
    const parts: (Stretch | HostPart)[] = []
    const entries = new Map<string, Entry>()
    const inputOf = new Map([...this.entries].map(([name, index]) => [index, name]))
    for (const [index, { step }] of this.trace.steps.entries()) {
      if (index % stepsAtOnce === 0) yield
      if (isHost(step)) {
        parts.push({ kind: 'host', step, reads: step.reads.map(this.place), writes: step.writes.map(this.place) })
        continue
      }
      const relocated = this.relocate(step, memory)
      const input = inputOf.get(index)
      if (input !== undefined) {
        entries.set(input, { step: relocated, index })
        continue
      }
      const first = steps.push(relocated) - 1
      const last = parts.at(-1)
      if (last?.kind === 'backend') parts.splice(-1, 1, { ...last, last: first + 1 })
      else parts.push({ kind: 'backend', first, last: first + 1 })
    }
    const slots = (values: ReadonlyMap<string, Value>): Map<string, Slot> =>
      new Map(
        [...values].flatMap(([name, value]) => {
          if (value.type === 'string' || value.known) return []
          return [[name, { value, offset: this.offsetOf(value.data) ?? 0 }] as const]
        }),
      )
    return new PlanInstance(
      this.backend.compile({ memory, steps }),
      steps.length,
      parts,
      entries,
      slots(this.trace.inputs),
      slots(endsOf(this.trace)),
      endsOf(this.trace),
    )
  }

  private readonly place = (array: NumericArray): Place => {
    const offset = this.offsetOf(array)
    return offset === undefined ? { constant: array } : { offset, like: array }
  }

  private offsetOf(array: NumericArray): number | undefined {
    const base = this.offsets.get(array.buffer)
    return base === undefined ? undefined : base + array.byteOffset
  }

  /** The step with its arrays in this memory. */
  private relocate(step: Step, memory: ArrayBuffer): Step {
    const operands = Object.entries(step.operands).map(([name, operand]: [string, unknown]) => {
      if (!isArray(operand)) return [name, operand]
      const offset = this.offsetOf(operand)
      if (offset === undefined) return [name, operand]
      const ArrayClass = operand.constructor as new (
        buffer: ArrayBuffer,
        offset: number,
        length: number,
      ) => NumericArray
      return [name, new ArrayClass(memory, offset, operand.length)]
    })
    return { kernel: step.kernel, operands: Object.fromEntries(operands) as object } as Step
  }
}

/** A plan's memory and compiled steps. One run at a time. */
export class PlanInstance {
  private readonly executable: Executable
  private readonly stepCount: number
  private readonly parts: readonly (Stretch | HostPart)[]
  private readonly entries: ReadonlyMap<string, Entry>
  /** Nanoseconds that entry steps took last, by index in the trace. */
  private readonly entryTimes = new Map<number, number>()
  private readonly inputs: ReadonlyMap<string, Slot>
  private readonly outputs: ReadonlyMap<string, Slot>
  private readonly results: ReadonlyMap<string, Value>
  private readonly staging: ReadonlyMap<Place, NumericArray>

  constructor(
    executable: Executable,
    stepCount: number,
    parts: readonly (Stretch | HostPart)[],
    entries: ReadonlyMap<string, Entry>,
    inputs: ReadonlyMap<string, Slot>,
    outputs: ReadonlyMap<string, Slot>,
    results: ReadonlyMap<string, Value>,
  ) {
    this.executable = executable
    this.stepCount = stepCount
    this.parts = parts
    this.entries = entries
    this.inputs = inputs
    this.outputs = outputs
    this.results = results
    const places = parts.flatMap((part) => (part.kind === 'host' ? [...part.reads, ...part.writes] : []))
    this.staging = new Map(places.map((place) => [place, stage(place)]))
  }

  /** Runs an input's entry step, or copies it in. `data` is not read after this returns. */
  feed(name: string, data: NumericArray): void {
    const entry = this.entries.get(name)
    const slot = this.inputs.get(name)
    if (data.length === 0) return
    if (entry !== undefined) {
      const begin = performance.now()
      this.executable.apply({ ...entry.step, operands: { ...entry.step.operands, x: data } } as Step)
      this.entryTimes.set(entry.index, (performance.now() - begin) * 1e6)
    } else if (slot !== undefined) this.executable.write(slot.offset, data)
  }

  /** A copy of an output or of what the rest reads, or of the constant that it is. */
  fetch(name: string): Value | undefined {
    const slot = this.outputs.get(name)
    if (slot === undefined) return copyOf(this.results.get(name))
    const { value, offset } = slot
    const data = emptyLike(value.data as NumericArray)
    if (data.length > 0) this.executable.read(offset, data)
    return { ...value, data, known: true } as Value
  }

  /** Runs everything now. `times`: see {@link PlanInstance.times}. */
  run(times?: StepTimes): void {
    this.parts.forEach((part, index) => {
      if (part.kind === 'backend') this.executable.run(part.first, part.last, times?.backend)
      else this.runHost(part, index, times)
    })
  }

  /** Runs everything; the backend's steps off the event loop. */
  async runAsync(): Promise<void> {
    for (const [index, part] of this.parts.entries()) {
      if (part.kind === 'backend') await this.executable.runAsync(part.first, part.last)
      else this.runHost(part, index)
    }
  }

  /** Room for the time of each step, in nanoseconds. */
  times(): StepTimes {
    return { backend: new Float64Array(this.stepCount), host: new Float64Array(this.parts.length) }
  }

  /** Nanoseconds by step of the trace. */
  timesByStep(times: StepTimes): readonly number[] {
    const rest = this.parts.flatMap((part, index) =>
      part.kind === 'host' ? [times.host[index] ?? 0] : [...times.backend.subarray(part.first, part.last)],
    )
    const entries = new Set([...this.entries.values()].map(({ index }) => index))
    return Array.from({ length: rest.length + entries.size }, (_, i) =>
      entries.has(i) ? (this.entryTimes.get(i) ?? 0) : (rest.shift() ?? 0),
    )
  }

  dispose(): void {
    this.executable.dispose()
  }

  private runHost({ step, reads, writes }: HostPart, index: number, times?: StepTimes): void {
    const begin = times === undefined ? 0n : process.hrtime.bigint()
    const arrays = (places: readonly Place[]): NumericArray[] =>
      places.map((place) => this.staging.get(place) ?? stage(place))
    const inputs = arrays(reads)
    const outputs = arrays(writes)
    reads.forEach((place, i) => {
      const array = inputs[i]
      if ('offset' in place && array !== undefined && array.length > 0) this.executable.read(place.offset, array)
    })
    step.run(inputs, outputs)
    writes.forEach((place, i) => {
      const array = outputs[i]
      if ('offset' in place && array !== undefined && array.length > 0) this.executable.write(place.offset, array)
    })
    if (times !== undefined) times.host[index] = Number(process.hrtime.bigint() - begin)
  }
}

/** Nanoseconds of the backend's steps, and of host steps by part. */
export interface StepTimes {
  readonly backend: Float64Array
  readonly host: Float64Array
}

/** The array that a host step is handed for a place. */
function stage(place: Place): NumericArray {
  return 'constant' in place ? place.constant : emptyLike(place.like)
}

function emptyLike(array: NumericArray): NumericArray {
  return new (array.constructor as new (length: number) => NumericArray)(array.length)
}
