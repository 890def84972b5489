/** Runs ONNX models. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { currentBackend } from '../backend/current'
import { ArgumentError, DTypeError, FormatError, Int8Error, ShapeError, show } from '../errors'
import type { Dim, Graph, ValueInfo } from '../graph/graph'
import { checkOperators } from '../onnx/ops'
import { NotKnownYet } from '../onnx/ops/operator'
import { parseModel, type Model } from '../onnx/read'
import { allocateElements, type ElementType, type NumericArray } from '../onnx/types'
import { checkOptions } from '../ops/options'
import { prepareGraph, readPasses, type OptimizeOptions } from '../graph/passes'
import { shapeText, sizeOf, type Shape } from '../tensor/shape'
import { explain } from './explain'
import { reporting, reportingAsync } from './faults'
import { packedImages } from './saved/images'
import { isSaved, openSaved, parseSaved } from './saved/read'
import { writeSaved } from './saved/write'
import { Plan, type PlanInstance } from './plan'
import { readTensor, Tensor, type Checked, type TensorLike } from './tensor'
import { runGraph, runGraphAsync, traceGraph } from './trace'
import { computed, copyOf, known, type Value } from './value'

/** Options of {@link InferenceSession.create}. */
export interface SessionOptions extends OptimizeOptions {
  /** Plans that are kept, one for each combination of input sizes seen lately. @defaultValue 8 */
  readonly maxPlans?: number
}

/** Tensors by name. */
export type Feeds = Readonly<Record<string, TensorLike>>
/** Results by name. */
export type Results = Record<string, Tensor>

/** What a model says of an input or output. */
export interface ValueMetadata {
  readonly name: string
  readonly type: ElementType
  /** Sizes: numbers, names of symbols, or null where the model does not say. Undefined: nor how many axes. */
  readonly shape: readonly Dim[] | undefined
}

/** Time of one step of a run. */
export interface StepProfile {
  readonly node: string
  readonly op: string
  readonly kernel: string
  readonly nanoseconds: number
}

/** A plan, or that the graph has to be run node by node. */
type Planned = { readonly plan: Plan; readonly idle: PlanInstance[] } | { readonly reason: string }

/**
 * A model, ready to run. onnxruntime: `InferenceSession`.
 *
 * The first run with inputs of new sizes makes a plan for them; later ones only compute. Several runs may be under way
 * at once.
 */
export class InferenceSession {
  /** Names of the inputs, in the model's order. */
  readonly inputNames: readonly string[]
  /** Names of the outputs, in the model's order. */
  readonly outputNames: readonly string[]
  readonly inputMetadata: readonly ValueMetadata[]
  readonly outputMetadata: readonly ValueMetadata[]
  private readonly graph: Graph
  private readonly maxPlans: number
  private readonly plans = new Map<string, Planned>()
  private disposed = false

  private constructor(graph: Graph, options: SessionOptions, isPrepared = false) {
    const op = 'InferenceSession.create'
    checkOptions(op, options, ['optimize', 'passes', 'maxPlans'])
    const { maxPlans = 8 } = options
    if (!Number.isInteger(maxPlans) || maxPlans < 1)
      throw new ArgumentError({
        op,
        argument: 'options.maxPlans',
        expected: 'a whole number of at least 1',
        received: show(maxPlans),
      })
    this.maxPlans = maxPlans
    checkOperators(graph)
    const passes = readPasses(op, options)
    if (!isPrepared) {
      reporting(op, () => {
        prepareGraph(currentBackend(), graph, passes)
      })
    } else if (options.optimize !== undefined || options.passes !== undefined)
      throw new ArgumentError({
        op,
        argument: 'options.optimize and options.passes',
        expected: 'absent for a saved session, whose graph has been through the passes',
        received: show(options.optimize ?? options.passes),
      })
    this.graph = graph
    this.inputMetadata = graph.inputs.map(metadataOf)
    this.outputMetadata = graph.outputs.map(metadataOf)
    this.inputNames = graph.inputs.map(({ name }) => name)
    this.outputNames = graph.outputs.map(({ name }) => name)
  }

