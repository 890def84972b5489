// npm run load [-- SECONDS CONNECTIONS]: a server under load, and what its event loop suffers. The load comes from a
// process of its own.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ensureModel } from './model.mjs'
import { createServer } from './server.mjs'

const [seconds = '10', connections = '64'] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'int8-server-'))
const model = join(folder, 'mnist.int8')
await ensureModel(model)
const app = await createServer(model)
const address = await app.listen({ port: 0, host: '127.0.0.1' })
const autocannon = createRequire(import.meta.url).resolve('autocannon/autocannon.js')
const body = 'a'.repeat(784)
const run = (duration) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [
      ...[autocannon, '--json', '-n', '-d', duration, '-c', connections, '-m', 'POST'],
      ...['-H', 'content-type=application/octet-stream', '-b', body, `${address}/classify`],
    ])
    let text = ''
    child.stdout.on('data', (part) => (text += part))
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`autocannon: ${code}`))))
  })
await run('2')
// What is measured is the delay beyond the timer's own period.
const resolution = 1
const delay = monitorEventLoopDelay({ resolution })
delay.enable()
const result = await run(seconds)
delay.disable()
const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - resolution).toFixed(2)
console.log(`${result.requests.average} requests a second, ${connections} connections, ${result.non2xx} refused`)
console.log(`latency: median ${result.latency.p50} ms, 99 % ${result.latency.p99} ms`)
console.log(
  `event loop delay: median ${ms(delay.percentile(50))} ms, 99 % ${ms(delay.percentile(99))} ms, most ${ms(delay.max)} ms`,
)
await app.close()
rmSync(folder, { recursive: true })
