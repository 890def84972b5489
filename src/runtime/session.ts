/** Runs ONNX models. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { currentBackend } from '../backend/current'
import { ArgumentError, FormatError, Int8Error, show } from '../errors'
import { Graph, type ValueInfo } from '../graph/graph'
import { prepareGraph, readPasses, type OptimizeOptions, type PassName } from '../graph/passes'
import { checkOperators } from '../onnx/ops'
import { parseModel, parsingModel, type Model } from '../onnx/read'
import { checkOptions } from '../ops/options'
import type { Shape } from '../tensor/shape'
import { explain } from './explain'
import { reporting, reportingAsync } from './faults'
import { copiesOf, readFeeds, standIns, valuesOf, type Feeds, type Inputs, type ValueMetadata } from './feeds'
import type { Plan, PlanInstance } from './plan'
import { Plans } from './plans'
import { packedImages } from './saved/images'
import { isSaved, openSaved, parseSaved } from './saved/read'
import { writeSaved } from './saved/write'
import { finish, finishInSlices, type Work } from './slices'
import { Tensor } from './tensor'
import { runGraph, runGraphAsync } from './trace'
import { copyOf, type Value } from './value'

/** Options of {@link InferenceSession.create}. */
export interface SessionOptions extends OptimizeOptions {
  /** Plans that are kept, one for each combination of input sizes seen lately. @defaultValue 8 */
  readonly maxPlans?: number
}

/** Results by name. */
export type Results = Record<string, Tensor>

/** Time of one step of a run. */
export interface StepProfile {
  readonly node: string
  readonly op: string
  readonly kernel: string
  readonly nanoseconds: number
}

const createOp = 'InferenceSession.create'

/**
 * A model, ready to run. onnxruntime: `InferenceSession`.
 *
 * The first run with inputs of new sizes makes a plan for them, in slices of a few milliseconds where it is asynchronous;
 * later ones only compute. Several runs may be under way at once.
 */
export class InferenceSession {
  /** Names of the inputs, in the model's order. */
  readonly inputNames: readonly string[]
  /** Names of the outputs, in the model's order. */
  readonly outputNames: readonly string[]
  readonly inputMetadata: readonly ValueMetadata[]
  readonly outputMetadata: readonly ValueMetadata[]
  private readonly graph: Graph
  private readonly passes: ReadonlySet<PassName>
  private readonly plans: Plans
  private disposed = false

  private constructor(graph: Graph, options: SessionOptions, isPrepared = false) {
    const op = createOp
    checkOptions(op, options, ['optimize', 'passes', 'maxPlans'])
    const { maxPlans = 8 } = options
    if (!Number.isInteger(maxPlans) || maxPlans < 1)
      throw new ArgumentError({
        op,
        argument: 'options.maxPlans',
        expected: 'a whole number of at least 1',
        received: show(maxPlans),
      })
    checkOperators(graph)
    this.passes = readPasses(op, options)
    if (isPrepared && (options.optimize !== undefined || options.passes !== undefined))
      throw new ArgumentError({
        op,
        argument: 'options.optimize and options.passes',
        expected: 'absent for a saved session, whose graph has been through the passes',
        received: show(options.optimize ?? options.passes),
      })
    this.graph = graph
    this.plans = new Plans(graph, maxPlans)
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
    const saved = typeof model === 'string' ? openSaved(model) : undefined
    if (saved !== undefined) return new InferenceSession(saved, options, true)
    const read = await finishInSlices<Model | Graph>(
      typeof model === 'string' ? parsingModel(await readFile(model), dirname(model)) : readingBytes(model),
    )
    if (read instanceof Graph) return new InferenceSession(read, options, true)
    const session = new InferenceSession(read.graph, options)
    await reportingAsync(createOp, () => finishInSlices(session.prepare()))
    return session
  }

  /** {@link InferenceSession.create}, at once. */
  static createSync(model: string | Uint8Array | ArrayBuffer, options: SessionOptions = {}): InferenceSession {
    if (typeof model === 'string') {
      const saved = openSaved(model)
      if (saved !== undefined) return new InferenceSession(saved, options, true)
      return InferenceSession.fromModel(parseModel(readFileSync(model), dirname(model)), options)
    }
    const read = finish(readingBytes(model))
    return read instanceof Graph ? new InferenceSession(read, options, true) : InferenceSession.fromModel(read, options)
  }

  /**
   * A session of a model that has been read already. The model is the session's from then on.
   * @internal
   */
  static fromModel({ graph }: Model, options: SessionOptions = {}): InferenceSession {
    const session = new InferenceSession(graph, options)
    reporting(createOp, () => {
      finish(session.prepare())
    })
    return session
  }

