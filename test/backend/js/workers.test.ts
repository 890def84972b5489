/**
 * Protects the JavaScript backend's async form: same bytes, operands copied at once, a free event loop, weights sent
 * once, errors that reject, and a process that can end.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import type { BoundQuantized, KernelName, Kernels } from '../../../src/backend/contract'
import { createJsBackend } from '../../../src/backend/js'
import { createWorkerPool } from '../../../src/backend/js/workers'
import { BackendError } from '../../../src/errors'
import type { Row } from '../../parity/case'
import { expectSameBytesAsync, resultOf } from '../../parity/harness'
import { table } from '../../parity/table'

const backend = createJsBackend()
const kernelNames = Object.keys(table) as KernelName[]

function boundLinear(features: number): BoundQuantized {
  const packed = backend.packQuantized({
    codes: new Int8Array(features * features).fill(1),
    zeroPoints: new Int32Array(features),
    groups: 1,
    outChannels: features,
    kernel: [1, 1, 1],
    inPerGroup: features,
  })
  const bias = new Int32Array(features)
  return backend.bindQuantized(packed, { xDType: 'quint8', xZeroPoint: 0, bias, output: { kind: 'int32' } })
}

function clampOf(length: number): Kernels['qclamp'] {
  return { x: new Uint8Array(length).fill(9), y: new Uint8Array(length), lo: 0, hi: 5 }
}

describe('runAsync of the JavaScript backend', () => {
  test.each(kernelNames)('gives the bytes of run, three at once: %s', async (kernel) => {
    const row = table[kernel] as Row<typeof kernel>
    const property = fc.asyncProperty(row, async (drawn) => {
      await expectSameBytesAsync(kernel, drawn, resultOf(kernel, drawn, backend), backend)
    })
    await expect(fc.assert(property, { numRuns: 5 })).resolves.toBeUndefined()
  })

  test('copies operands before it returns', async () => {
    const operands = clampOf(4)
    const done = backend.runAsync('qclamp', operands)
    operands.x.fill(1)
    await done
    expect([...operands.y]).toEqual([5, 5, 5, 5])
  })

  test('takes views of shared memory and of pooled buffers', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(16), 4, 4).fill(9)
    const pooled = Buffer.from([9, 3, 9, 3])
    const y = new Uint8Array(new SharedArrayBuffer(16), 8, 4)
    await backend.runAsync('qclamp', { x: shared, y, lo: 0, hi: 5 })
    expect([...y]).toEqual([5, 5, 5, 5])
    await backend.runAsync('qclamp', { x: pooled, y, lo: 0, hi: 5 })
    expect([...y]).toEqual([5, 3, 5, 3])
    expect([...pooled]).toEqual([9, 3, 9, 3])
  })

  test('leaves the event loop free', async () => {
    const [rows, features] = [3000, 256]
    const operands = {
      op: boundLinear(features),
      x: new Uint8Array(rows * features).fill(1),
      y: new Int32Array(rows * features),
      rows,
    }
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await backend.runAsync('qlinear', operands)
    clearInterval(timer)
    expect(operands.y.at(-1)).toBe(features)
    expect(turns).toBeGreaterThan(5)
  })

  test('sends weights to a worker once', async () => {
    const post = jest.spyOn(Worker.prototype, 'postMessage')
    const own = createJsBackend()
    const op = boundLinear(8)
    for (let i = 0; i < 5; i++) {
      const y = new Int32Array(8)
      await own.runAsync('qlinear', { op, x: new Uint8Array(8).fill(i), y, rows: 1 })
      expect(y[0]).toBe(8 * i)
    }
    const types = post.mock.calls.map(([message]: unknown[]) => (message as { type: string }).type)
    post.mockRestore()
    // What earlier tests let go of may be dropped at any moment.
    const sent = types.filter((type) => type !== 'drop')
    expect(sent).toEqual(['keep', 'keep', 'run', 'run', 'run', 'run', 'run'])
  })

  test('rejects when the kernel throws, and the worker lives on', async () => {
    const broken = { ...clampOf(2), table: null } as unknown
    await expect(backend.runAsync('lookup', broken as Kernels['lookup'])).rejects.toThrow(BackendError)
    await expect(backend.runAsync('qclamp', clampOf(2))).resolves.toBeUndefined()
  })

  test('rejects when y was detached meanwhile', async () => {
    const operands = clampOf(2)
    const done = backend.runAsync('qclamp', operands)
    structuredClone(operands.y.buffer, { transfer: [operands.y.buffer as ArrayBuffer] })
    await expect(done).rejects.toThrow('y cannot take the result')
  })
})

describe('the worker pool', () => {
  const folder = mkdtempSync(join(tmpdir(), 'int8-'))
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  function poolOf(source: string): ReturnType<typeof createWorkerPool> {
    const file = join(folder, `${String(source.length)}.js`)
    writeFileSync(file, source)
    return createWorkerPool(file)
  }

  test('says how to make the worker when its file is missing', () => {
    const pool = createWorkerPool(join(folder, 'missing.js'))
    expect(() => pool.run('qclamp', clampOf(1))).toThrow(BackendError)
    expect(() => pool.run('qclamp', clampOf(1))).toThrow('npm run compile')
  })

  test('rejects what a worker had to do when it throws, and starts another', async () => {
    const pool = poolOf(`throw new Error('no luck')`)
    await expect(pool.run('qclamp', clampOf(1))).rejects.toThrow('no luck')
    await expect(pool.run('qclamp', clampOf(1))).rejects.toThrow('no luck')
  })

  test('rejects what a worker had to do when it ends', async () => {
    const pool = poolOf(`require('node:worker_threads').parentPort.on('message', () => process.exit(0))`)
    await expect(pool.run('qclamp', clampOf(1))).rejects.toThrow('ended before its run did')
  })

  test('lets the process end once the last run is done', () => {
    const script = `
      const { createJsBackend } = require('./dist/lib/int8.js')
      const y = new Uint8Array(1)
      createJsBackend().runAsync('qclamp', { x: Uint8Array.of(9), y, lo: 0, hi: 5 }).then(() => console.log(y[0]))`
    const output = execFileSync(process.execPath, ['-e', script], { timeout: 20_000, encoding: 'utf8' })
    expect(output).toBe('5\n')
  })
})