  /**
   * Loads a model from a path or from bytes: an ONNX file, or one that {@link InferenceSession.save} wrote. The weights of
   * a saved session are mapped into memory where it is loaded from a path.
   *
   * @throws FormatError, ModelError for what is no valid model; UnsupportedOperatorError naming every operator that is
   * missing.
   */
  static async create(
    model: string | Uint8Array | ArrayBuffer,
    options: SessionOptions = {},
  ): Promise<InferenceSession> {
    if (typeof model !== 'string') return InferenceSession.createSync(model, options)
    const saved = openSaved(model)
    if (saved !== undefined) return new InferenceSession(saved, options, true)
    return InferenceSession.fromModel(parseModel(await readFile(model), dirname(model)), options)
  }

  /** {@link InferenceSession.create}, at once. */
  static createSync(model: string | Uint8Array | ArrayBuffer, options: SessionOptions = {}): InferenceSession {
    if (typeof model === 'string') {
      const saved = openSaved(model)
      if (saved !== undefined) return new InferenceSession(saved, options, true)
      return InferenceSession.fromModel(parseModel(readFileSync(model), dirname(model)), options)
    }
    // A copy: weights may lie in it. (Not by slice, which is a view where the bytes are a Buffer.)
    const bytes = new Uint8Array(bytesOf(model))
    if (isSaved(bytes)) return new InferenceSession(parseSaved(bytes), options, true)
    return InferenceSession.fromModel(parseModel(bytes), options)
  }

  /**
   * A session of a model that has been read already. The model is the session's from then on.
   * @internal
   */
  static fromModel({ graph }: Model, options: SessionOptions = {}): InferenceSession {
    return new InferenceSession(graph, options)
  }

  /**
   * Writes the session as one file that loads in little time: its graph after all passes, its weights, and those of int8
   * layers once more as the kernels of this CPU's instruction set read them. {@link InferenceSession.create} maps the file
   * into memory. It works on any machine, and gives the same bytes; where the instruction set is another one, weights are
   * packed again. It belongs to this version of the library: keep the ONNX model. A model that takes no inputs of size 1
   * along its free axes is to be run once before, so that its weights have been packed.
   *
   * The file must not be written to while a session uses it; saving to the same path again is safe, because that puts a
   * new file in its place.
   */
  async save(path: string): Promise<void> {
    this.checkLive('InferenceSession.save')
    this.pack()
    await writeSaved(path, this.graph, packedImages(currentBackend(), this.graph))
  }

  /**
   * Runs the model off the event loop. The feeds are copied before this returns.
   *
   * @param feeds - A tensor for each input.
   * @param fetches - Names of the outputs wanted. @defaultValue all
   */
  async run(feeds: Feeds, fetches: readonly string[] = this.outputNames): Promise<Results> {
    const op = 'InferenceSession.run'
    const inputs = this.read(op, feeds, fetches)
    return reportingAsync(op, () => this.runInputsAsync(inputs, fetches))
  }

  private async runInputsAsync(inputs: ReadonlyMap<string, Checked>, fetches: readonly string[]): Promise<Results> {
    const planned = this.planFor(inputs)
    if ('reason' in planned) {
      const values = await runGraphAsync(currentBackend(), this.graph, knownValues(inputs))
      return pick(fetches, (name) => copyOf(values.get(name)))
    }
    const instance = this.acquire(planned, inputs)
    try {
      await instance.runAsync()
      return pick(fetches, (name) => instance.fetch(name))
    } finally {
      this.giveBack(planned, instance)
    }
  }

  /** {@link InferenceSession.run} on the calling thread and the pool. */
  runSync(feeds: Feeds, fetches: readonly string[] = this.outputNames): Results {
    const op = 'InferenceSession.runSync'
    const inputs = this.read(op, feeds, fetches)
    return reporting(op, () => this.runInputs(inputs, fetches))
  }

  private runInputs(inputs: ReadonlyMap<string, Checked>, fetches: readonly string[]): Results {
    const planned = this.planFor(inputs)
    if ('reason' in planned) {
      const values = runGraph(currentBackend(), this.graph, knownValues(inputs))
      return pick(fetches, (name) => copyOf(values.get(name)))
    }
    const instance = this.acquire(planned, inputs)
    try {
      instance.run()
      return pick(fetches, (name) => instance.fetch(name))
    } finally {
      this.giveBack(planned, instance)
    }
  }

