/**
 * Passes over a graph. Some say what the graph means and always run: QDQ islands become the integer operations that
 * they stand for. The others only make it faster, can be switched off one by one, and never change a byte of a result.
 */
import type { Backend } from '../../backend/contract'
import { ArgumentError, show } from '../../errors'
import type { Work } from '../../runtime/slices'
import type { Graph } from '../graph'
import { prepareBodies } from './bodies'
import { readConstants } from './constants'
import { foldBatchNorm } from './foldBatchNorm'
import { foldConstants } from './foldConstants'
import { foldPads } from './foldPads'
import { fuseActivations } from './fuseActivations'
import { fuseDynamic } from './fuseDynamic'
import { fuseResiduals } from './fuseResiduals'
import { fuseIslands } from './islands'
import { tables } from './tables'

/** A pass that may be switched off. */
export type PassName = 'tables' | 'foldConstants' | 'fuseDynamic' | 'fuseResiduals' | 'fuseActivations'

/** Passes that may be switched off, in the order in which they run. */
export const passNames: readonly PassName[] = [
  'tables',
  'foldConstants',
  'fuseDynamic',
  'fuseResiduals',
  'fuseActivations',
]

/** Options that decide which passes run. */
export interface OptimizeOptions {
  /** All passes, or none. The bytes of the results are the same. @defaultValue 'all' */
  readonly optimize?: 'all' | 'none'
  /** Single passes switched on or off. */
  readonly passes?: Partial<Readonly<Record<PassName, boolean>>>
}

type Pass = (backend: Backend, graph: Graph) => void

/** Passes that decide what the graph computes; after them come its islands, and then the others. */
const meaning: readonly Pass[] = [readConstants, foldBatchNorm, foldPads]
const passes: Readonly<Record<PassName, Pass>> = { tables, foldConstants, fuseDynamic, fuseResiduals, fuseActivations }

/** Which passes the options switch on. */
export function readPasses(op: string, options: OptimizeOptions): ReadonlySet<PassName> {
  const { passes: single = {} } = options
  const optimize: unknown = options.optimize ?? 'all'
  if (optimize !== 'all' && optimize !== 'none')
    throw new ArgumentError({ op, argument: 'options.optimize', expected: "'all' or 'none'", received: show(optimize) })
  const on = new Set<PassName>(optimize === 'all' ? passNames : [])
  for (const [name, wanted] of Object.entries(single)) {
    if (!(passNames as readonly string[]).includes(name) || typeof wanted !== 'boolean')
      throw new ArgumentError({
        op,
        argument: `options.passes.${name}`,
        expected: `true or false for one of ${passNames.join(', ')}`,
        received: show(wanted),
      })
    if (wanted) on.add(name as PassName)
    else on.delete(name as PassName)
  }
  return on
}

/** Brings a graph, and those within, into the form that is planned; pauses between passes and islands. */
export function* prepareGraph(backend: Backend, graph: Graph, on: ReadonlySet<PassName>): Work<void> {
  const run = function* (all: readonly Pass[]): Work<void> {
    for (const pass of all) {
      pass(backend, graph)
      yield
    }
  }
  yield* run(meaning)
  yield* fuseIslands(graph)
  yield* run(passNames.filter((name) => on.has(name)).map((name) => passes[name]))
  yield* prepareBodies(graph, (body) => prepareGraph(backend, body, on))
  graph.prune()
}

/** Brings a float graph into the form that is quantized: constants read, batch norms and pads folded, what is
 * constant computed. */
export function prepareFloat(backend: Backend, graph: Graph): void {
  for (const pass of [readConstants, foldBatchNorm, foldConstants, foldPads]) pass(backend, graph)
  graph.prune()
}