  private prepare(): Work<void> {
    return prepareGraph(currentBackend(), this.graph, this.passes)
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
    await writeSaved(path, this.graph, packedImages(currentBackend()))
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

  private async runInputsAsync(inputs: Inputs, fetches: readonly string[]): Promise<Results> {
    const found = this.plans.find(inputs)
    // Making a plan takes a while, in which the feeds may change.
    const given = found === undefined ? copiesOf(inputs) : inputs
    const planned = found ?? (await this.plans.inSlices(given))
    if ('reason' in planned) {
      const values = await runGraphAsync(currentBackend(), this.graph, valuesOf(given))
      return pick(fetches, (name) => copyOf(values.get(name)))
    }
    const rest = restFor(planned.plan, fetches, given)
    const instance = this.plans.acquire(planned, given)
    try {
      await instance.runAsync()
      const late = rest && (await runGraphAsync(currentBackend(), rest.graph, rest.reads(instance)))
      return pick(fetches, (name) => copyOf(late?.get(name)) ?? instance.fetch(name))
    } finally {
      this.plans.giveBack(planned, instance)
    }
  }

  /** {@link InferenceSession.run} on the calling thread and the pool. */
  runSync(feeds: Feeds, fetches: readonly string[] = this.outputNames): Results {
    const op = 'InferenceSession.runSync'
    const inputs = this.read(op, feeds, fetches)
    return reporting(op, () => this.runInputs(inputs, fetches))
  }

  private runInputs(inputs: Inputs, fetches: readonly string[]): Results {
    const planned = this.plans.get(inputs)
    if ('reason' in planned) {
      const values = runGraph(currentBackend(), this.graph, valuesOf(inputs))
      return pick(fetches, (name) => copyOf(values.get(name)))
    }
    const rest = restFor(planned.plan, fetches, inputs)
    const instance = this.plans.acquire(planned, inputs)
    try {
      instance.run()
      const late = rest && runGraph(currentBackend(), rest.graph, rest.reads(instance))
      return pick(fetches, (name) => copyOf(late?.get(name)) ?? instance.fetch(name))
    } finally {
      this.plans.giveBack(planned, instance)
    }
  }

  /**
   * What a run does with inputs of these sizes, in words: each step with its node, type and sizes, and why a step is not
   * computed in int8.
   *
   * @param shapes - Sizes by input. @defaultValue those of the model, with 1 for every symbol
   */
  explainPlan(shapes: Readonly<Record<string, Shape>> = {}): string {
    const op = 'InferenceSession.explainPlan'
    this.checkLive(op)
    const planned = reporting(op, () => this.plans.get(standIns(op, this.inputMetadata, shapes)))
    return explain(this.graph, 'reason' in planned ? planned.reason : planned.plan)
  }

  /** Runs the model once and tells the time of each step. What runs node by node after the plan is one step, the last. */
  profile(feeds: Feeds): readonly StepProfile[] {
    const op = 'InferenceSession.profile'
    const inputs = this.read(op, feeds, this.outputNames)
    const planned = this.plans.get(inputs)
    if ('reason' in planned) throw new ArgumentError({ op, message: `this model has no plan: ${planned.reason}` })
    const instance = this.plans.acquire(planned, inputs)
    try {
      const times = instance.times()
      reporting(op, () => {
        instance.run(times)
      })
      const nanoseconds = instance.timesByStep(times)
      const steps = planned.plan.trace.steps.map(({ node, step }, i) => ({
        node: node?.name ?? '',
        op: node?.title ?? '',
        kernel: step.kernel === 'host' ? `host: ${step.label}` : step.kernel,
        nanoseconds: nanoseconds[i] ?? 0,
      }))
      const rest = restFor(planned.plan, this.outputNames, inputs)
      if (rest === undefined) return steps
      const begin = process.hrtime.bigint()
      reporting(op, () => runGraph(currentBackend(), rest.graph, rest.reads(instance)))
      const kernel = `${String(rest.graph.nodes.length)} nodes one by one`
      return [...steps, { node: '', op: '', kernel, nanoseconds: Number(process.hrtime.bigint() - begin) }]
    } finally {
      this.plans.giveBack(planned, instance)
    }
  }

  /** Gives the memory of all plans back; later runs are errors. Runs under way end first. */
  dispose(): void {
    this.disposed = true
    this.plans.dispose()
  }

  /** onnxruntime's name of {@link InferenceSession.dispose}. */
  release(): void {
    this.dispose()
  }

  /** Packs the weights, if no run has yet: by a plan for the model's own sizes, with 1 for every symbol. */
  private pack(): void {
    if (this.plans.size > 0 || this.inputMetadata.some(({ shape }) => shape === undefined)) return
    try {
      this.plans.get(standIns('InferenceSession.save', this.inputMetadata, {}))
    } catch (error) {
      // Such sizes may mean nothing to the model.
      if (!(error instanceof Int8Error)) throw error
    }
  }

  /** Checks feeds and fetches. */
  private read(op: string, feeds: unknown, fetches: unknown): Inputs {
    this.checkLive(op)
    const inputs = readFeeds(op, this.inputMetadata, feeds)
    if (!Array.isArray(fetches) || !fetches.every((name: unknown) => this.outputNames.includes(name as string)))
      throw new ArgumentError({
        op,
        argument: 'fetches',
        expected: `names among ${show([...this.outputNames])}`,
        received: show(fetches),
      })
    return inputs
  }

  private checkLive(op: string): void {
    if (this.disposed) throw new ArgumentError({ op, message: 'the session was disposed' })
  }
}

/** What has to run after a plan for these outputs, with copies of what it reads of the inputs. */
function restFor(
  { trace: { rest } }: Plan,
  fetches: readonly string[],
  inputs: Inputs,
): { readonly graph: Graph; readonly reads: (instance: PlanInstance) => Map<string, Value> } | undefined {
  if (rest?.graph.outputs.every(({ name }) => !fetches.includes(name)) !== false) return undefined
  const own = valuesOf(new Map([...inputs].filter(([name]) => rest.inputNames.includes(name))))
  const reads = (instance: PlanInstance): Map<string, Value> => {
    const values = new Map(own)
    for (const name of rest.reads.keys()) {
      const value = instance.fetch(name)
      if (value !== undefined) values.set(name, value)
    }
    return values
  }
  return { graph: rest.graph, reads }
}

function metadataOf({ name, type, dims }: ValueInfo): ValueMetadata {
  return { name, type, shape: dims }
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

/** A model, or the graph of a saved session. */
function* readingBytes(model: unknown): Work<Model | Graph> {
  // A copy: weights may lie in it. (Not by slice, which is a view where the bytes are a Buffer.)
  const bytes = new Uint8Array(bytesOf(model))
  return isSaved(bytes) ? parseSaved(bytes) : yield* parsingModel(bytes)
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
