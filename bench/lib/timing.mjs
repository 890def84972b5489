// Timing: medians, and two contestants on the same machine in the same seconds.
import { performance } from 'node:perf_hooks'

/** Median of a list of numbers. */
export function median(list) {
  const sorted = [...list].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Runs and times a function `count` times; milliseconds of each run. */
export function sample(run, count) {
  const times = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    run()
    times.push(performance.now() - start)
  }
  return times
}

/** How many runs of a function fill `budget` milliseconds, within bounds. */
export function runsFor(run, budget, [least, most]) {
  run()
  const start = performance.now()
  run()
  run()
  const each = (performance.now() - start) / 2
  return Math.max(least, Math.min(most, Math.ceil(budget / each)))
}
