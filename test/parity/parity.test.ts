/**
 * Native against the oracle, byte for byte: every kernel, on every instruction set that this CPU has, on 1, 2 and 5
 * threads, in place of the event loop and off it. INT8_PARITY_RUNS sets the number of cases per kernel. A failure prints
 * its seed and path; `fc.assert(property, { seed, path })` replays it.
 */
import fc from 'fast-check'
import type { KernelName } from '../../src/backend/contract'
import { createJsBackend } from '../../src/backend/js'
import { loadNative } from '../../src/backend/native'
import type { Row } from './case'
import { expectSameBytes, expectSameBytesAsync } from './harness'
import { table } from './table'

const runs = Number(process.env['INT8_PARITY_RUNS'] ?? 60)
const threadCounts = [1, 2, 5]
/** Every instruction set that kernels exist for; those that this CPU lacks show as skipped. */
const isas = ['portable', 'avx512vnni']

const oracle = createJsBackend()
const native = loadNative()
const kernelNames = Object.keys(table) as KernelName[]
const defaults = { isa: native.isa, threads: native.numThreads }

/** Draws cases of one kernel and compares each on every thread count and, three at once, off the event loop. */
async function checkKernel<K extends KernelName>(kernel: K, row: Row<K>): Promise<void> {
  const backends = { oracle, subject: native }
  await fc.assert(
    fc.asyncProperty(row, fc.constantFrom(...threadCounts), async (drawn, asyncThreads) => {
      for (const threads of threadCounts) {
        native.setNumThreads(threads)
        expectSameBytes(kernel, drawn, backends)
      }
      native.setNumThreads(asyncThreads)
      await expectSameBytesAsync(kernel, drawn, backends)
    }),
    { numRuns: runs },
  )
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

test('every instruction set of the addon is in the list of this suite', () => {
  expect(isas).toEqual(expect.arrayContaining([...native.supportedIsas]))
})

describe.each(native.supportedIsas)('with %s kernels', (isa) => {
  beforeAll(() => {
    native.setIsa(isa)
  })

  test('the addon reports this instruction set', () => {
    expect(native.isa).toBe(isa)
  })

  test.each(kernelNames)(
    "%s gives the oracle's bytes on any number of threads, sync and async",
    async (kernel) => {
      await expect(checkKernel(kernel, table[kernel] as Row<typeof kernel>)).resolves.toBeUndefined()
    },
    120_000,
  )
})
