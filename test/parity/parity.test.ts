/**
 * Native against the oracle, byte for byte: every kernel, on every instruction set that this CPU has, on 1, 2 and 5
 * threads, on the event loop and off it. INT8_PARITY_RUNS sets the number of cases per kernel. A failure prints
 * its seed and path; `fc.assert(property, { seed, path })` replays it.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Backend, KernelName } from '../../src/backend/contract'
import { createJsBackend } from '../../src/backend/js'
import { loadNative } from '../../src/backend/native'
import type { Case } from './case'
import { expectSameBytes, expectSameBytesAsync, resultOf } from './harness'
import { table } from './table'

const runs = runsWanted(process.env['INT8_PARITY_RUNS'])
const threadCounts = [1, 2, 5]
/** Every instruction set that kernels exist for; those that this CPU lacks are counted at the end. */
const isas = ['portable', ...isasOfTheBuild()]

const oracle = createJsBackend()
const native = loadNative()
const kernelNames = Object.keys(table) as KernelName[]
const defaults = { isa: native.isa, threads: native.numThreads }

/** The instruction sets with files of their own, as the build lists them. */
function isasOfTheBuild(): string[] {
  const list = readFileSync(join(__dirname, '../../cpp/CMakeLists.txt'), 'utf8')
  return /^set\(INT8_ISAS ([\w ]+)\)/m.exec(list)?.[1]?.split(' ') ?? []
}

function runsWanted(variable: string | undefined): number {
  const wanted = Number(variable ?? 100)
  if (!Number.isInteger(wanted) || wanted < 1) throw new Error('INT8_PARITY_RUNS must be a whole number of at least 1')
  return wanted
}

/**
 * Draws cases of one kernel and compares each on every instruction set, on every thread count and, three at once, off
 * the event loop.
 */
async function checkKernel(kernel: KernelName): Promise<void> {
  await fc.assert(
    fc.asyncProperty(table[kernel], fc.constantFrom(...threadCounts), async (drawn, asyncThreads) => {
      const expected = resultOf(kernel, drawn, oracle)
      for (const isa of native.supportedIsas) {
        native.setIsa(isa)
        try {
          for (const threads of threadCounts) {
            native.setNumThreads(threads)
            expectSameBytes(kernel, drawn, expected, native)
          }
          native.setNumThreads(asyncThreads)
          await expectSameBytesAsync(kernel, drawn, expected, native)
        } catch (error) {
          throw new Error(`with ${isa} kernels`, { cause: error })
        }
      }
    }),
    { numRuns: runs, includeErrorInReport: true },
  )
}

function casesOf<K extends KernelName>(kernel: K, count: number): Case<K>[] {
  return fc.sample(table[kernel], { numRuns: count, seed: 1 })
}

/** What tells subjects from the oracle in a case: nothing, or one message each. */
function differencesOf<K extends KernelName>(kernel: K, drawn: Case<K>, subjects: readonly Backend[]): string[] {
  const expected = resultOf(kernel, drawn, oracle)
  return subjects.flatMap((subject) => {
    try {
      expectSameBytes(kernel, drawn, expected, subject)
      return []
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)]
    }
  })
}

afterAll(() => {
  native.setIsa(defaults.isa)
  native.setNumThreads(defaults.threads)
  const skipped = isas.filter((isa) => !native.supportedIsas.includes(isa))
  if (skipped.length > 0)
    process.stderr.write(
      `parity: ${String(skipped.length)} of ${String(isas.length)} instruction sets skipped, not on this CPU: ${skipped.join(', ')}\n`,
    )
})

test('the list of the build names every instruction set of the addon', () => {
  expect(isas).toEqual(expect.arrayContaining([...native.supportedIsas]))
})

test.each(native.supportedIsas)('the addon takes %s, and says so', (isa) => {
  native.setIsa(isa)
  expect(native.isa).toBe(isa)
})

test.each(kernelNames)(
  "%s gives the oracle's bytes on every instruction set and any number of threads, sync and async",
  async (kernel) => {
    await expect(checkKernel(kernel)).resolves.toBeUndefined()
  },
  // Under emulation one case may take tens of seconds.
  Math.max(600_000, runs * 5000),
)

describe('across instruction sets and kernels', () => {
  test('weights packed for one instruction set run the same after another was chosen', () => {
    const subjects = native.supportedIsas.flatMap((packedFor) =>
      native.supportedIsas.map((runWith): Backend => ({
        ...native,
        packQuantized(weights) {
          native.setIsa(packedFor)
          return native.packQuantized(weights)
        },
        packFloat(weights) {
          native.setIsa(packedFor)
          return native.packFloat(weights)
        },
        run(kernel, operands) {
          native.setIsa(runWith)
          native.run(kernel, operands)
        },
      })),
    )
    const differences = (['qconv', 'qlinear', 'fconv', 'flinear'] as const).flatMap((kernel) =>
      casesOf(kernel, 5).flatMap((drawn) => differencesOf(kernel, drawn, subjects)),
    )
    expect(differences).toEqual([])
  })

  test('64 runs of all kernels at once, off the event loop, give the bytes of one after the other', async () => {
    const checks = kernelNames
      .flatMap((kernel) => casesOf(kernel, 3).map((drawn) => ({ kernel, drawn })))
      .slice(0, 64)
      .map(({ kernel, drawn }) => expectSameBytesAsync(kernel, drawn, resultOf(kernel, drawn, oracle), native))
    await expect(Promise.all(checks)).resolves.toHaveLength(64)
  })
})