  /**
   * What a run does with inputs of these sizes, in words: each step with its node, type and sizes, and why a step is not
   * computed in int8.
   *
   * @param shapes - Sizes by input. @defaultValue those of the model, with 1 for every symbol
   */
  explainPlan(shapes: Readonly<Record<string, Shape>> = {}): string {
    const planned = reporting('InferenceSession.explainPlan', () => this.planFor(this.stand(shapes)))
    return explain(this.graph, 'reason' in planned ? planned.reason : planned.plan)
  }

  /** Runs the model once and tells the time of each step. */
  profile(feeds: Feeds): readonly StepProfile[] {
    const op = 'InferenceSession.profile'
    const inputs = this.read(op, feeds, this.outputNames)
    const planned = this.planFor(inputs)
    if ('reason' in planned) throw new ArgumentError({ op, message: `this model has no plan: ${planned.reason}` })
    const instance = this.acquire(planned, inputs)
    try {
      const times = instance.times()
      reporting(op, () => {
        instance.run(times)
      })
      const nanoseconds = instance.timesByStep(times)
      return planned.plan.trace.steps.map(({ node, step }, i) => ({
        node: node?.name ?? '',
        op: node?.title ?? '',
        kernel: step.kernel === 'host' ? `host: ${step.label}` : step.kernel,
        nanoseconds: nanoseconds[i] ?? 0,
      }))
    } finally {
      this.giveBack(planned, instance)
    }
  }

  /** Gives the memory of all plans back; later runs are errors. Runs under way end first. */
  dispose(): void {
    this.disposed = true
    for (const planned of this.plans.values()) if ('plan' in planned) disposeAll(planned.idle)
    this.plans.clear()
  }

  /** onnxruntime's name of {@link InferenceSession.dispose}. */
  release(): void {
    this.dispose()
  }

  /** Packs the weights, if no run has yet: by a plan for the model's own sizes, with 1 for every symbol. */
  private pack(): void {
    if (this.plans.size > 0 || this.inputMetadata.some(({ shape }) => shape === undefined)) return
    try {
      this.planFor(this.stand({}))
    } catch (error) {
      // Such sizes may mean nothing to the model.
      if (!(error instanceof Int8Error)) throw error
    }
  }

  private giveBack(planned: Planned, instance: PlanInstance): void {
    const current = !this.disposed && [...this.plans.values()].includes(planned)
    if (current && 'plan' in planned) planned.idle.push(instance)
    else instance.dispose()
  }

  private acquire(planned: Extract<Planned, { plan: Plan }>, inputs: ReadonlyMap<string, Checked>): PlanInstance {
    const instance = planned.idle.pop() ?? planned.plan.instantiate()
    for (const [name, { type, data }] of inputs) if (type !== 'string') instance.feed(name, data as NumericArray)
    return instance
  }

  /** The plan for inputs of these sizes. */
  private planFor(inputs: ReadonlyMap<string, Checked>): Planned {
    const key = [...inputs.values()].map(({ dims }) => dims.join('x')).join(' ')
    const found = this.plans.get(key)
    if (found !== undefined) {
      // The most recently used one last.
      this.plans.delete(key)
      this.plans.set(key, found)
      return found
    }
    const planned = this.makePlan(inputs)
    this.plans.set(key, planned)
    if (this.plans.size > this.maxPlans) {
      const [[oldest, old] = ['', undefined]] = this.plans
      this.plans.delete(oldest)
      if (old !== undefined && 'plan' in old) disposeAll(old.idle)
    }
    return planned
  }

  private makePlan(inputs: ReadonlyMap<string, Checked>): Planned {
    const backend = currentBackend()
    const values = new Map(
      [...inputs].map(([name, { type, dims }]) => [
        name,
        computed(type, dims, allocateElements(type, sizeOf(dims))) as Value,
      ]),
    )
    if ([...values.values()].some(({ type }) => type === 'string')) return { reason: 'it has an input of strings' }
    try {
      return { plan: new Plan(backend, traceGraph(backend, this.graph, values)), idle: [] }
    } catch (error) {
      if (error instanceof NotKnownYet) return { reason: error.message }
      throw error
    }
  }

