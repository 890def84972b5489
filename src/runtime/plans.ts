/** The plans of a session: one for each combination of input sizes seen lately, with idle instances of each. */
import { currentBackend } from '../backend/current'
import type { Graph } from '../graph/graph'
import { allocateElements, type NumericArray } from '../onnx/types'
import { sizeOf } from '../tensor/shape'
import type { Inputs } from './feeds'
import { Plan, type PlanInstance } from './plan'
import { finish, finishInSlices, type Work } from './slices'
import { traceGraph } from './trace'
import { computed, known, type Value } from './value'

/** A plan, or why there is nothing that one could hold: the graph is then run node by node. */
export type Planned = { readonly plan: Plan; readonly idle: PlanInstance[] } | { readonly reason: string }

/** Makes plans and keeps them. */
export class Plans {
  private readonly graph: Graph
  private readonly most: number
  /** Inputs of one bool that may decide on the way through the graph: there is a plan for each of their values. */
  private readonly switches: ReadonlySet<string>
  private readonly kept = new Map<string, Planned>()
  /** Those that asynchronous runs are making. */
  private readonly begun = new Map<string, Promise<Planned>>()
  private disposed = false

  /** @param most - Plans that are kept, the most recently used ones. */
  constructor(graph: Graph, most: number) {
    this.graph = graph
    this.most = most
    const hasBodies = graph.nodes.some(({ attributes }) => !attributes.graphs().next().done)
    const bools = hasBodies ? graph.inputs.filter(({ type }) => type === 'bool') : []
    this.switches = new Set(bools.map(({ name }) => name))
  }

  get size(): number {
    return this.kept.size
  }

  /** The plan for inputs of these sizes, if it is kept. */
  find(inputs: Inputs): Planned | undefined {
    const key = this.keyOf(inputs)
    const found = this.kept.get(key)
    if (found === undefined) return undefined
    // The most recently used one last.
    this.kept.delete(key)
    this.kept.set(key, found)
    return found
  }

  /** The plan for inputs of these sizes, made now if it has to be. */
  get(inputs: Inputs): Planned {
    return this.find(inputs) ?? this.keep(inputs, finish(this.make(inputs)))
  }

  /** Makes the plan for inputs of these sizes while the event loop turns. Runs that wait for one plan share it. */
  async inSlices(inputs: Inputs): Promise<Planned> {
    const key = this.keyOf(inputs)
    const begun = this.begun.get(key)
    if (begun !== undefined) return begun
    const made = finishInSlices(this.makeReady(inputs)).then((planned) => this.keep(inputs, planned))
    this.begun.set(key, made)
    try {
      return await made
    } finally {
      this.begun.delete(key)
    }
  }

  /** An instance with these inputs fed. */
  acquire(planned: Extract<Planned, { plan: Plan }>, inputs: Inputs): PlanInstance {
    const instance = planned.idle.pop() ?? planned.plan.instantiate()
    for (const [name, { type, data }] of inputs) if (type !== 'string') instance.feed(name, data as NumericArray)
    return instance
  }

  giveBack(planned: Planned, instance: PlanInstance): void {
    const current = !this.disposed && [...this.kept.values()].includes(planned)
    if (current && 'plan' in planned) planned.idle.push(instance)
    else instance.dispose()
  }

  /** Gives back the memory of what is idle now, and of what is in use when it is given back. */
  dispose(): void {
    this.disposed = true
    for (const planned of this.kept.values()) disposeIdle(planned)
    this.kept.clear()
  }

  private keep(inputs: Inputs, planned: Planned): Planned {
    if (this.disposed) return planned
    this.kept.set(this.keyOf(inputs), planned)
    if (this.kept.size > this.most) {
      const [[oldest, old] = ['', undefined]] = this.kept
      this.kept.delete(oldest)
      if (old !== undefined) disposeIdle(old)
    }
    return planned
  }

  /** The plan with an instance, which takes about as long. */
  private *makeReady(inputs: Inputs): Work<Planned> {
    const planned = yield* this.make(inputs)
    if ('plan' in planned) planned.idle.push(yield* planned.plan.instantiation())
    return planned
  }

  private *make(inputs: Inputs): Work<Planned> {
    const backend = currentBackend()
    const values = new Map(
      [...inputs].map(([name, { type, dims }]) => {
        const value = this.switchOf(name, inputs)
        return [
          name,
          value === undefined
            ? (computed(type, dims, allocateElements(type, sizeOf(dims))) as Value)
            : known('bool', dims, Uint8Array.of(value)),
        ]
      }),
    )
    if ([...values.values()].some(({ type }) => type === 'string')) return { reason: 'it has an input of strings' }
    const trace = yield* traceGraph(backend, this.graph, values)
    if (trace.rest !== undefined && trace.steps.length === 0) return { reason: trace.rest.reason }
    return { plan: new Plan(backend, trace), idle: [] }
  }

  private keyOf(inputs: Inputs): string {
    return [...inputs]
      .map(([name, { dims }]) => `${dims.join('x')}=${String(this.switchOf(name, inputs) ?? '')}`)
      .join(' ')
  }

  /** The value of a switch (0 where none was given); undefined for other inputs. */
  private switchOf(name: string, inputs: Inputs): number | undefined {
    const input = inputs.get(name)
    if (input === undefined || !this.switches.has(name) || sizeOf(input.dims) !== 1) return undefined
    return Number(input.data[0] ?? 0)
  }
}

function disposeIdle(planned: Planned): void {
  if ('plan' in planned) for (const instance of planned.idle.splice(0)) instance.dispose()
}
