/** `int8 bench`: how long a model takes. */
import { parseArgs } from 'node:util'
import { backend } from '../../backend/public'
import { InferenceSession } from '../../runtime/session'
import type { Feeds } from '../../runtime/feeds'
import { sampleHelp, sampleOptions, seedHelp, seedOptions, someFeeds, type Command } from '../command'
import { timeRuns, timeText } from '../timing'
import { countOption, numberOption, print, table, UsageError } from '../usage'

const help = `Times a model, or several in turns, such as a float model and its int8 form.

Usage: int8 bench MODEL [MODEL …] [options]

  --seconds S         time to spend (3)
  --threads N         threads that a kernel may use (all)
  --steps N           the N slowest steps of each model
  --input PATH        a sample to run on; without it, inputs are made up
${sampleHelp}
${seedHelp}`

/** Runs whose medians tell the time of each step. */
const profiledRuns = 21

export const bench: Command = {
  summary: 'time a model, or several side by side',
  help,
  run: async (args) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...sampleOptions,
        ...seedOptions,
        input: { type: 'string' },
        seconds: { type: 'string' },
        threads: { type: 'string' },
        steps: { type: 'string' },
      },
    })
    if (positionals.length === 0) throw new UsageError('give a model: int8 bench MODEL')
    const seconds = numberOption('seconds', values.seconds) ?? 3
    const threads = countOption('threads', values.threads)
    const steps = countOption('steps', values.steps)
    if (threads !== undefined) backend.setNumThreads(threads)
    const runs = await Promise.all(
      positionals.map(async (model) => {
        const begin = performance.now()
        const session = await InferenceSession.create(model)
        return { model, session, feeds: someFeeds(session, values), load: performance.now() - begin }
      }),
    )
    const times = await timeRuns(runs, seconds)
    print(`${backend.name} backend, ${backend.isa}, ${String(backend.numThreads)} threads`)
    const rows = times.map(({ median, p10, p90, best, count }, i) => [
      runs[i]?.model ?? '',
      ...[median, p10, p90, best].map(timeText),
      `${(times[0] === undefined ? 1 : times[0].median / median).toFixed(2)} x`,
      String(count),
      timeText(runs[i]?.load ?? 0),
    ])
    print(table([['model', 'median', '10 %', '90 %', 'best', 'speed', 'runs', 'load'], ...rows], [1, 2, 3, 4, 5, 6, 7]))
    for (const { model, session, feeds } of steps === undefined ? [] : runs) {
      print(`\n${model}: slowest steps`)
      print(table(slowestSteps(session, feeds).slice(0, steps), [0]))
    }
    for (const { session } of runs) session.dispose()
    return 0
  },
}

/** Steps by their median time over some runs, the slowest first. */
function slowestSteps(session: InferenceSession, feeds: Feeds): string[][] {
  const runs = Array.from({ length: profiledRuns }, () => session.profile(feeds))
  const median = (step: number): number =>
    runs.map((run) => run[step]?.nanoseconds ?? 0).sort((a, b) => a - b)[profiledRuns >> 1] ?? 0
  return (runs[0] ?? [])
    .map(({ kernel, op, node }, i) => ({ time: median(i), kernel, op, node }))
    .sort((a, b) => b.time - a.time)
    .map(({ time, kernel, op, node }) => [timeText(time / 1e6), kernel, op, node])
}
