/**
 * Runs each golden as a test of its own. A case that does not run must be listed with its reason; one that is neither fails
 * the suite, as does a reason that no case needs.
 */
/* eslint-disable jest/no-export -- this makes the tests of the files that import it */
import { loadGoldens, type GoldenCase } from './goldens'

/** Cases that do not run, and why. */
export interface Listed {
  /** Which: the ids, a pattern of ids, or all cases of these ops. */
  readonly ids?: readonly string[] | RegExp
  readonly ops?: readonly string[]
  readonly reason: string
}

/** A family of goldens as a suite. */
export interface GoldenSuite {
  readonly family: string
  /** What checks a case, by PyTorch's name of its op. */
  readonly checks: Readonly<Record<string, (golden: GoldenCase) => void | Promise<void>>>
  readonly listed: readonly Listed[]
  /** How many cases run and how many are listed: a change of either is a change of this line. */
  readonly counts: { readonly run: number; readonly listed: number }
}

function lists({ ids, ops }: Listed, { id, op }: GoldenCase): boolean {
  const byOp = ops === undefined || ops.includes(op)
  const byId = ids === undefined || (ids instanceof RegExp ? ids.test(id) : ids.includes(id))
  return byOp && byId
}

/** Makes one test of each case, and one that accounts for all of them. */
export function goldenSuite({ family, checks, listed, counts }: GoldenSuite): void {
  const cases = loadGoldens(family)
  const reasonOf = (golden: GoldenCase): string | undefined => listed.find((entry) => lists(entry, golden))?.reason
  const run = cases.filter((golden) => reasonOf(golden) === undefined)
  describe(`PyTorch's ${family}`, () => {
    test('cases all run or are listed with a reason, and every reason is needed', () => {
      const lost = run.filter((golden) => checks[golden.op] === undefined).map(({ op, id }) => `${op}: ${id}`)
      expect(lost).toEqual([])
      const idle = listed.filter((entry, i) => !cases.some((golden) => listed.findIndex((e) => lists(e, golden)) === i))
      expect(idle).toEqual([])
      expect({ run: run.length, listed: cases.length - run.length }).toEqual(counts)
      expect(new Set(cases.map(({ op, id }) => `${op}: ${id}`)).size).toBe(cases.length)
    })
    // eslint-disable-next-line jest/expect-expect -- the checks expect
    test.each(run.map((golden) => [`${golden.op}: ${golden.id}`, golden] as const))('%s', async (_, golden) => {
      await checks[golden.op]?.(golden)
    })
  })
}
