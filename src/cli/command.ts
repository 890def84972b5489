/** What a command of the program is, and the options that several share. */
import type { InferenceSession } from '../runtime/session'
import type { Feeds } from '../runtime/feeds'
import { openSamples, type SampleOptions, type SampleSet } from './samples'
import { seededFeeds } from './seeded'
import { countOption, listOption, numberOption, UsageError } from './usage'

/** One command: `int8 NAME …`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** What `--help` prints. */
  readonly help: string
  /** Runs the command; gives the exit code. */
  readonly run: (args: string[]) => Promise<number>
}

/** Options of `parseArgs` that say how samples become feeds. */
export const sampleOptions = {
  samples: { type: 'string' },
  batch: { type: 'string' },
  mean: { type: 'string' },
  std: { type: 'string' },
  tensor: { type: 'string', multiple: true },
} as const

/** The lines of `--help` on {@link sampleOptions}. */
export const sampleHelp = `  PATH is an .npy file (samples along the first axis), a .safetensors file with a tensor for each input,
  or a folder with one such file for each sample.
  --samples N         read at most N samples (feeds)
  --batch N           samples in one feed, where the model leaves its first axis free (1)
  --mean A,B,C        for 8-bit data and float inputs: (value / 255 - mean) / std, one of each or one per channel
  --std A,B,C
  --tensor INPUT=NAME the tensor of a file that an input takes, where the names differ; may be given several times`

/** Options of `parseArgs` that make inputs of their own. */
export const seedOptions = { seed: { type: 'string' }, size: { type: 'string', multiple: true } } as const

/** The lines of `--help` on {@link seedOptions}. */
export const seedHelp = `  --seed N            the seed of made-up inputs (1)
  --size SYMBOL=N     the size that made-up inputs give a free axis, by its name in the model (1)`

interface SampleValues {
  readonly samples?: string | undefined
  readonly batch?: string | undefined
  readonly mean?: string | undefined
  readonly std?: string | undefined
  readonly tensor?: readonly string[] | undefined
}

/** Reads {@link sampleOptions} and opens the samples. */
export function samplesOf(path: string, session: InferenceSession, values: SampleValues): SampleSet {
  const options: SampleOptions = {
    names: pairs('tensor', values.tensor),
    mean: numbers('mean', values.mean, [0]),
    std: numbers('std', values.std, [1]),
    batch: countOption('batch', values.batch) ?? 1,
    limit: countOption('samples', values.samples) ?? Infinity,
  }
  return openSamples(path, session, options)
}

/** Reads {@link seedOptions}. */
export function readSeed(values: {
  readonly seed?: string | undefined
  readonly size?: readonly string[] | undefined
}): { readonly seed: number; readonly sizes: ReadonlyMap<string, number> } {
  const sizes = [...pairs('size', values.size)].map(
    ([symbol, size]) => [symbol, countOption('size', size) ?? 1] as const,
  )
  return { seed: countOption('seed', values.seed) ?? 1, sizes: new Map(sizes) }
}

/** Feeds for timing or hashing: the first sample of a path, or made of a seed. */
export function someFeeds(
  session: InferenceSession,
  values: SampleValues & {
    readonly input?: string | undefined
    readonly seed?: string | undefined
    readonly size?: readonly string[] | undefined
  },
): Feeds {
  if (values.input !== undefined) return samplesOf(values.input, session, values).at(0)
  const { seed, sizes } = readSeed(values)
  return seededFeeds(session.inputMetadata, seed, sizes)
}

function numbers(name: string, value: string | undefined, otherwise: readonly number[]): readonly number[] {
  return value === undefined ? otherwise : listOption(value).map((item) => numberOption(name, item) ?? 0)
}

function pairs(option: string, items: readonly string[] = []): Map<string, string> {
  return new Map(
    items.map((item) => {
      const at = item.indexOf('=')
      if (at < 1) throw new UsageError(`--${option} must be of the form NAME=VALUE, but got "${item}"`)
      return [item.slice(0, at), item.slice(at + 1)]
    }),
  )
}
