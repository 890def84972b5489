/**
 * Calls off the event loop: the bytes of the serial calls from any number of calls and threads, no libuv thread taken,
 * no way to harm a call under way, and an end of the process or worker at any time.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { loadNative } from '../../src/backend/native'
import { addon } from './calls'
import { addonPath, children } from './addon-path'
import { makeConv } from './children/conv.js'
import { detach, resizable } from './hostile'

const path = addonPath()
const conv = makeConv(addon)
const digest = (y: Uint8Array): string => createHash('sha256').update(y).digest('hex')

function child(script: string, args: readonly string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [join(children, script), path, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  })
}

test('64 calls in flight give the bytes of serial calls', async () => {
  const seeds = Array.from({ length: 64 }, (_, i) => i)
  const serial = seeds.map((seed) => digest(conv.now(seed)))
  expect(new Set(serial).size).toBe(64)
  const parallel = await Promise.all(seeds.map((seed) => conv.later(seed)))
  expect(parallel.map(digest)).toEqual(serial)
})

test('calls from four worker threads at once give the bytes of serial calls', async () => {
  const seeds = Array.from({ length: 16 }, (_, i) => i)
  const serial = seeds.map((seed) => digest(conv.now(seed)))
  const answers = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const worker = new Worker(join(children, 'worker.js'), { workerData: { path, seeds } })
      return new Promise<{ now: Uint8Array[]; later: Uint8Array[] }>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
    }),
  )
  for (const { now, later } of answers) {
    expect(now.map(digest)).toEqual(serial)
    expect(later.map(digest)).toEqual(serial)
  }
})

test('a worker that is terminated with calls under way takes nothing else down', async () => {
  const expected = conv.now(5)
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(join(children, 'exit.js'), { workerData: { path, how: 'in a worker' } })
    await new Promise((resolve) => worker.once('message', resolve))
    const own = conv.later(5)
    await worker.terminate()
    expect(await own).toEqual(expected)
  }
})

test('y keeps what it held until the promise resolves', async () => {
  const y = new Uint8Array(4).fill(9)
  const running = addon.qclampAsync(Uint8Array.of(1, 2, 3, 4), y, 2, 3)
  const start = Date.now()
  while (Date.now() - start < 20); // the call is over by now, on its own thread
  expect([...y]).toEqual([9, 9, 9, 9])
  await running
  expect([...y]).toEqual([2, 2, 3, 3])
})

test('an input that is changed, detached or shrunk after the start makes no difference', async () => {
  const expected = conv.now(7)
  const results: Uint8Array[] = []
  const changes: ((x: Uint8Array) => void)[] = [
    (x) => x.fill(0),
    detach,
    (x) => {
      ;(x.buffer as ReturnType<typeof resizable>).resize(0)
    },
  ]
  for (const change of changes) {
    const x = new Uint8Array(resizable(conv.size, conv.size), 0, conv.size)
    x.set(conv.input(7))
    const y = new Uint8Array(conv.size)
    const running = addon.qconvAsync(conv.op, x, y, conv.geometry)
    change(x)
    await running
    results.push(y)
  }
  expect(results).toEqual([expected, expected, expected])
})

test('a result that is detached or resized under way rejects the promise', async () => {
  const lost = /^qconvAsync: argument y was detached or resized while the call was under way/
  const detached = new Uint8Array(conv.size)
  const first = addon.qconvAsync(conv.op, conv.input(1), detached, conv.geometry)
  detach(detached)
  await expect(first).rejects.toThrow(lost)

  const buffer = resizable(conv.size, conv.size * 2)
  const second = addon.qconvAsync(conv.op, conv.input(1), new Uint8Array(buffer), conv.geometry)
  buffer.resize(conv.size / 2)
  await expect(second).rejects.toThrow(lost)
})

test('an error found after the call has the stack of the caller', async () => {
  const y = new Uint8Array(4)
  async function theCaller(): Promise<void> {
    await loadNative().runAsync('qclamp', { x: new Uint8Array(4), y, lo: 0, hi: 1 })
  }
  const running = theCaller()
  detach(y)
  const error: unknown = await running.catch((error: unknown) => error)
  expect(error).toHaveProperty('stack', expect.stringMatching(/^TypeError: qclampAsync: argument y was.*theCaller/s))
})

test('a bad argument rejects the promise of runAsync, it does not throw', async () => {
  const running = loadNative().runAsync('qclamp', { x: new Uint8Array(4), y: new Uint8Array(3), lo: 0, hi: 1 })
  await expect(running).rejects.toThrow('qclampAsync: argument y needs 4 bytes, has 3')
})

test("calls do not wait for libuv's threads", () => {
  const { stdout } = child('threads.js', [], { UV_THREADPOOL_SIZE: '1' })
  expect(stdout).toBe('addon then libuv')
})

;(process.platform === 'linux' ? describe : describe.skip)("the addon's threads", () => {
  test('block every signal, so that handlers run on threads of Node', () => {
    const masks = JSON.parse(child('signals.js', []).stdout) as string[]
    expect(masks.length).toBeGreaterThan(1)
    // Signals 1 to 31 but SIGKILL and SIGSTOP, which cannot be blocked.
    const free = masks.map((mask) => ~BigInt(`0x${mask}`) & 0x7fff_ffffn & ~(1n << 8n) & ~(1n << 18n))
    expect(free).toEqual(masks.map(() => 0n))
  })
})

describe('a process that ends', () => {
  const fine = (stdout: string): unknown => expect.objectContaining({ status: 0, signal: null, stderr: '', stdout })

  test('naturally waits for its calls', () => {
    expect(child('exit.js', ['naturally'])).toEqual(fine('all done'))
  })

  test.each(['process.exit', 'process.exit after the first'])(
    'by %s, with calls queued and running, exits 0',
    (how) => {
      for (let round = 0; round < 5; round++) expect(child('exit.js', [how])).toEqual(fine(''))
    },
  )

  test('by an uncaught error, with calls under way, exits 1', () => {
    const { status, signal, stderr } = child('exit.js', ['an uncaught error'])
    expect({ status, signal }).toEqual({ status: 1, signal: null })
    expect(stderr).toContain('on purpose')
  })

  test.each(['terminating the only worker', 'process.exit of the only worker'])(
    'can load the addon again after %s that had loaded it',
    (how) => {
      for (let round = 0; round < 3; round++) expect(child('exit.js', [how])).toEqual(fine('all done'))
    },
  )
})
