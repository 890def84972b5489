/** How far a quantization is. */
import { ArgumentError, show } from '../../errors'

/** A stage, in the order in which they come; the search only with a target, the comparison only with validation samples. */
export type QuantizeStage = 'calibration' | 'search' | 'comparison'

/** What a quantization tells while it runs. */
export interface QuantizeProgress {
  readonly stage: QuantizeStage
  /** Samples of the stage that are done; in the search, runs of all samples through one candidate model. */
  readonly done: number
  /** How many there are at most; undefined where samples are read from an iterator. The search may end before. */
  readonly total: number | undefined
}

/** Receives it. */
export type OnProgress = (progress: QuantizeProgress) => void

/** Checks an option `onProgress`. */
export function checkProgress(op: string, onProgress: unknown): void {
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new ArgumentError({
      op,
      argument: 'options.onProgress',
      expected: 'a function',
      received: show(onProgress),
    })
}

/** Counts the steps of a stage. */
export function counterOf(
  onProgress: OnProgress | undefined,
  stage: QuantizeStage,
  total: number | undefined,
): () => void {
  let done = 0
  return () => onProgress?.({ stage, done: ++done, total })
}

/** How many samples there are, where that is known before they are read. */
export function countOf(samples: unknown): number | undefined {
  return Array.isArray(samples) ? samples.length : undefined
}
