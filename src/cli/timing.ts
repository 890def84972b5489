/** Times of runs. */
import type { InferenceSession } from '../runtime/session'
import type { Feeds } from '../runtime/feeds'

/** Times of single runs, in milliseconds, sorted. */
export interface Times {
  readonly median: number
  readonly p10: number
  readonly p90: number
  readonly best: number
  readonly count: number
}

/** Runs sessions in turns for some seconds, after two runs each that do not count. */
export async function timeRuns(
  sessions: readonly { readonly session: InferenceSession; readonly feeds: Feeds }[],
  seconds: number,
): Promise<Times[]> {
  const times = sessions.map((): number[] => [])
  for (const { session, feeds } of sessions) for (let i = 0; i < 2; i++) await session.run(feeds)
  const end = performance.now() + 1000 * seconds
  do {
    for (const [i, { session, feeds }] of sessions.entries()) {
      const begin = performance.now()
      await session.run(feeds)
      times[i]?.push(performance.now() - begin)
    }
  } while (performance.now() < end)
  return times.map((list) => {
    const sorted = Float64Array.from(list).sort()
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
    return { median: at(0.5), p10: at(0.1), p90: at(0.9), best: at(0), count: sorted.length }
  })
}

/** A time for people. */
export function timeText(ms: number): string {
  return ms < 1 ? `${(1000 * ms).toFixed(0)} us` : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`
}
