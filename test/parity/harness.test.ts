/** Protects the parity harness: it finds a wrong byte, a missing one, one outside of y, and a promise that lies. */
import fc from 'fast-check'
import type { Backend, KernelName, Kernels } from '../../src/backend/contract'
import { createJsBackend } from '../../src/backend/js'
import { expectSameBytes, expectSameBytesAsync, resultOf } from './harness'
import { table } from './table'

const oracle = createJsBackend()
const kernelNames = Object.keys(table) as KernelName[]

/** The oracle with something done to y after a kernel has run. */
function spoilt(spoil: (y: Kernels[KernelName]['y']) => void): Backend {
  return {
    ...oracle,
    run(kernel, operands) {
      oracle.run(kernel, operands)
      spoil(operands.y)
    },
    runAsync(kernel, operands) {
      this.run(kernel, operands)
      return Promise.resolve()
    },
  }
}

/** Whether some case of the kernel tells the subject from the oracle. */
function tells(kernel: KernelName, subject: Backend): boolean {
  const { failed } = fc.check(
    fc.property(table[kernel] as (typeof table)['qclamp'], (drawn) => {
      expectSameBytes(kernel as 'qclamp', drawn, resultOf(kernel as 'qclamp', drawn, oracle), subject)
    }),
    { numRuns: 50 },
  )
  return failed
}

describe('the parity harness', () => {
  test.each(kernelNames)('finds no difference between the oracle and itself: %s', (kernel) => {
    expect(tells(kernel, oracle)).toBe(false)
  })

  test.each(kernelNames)('finds a single wrong byte: %s', (kernel) => {
    const subject = spoilt((y) => {
      const bytes = new Uint8Array(y.buffer, y.byteOffset, y.byteLength)
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
    })
    expect(tells(kernel, subject)).toBe(true)
  })

  test.each(kernelNames)('finds a byte written behind y: %s', (kernel) => {
    const subject = spoilt((y) => {
      const bytes = new Uint8Array(y.buffer)
      const end = y.byteOffset + y.byteLength
      if (end < bytes.length) bytes[end] = 0
    })
    expect(tells(kernel, subject)).toBe(true)
  })

  test('finds an input that was written to', () => {
    const subject: Backend = {
      ...oracle,
      run(kernel, operands) {
        oracle.run(kernel, operands)
        if ('x' in operands && operands.x.buffer !== operands.y.buffer) new Uint8Array(operands.x.buffer).fill(0)
      },
    }
    expect(tells('softmax', subject)).toBe(true)
  })

  test('finds an async run that writes y before its promise resolves', async () => {
    const subject = spoilt(() => undefined)
    const [drawn] = fc.sample(table.minMax, 1)
    if (drawn === undefined) throw new Error('no case')
    const expected = resultOf('minMax', drawn, oracle)
    const run = expectSameBytesAsync('minMax', drawn, expected, subject)
    await expect(run).rejects.toThrow('minMax wrote to y before its promise resolved')
  })
})
