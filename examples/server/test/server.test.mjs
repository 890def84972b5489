// The server over HTTP: answers, refusals, back-pressure, metrics, a graceful stop.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadSafetensorsSync } from 'int8'
import { InferenceSession } from 'int8/onnx'
import { ensureModel } from '../model.mjs'
import { createServer } from '../server.mjs'

const folder = mkdtempSync(join(tmpdir(), 'int8-server-test-'))
const model = join(folder, 'mnist.int8')
const { tensors } = loadSafetensorsSync(
  fileURLToPath(new URL('../../data/mnist/mnist_test1000.safetensors', import.meta.url)),
)
const digits = tensors.get('images').data
const labels = tensors.get('labels').data
const digit = (i) => Buffer.from(digits.subarray(784 * i, 784 * (i + 1)))

let app
let address
before(async () => {
  await ensureModel(model)
  app = await createServer(model, { capacity: 64, batch: 8 })
  address = await app.listen({ port: 0, host: '127.0.0.1' })
})
after(async () => {
  await app.close()
  rmSync(folder, { recursive: true })
})
const classify = (body, base = address, type = 'application/octet-stream') =>
  fetch(`${base}/classify`, { method: 'POST', headers: { 'content-type': type }, body })

test('classifies digits, one and many at a time', async () => {
  const one = await (await classify(digit(0))).json()
  assert.equal(one.label, labels[0])
  assert.equal(one.probabilities.length, 10)
  assert.ok(Math.abs(one.probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-6)
  const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => (await classify(digit(i))).json()))
  const right = answers.filter(({ label }, i) => label === labels[i]).length
  assert.ok(right >= 48, `${right} of 50 right`)
})

test('an image is the same in a batch as alone', async () => {
  const alone = await (await classify(digit(7))).json()
  const together = await Promise.all(Array.from({ length: 20 }, async (_, i) => (await classify(digit(i))).json()))
  assert.deepEqual(together[7], alone)
})

test('refuses what is no image', async () => {
  for (const [body, type] of [
    [Buffer.alloc(783), 'application/octet-stream'],
    [Buffer.alloc(0), 'application/octet-stream'],
  ]) {
    const answer = await classify(body, address, type)
    assert.equal(answer.status, 400)
    assert.match((await answer.json()).error ?? '', /784 bytes|empty/)
  }
  assert.equal((await classify(Buffer.alloc(784), address, 'text/html')).status, 415)
  assert.equal((await classify(Buffer.alloc(100_000))).status, 413)
})

test('tells its health and its metrics', async () => {
  assert.equal((await (await fetch(`${address}/health`)).json()).status, 'ok')
  const metrics = await (await fetch(`${address}/metrics`)).text()
  assert.match(metrics, /^classify_requests_total\{status="200"\} \d+$/m)
  assert.match(metrics, /^classify_requests_total\{status="400"\} 2$/m)
  assert.match(metrics, /^classify_batch_size_count \d+$/m)
  assert.match(metrics, /^nodejs_eventloop_lag_p99_seconds /m)
})

test('answers 503 at once when its queue is full, and goes on', async () => {
  // Runs wait until the queue is known to be full.
  const session = await InferenceSession.create(model)
  let open
  const gate = new Promise((resolve) => (open = resolve))
  const slow = { run: async (feeds) => (await gate, session.run(feeds)), dispose: () => session.dispose() }
  const small = await createServer(slow, { capacity: 2, batch: 1 })
  try {
    const base = await small.listen({ port: 0, host: '127.0.0.1' })
    const refused = []
    // One runs and two wait at most: of eight, five are refused.
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const answer = await classify(digit(0), base)
        if (answer.status === 503 && refused.push(answer) === 5) open()
        return answer
      }),
    )
    assert.equal(refused[0].headers.get('retry-after'), '1')
    for (const { status } of answers) assert.ok([200, 503].includes(status))
    assert.ok(answers.some(({ status }) => status === 200))
    assert.equal((await classify(digit(0), base)).status, 200)
  } finally {
    open()
    await small.close()
  }
})

test('stops on SIGTERM with all that wait answered', async () => {
  const main = fileURLToPath(new URL('../main.mjs', import.meta.url))
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: '0', MODEL: model },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve([code, signal])))
  const line = await new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text))))
  const base = /http:\S+/.exec(line)[0]
  const pending = Array.from({ length: 32 }, () => classify(digit(3), base))
  await (await pending[0]).json()
  child.kill('SIGTERM')
  for (const answer of await Promise.allSettled(pending))
    if (answer.status === 'fulfilled') assert.ok([200, 503].includes(answer.value.status))
  assert.deepEqual(await exited, [0, null])
})
