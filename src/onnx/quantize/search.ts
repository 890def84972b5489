/** Finds the layers that int8 costs most at, and keeps as few of them in float as a target allows. */
import type { GraphNode } from '../../graph/graph'
import type { InferenceSession } from '../../runtime/session'
import type { Feeds } from '../../runtime/feeds'
import { ArgumentError, show } from '../../errors'
import { checkOptions } from '../../ops/options'
import type { Model } from '../read'
import { sessionWith } from './calibrate'
import { Meter } from './compare'

const op = 'quantizeOnnx'

/** What a quantized model must keep. */
export interface Target {
  /** How much the metric may fall below float's, in its own units. */
  readonly drop: number
  /**
   * Measures a session; larger is better. `'agreement'`: percent of the rows of the first float output whose largest
   * element is the one of the float model, which has 100. @defaultValue 'agreement'
   */
  readonly metric?: 'agreement' | ((session: InferenceSession) => number | Promise<number>)
}

/** A quantized model that the search has measured. */
export interface SearchPoint {
  /** How many nodes were left in float, the costliest first. */
  readonly keptFloat: number
  /** The metric, and how much it lies below float's. */
  readonly metric: number
  readonly drop: number
}

/** What the search found. */
export interface SearchResult {
  /** Nodes to be left in float. */
  readonly kept: ReadonlySet<GraphNode>
  readonly points: readonly SearchPoint[]
}

/** Checks an option `target`. */
export function readTarget(target: unknown): Target {
  if (typeof target !== 'object' || target === null)
    throw new ArgumentError({ op, argument: 'options.target', expected: 'an object', received: show(target) })
  checkOptions(op, target, ['drop', 'metric'])
  const { drop, metric } = target as { readonly drop?: unknown; readonly metric?: unknown }
  if (typeof drop !== 'number' || !(drop >= 0 && drop < Infinity))
    throw new ArgumentError({
      op,
      argument: 'options.target.drop',
      expected: 'a number of at least 0',
      received: show(drop),
    })
  if (metric !== undefined && metric !== 'agreement' && typeof metric !== 'function')
    throw new ArgumentError({
      op,
      argument: 'options.target.metric',
      expected: "'agreement' or a function of a session",
      received: show(metric),
    })
  return target as Target
}

/** What the search needs of its caller. */
export interface SearchHooks {
  /** The model in which just these nodes are computed in int8. */
  readonly build: (isQuantized: (node: GraphNode) => boolean) => Model
  /** Called after each model that was measured. */
  readonly onModel: () => void
}

/** Models that a search among so many nodes measures at most. */
export function searchSteps(nodes: number): number {
  const bisections = Math.ceil(Math.log2(Math.max(1, nodes)))
  return nodes === 0 ? 2 : 2 + nodes + bisections + 1
}

/**
 * The fewest nodes, costliest first, that must stay float for the target. A node's cost is the noise that it alone, in
 * int8, brings to the outputs; their number is found by bisection. The same input gives the same answer.
 *
 * @param nodes - Candidates.
 */
export async function searchTarget(
  float: Model,
  nodes: readonly GraphNode[],
  samples: readonly Feeds[],
  { drop, metric = 'agreement' }: Target,
  { build, onModel }: SearchHooks,
): Promise<SearchResult> {
  const reference = await outputsOf(float, samples)
  const measure = async (model: Model): Promise<number> => {
    if (metric === 'agreement') return 100 * agreement(reference, await outputsOf(model, samples))
    const session = sessionWith(model, [])
    try {
      const value: unknown = await metric(session)
      if (typeof value === 'number' && !Number.isNaN(value)) return value
      throw new ArgumentError({
        op,
        argument: 'options.target.metric',
        expected: 'a function that gives a number',
        received: show(value),
      })
    } finally {
      session.dispose()
    }
  }
  const best = await measure(float)
  onModel()
  const points = new Map<number, SearchPoint>()
  let order: readonly GraphNode[] = nodes
  const at = async (count: number): Promise<boolean> => {
    const kept = new Set(order.slice(0, count))
    const value = await measure(build((node) => !kept.has(node)))
    onModel()
    points.set(count, { keptFloat: count, metric: value, drop: best - value })
    return best - value <= drop
  }
  const result = (count: number): SearchResult => ({
    kept: new Set(order.slice(0, count)),
    points: [...points.values()].sort((a, b) => a.keptFloat - b.keptFloat),
  })
  if (await at(0)) return result(0)
  const costs: { readonly node: GraphNode; readonly sqnrDb: number }[] = []
  for (const node of nodes) {
    const outputs = await outputsOf(
      build((other) => other === node),
      samples,
    )
    onModel()
    costs.push({ node, sqnrDb: sqnrOf(reference, outputs) })
  }
  order = costs.sort((a, b) => a.sqnrDb - b.sqnrDb).map(({ node }) => node)
  let [fails, holds] = [0, nodes.length]
  while (holds - fails > 1) {
    const middle = (fails + holds) >> 1
    if (await at(middle)) holds = middle
    else fails = middle
  }
  if (!points.has(holds)) await at(holds)
  return result(holds)
}

/** Float results of all samples, by output. */
type Outputs = readonly (readonly { readonly data: Float32Array; readonly classes: number }[])[]

async function outputsOf(model: Model, samples: readonly Feeds[]): Promise<Outputs> {
  const session = sessionWith(model, [])
  const names = session.outputMetadata.flatMap(({ name, type }) => (type === 'float32' ? [name] : []))
  const outputs: { readonly data: Float32Array; readonly classes: number }[][] = []
  for (const feeds of samples) {
    const results = await session.run(feeds, names)
    outputs.push(
      names.map((name) => ({
        data: results[name]?.data as Float32Array,
        classes: results[name]?.dims.at(-1) ?? 1,
      })),
    )
  }
  session.dispose()
  return outputs
}

/** Agreement of the first output that has classes; 1 where none has. */
function agreement(expected: Outputs, got: Outputs): number {
  const index = expected[0]?.findIndex(({ classes }) => classes > 1) ?? -1
  const meter = new Meter()
  expected.forEach((row, sample) => {
    const [a, b] = [row[index], got[sample]?.[index]]
    if (a !== undefined && b !== undefined) meter.add(a.data, b.data, a.classes)
  })
  return meter.figures().classAgreement ?? 1
}

/** The least ratio among the outputs. */
function sqnrOf(expected: Outputs, got: Outputs): number {
  const ratios = (expected[0] ?? []).map((_, index) => {
    const meter = new Meter()
    expected.forEach((row, sample) => {
      const [a, b] = [row[index], got[sample]?.[index]]
      if (a !== undefined && b !== undefined) meter.add(a.data, b.data, a.classes)
    })
    return meter.figures().sqnrDb
  })
  return Math.min(...ratios)
}