  /** Checks feeds and fetches. */
  private read(op: string, feeds: unknown, fetches: unknown): Map<string, Checked> {
    this.checkLive(op)
    if (typeof feeds !== 'object' || feeds === null)
      throw new ArgumentError({
        op,
        argument: 'feeds',
        expected: 'an object of tensors by input name',
        received: show(feeds),
      })
    if (!Array.isArray(fetches) || !fetches.every((name: unknown) => this.outputNames.includes(name as string)))
      throw new ArgumentError({
        op,
        argument: 'fetches',
        expected: `names among ${show([...this.outputNames])}`,
        received: show(fetches),
      })
    for (const name of Object.keys(feeds))
      if (!this.inputNames.includes(name))
        throw new ArgumentError({
          op,
          argument: `feeds.${name}`,
          expected: `one of the inputs ${show([...this.inputNames])}`,
          received: 'another name',
        })
    const symbols = new Map<string, number>()
    return new Map(
      this.inputMetadata.map((metadata) => {
        const value = readTensor(op, `feeds.${metadata.name}`, (feeds as Record<string, unknown>)[metadata.name])
        checkFeed(op, metadata, value, symbols)
        return [metadata.name, value]
      }),
    )
  }

  /** Inputs of given sizes, without elements. */
  private stand(shapes: Readonly<Record<string, Shape>>): Map<string, Checked> {
    const op = 'InferenceSession.explainPlan'
    this.checkLive(op)
    const symbols = new Map<string, number>()
    return new Map(
      this.inputMetadata.map((metadata) => {
        const { name, type, shape } = metadata
        const dims = shapes[name] ?? shape?.map((dim) => (typeof dim === 'number' ? dim : 1))
        if (dims === undefined)
          throw new ArgumentError({
            op,
            argument: `shapes.${name}`,
            expected: 'the sizes of this input, which the model does not give',
            received: 'nothing',
          })
        const checked: Checked = { type, dims, data: allocateElements(type, 0) }
        checkFeed(op, metadata, checked, symbols)
        return [name, checked]
      }),
    )
  }

  private checkLive(op: string): void {
    if (this.disposed) throw new ArgumentError({ op, message: 'the session was disposed' })
  }
}

function disposeAll(instances: PlanInstance[]): void {
  for (const instance of instances.splice(0)) instance.dispose()
}

function metadataOf({ name, type, dims }: ValueInfo): ValueMetadata {
  return { name, type, shape: dims }
}

/** Copies of the feeds. */
function knownValues(inputs: ReadonlyMap<string, Checked>): Map<string, Value> {
  return new Map([...inputs].map(([name, { type, dims, data }]) => [name, known(type, dims, data.slice()) as Value]))
}

/** Gives results: values of memory that nobody else has. */
function pick(fetches: readonly string[], valueOf: (name: string) => Value | undefined): Results {
  return Object.fromEntries(
    fetches.map((name) => {
      const value = valueOf(name)
      if (value === undefined)
        throw new FormatError({ op: 'InferenceSession', message: `there is no output "${name}"` })
      return [name, new Tensor(value.type, value.data, value.dims)]
    }),
  )
}

/** Compares a feed with what the model says of it. Symbols must stand for one size throughout. */
function checkFeed(
  op: string,
  { name, type, shape }: ValueMetadata,
  value: Checked,
  symbols: Map<string, number>,
): void {
  const argument = `feeds.${name}`
  if (value.type !== type) throw new DTypeError({ op, argument, expected: `of type ${type}`, received: value.type })
  if (shape === undefined) return
  const fits =
    shape.length === value.dims.length &&
    shape.every((dim, axis) => {
      const size = value.dims[axis] ?? 0
      if (typeof dim === 'number') return dim === size
      if (dim === null) return true
      const seen = symbols.get(dim)
      if (seen === undefined) symbols.set(dim, size)
      return seen === undefined || seen === size
    })
  if (fits) return
  const text = `[${shape.map((dim) => dim ?? '?').join(', ')}]`
  const bound = shape.filter((dim) => typeof dim === 'string' && symbols.has(dim))
  throw new ShapeError({
    op,
    argument,
    expected: `of shape ${text}`,
    received: shapeText(value.dims),
    ...(bound.length > 0 && {
      hint: `Here ${bound.map((dim) => `${String(dim)} = ${String(symbols.get(String(dim)))}`).join(', ')}.`,
    }),
  })
}

function bytesOf(model: unknown): Uint8Array {
  if (model instanceof Uint8Array) return model
  if (model instanceof ArrayBuffer) return new Uint8Array(model)
  throw new ArgumentError({
    op: 'InferenceSession.create',
    argument: 'model',
    expected: 'a path, a Uint8Array or an ArrayBuffer',
    received: show(model),
  })
}
