// npm run bench -- layers [--json FILE] [--filter TEXT] [--budget SECONDS]
//
// Each layer of layers.json (u8 x s8, per channel, channels-last, one thread): int8's kernel, its share of this CPU's
// multiply-add roof, and onnxruntime-node on the same numbers, whose time is its kernel's too (by its own profiler).
// Beside them a whole call of int8 from JavaScript, checks and a new result included. Medians; all take turns.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { buildKernelBench, measureKernel, measureRoof } from './lib/kernels.mjs'
import { prepareLayer } from './lib/ours.mjs'
import { createPeer } from './lib/ort.mjs'
import { median, runsFor, sample } from './lib/timing.mjs'

const rounds = 3

function sameBytes(a, b) {
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(Buffer.from(b.buffer, b.byteOffset, b.length))
}

async function measure(layer, budget) {
  const { run, model, feed } = prepareLayer(layer)
  const peer = await createPeer(model, feed.data, feed.dims)
  const same = sameBytes(run().storage, await peer.run())
  const count = runsFor(run, (1000 * budget) / rounds, [3, 400])
  const kernel = []
  const calls = []
  for (let round = 0; round < rounds; round++) {
    kernel.push(measureKernel(layer, budget / rounds))
    for (let i = 0; i < count; i++) await peer.run()
    calls.push(...sample(run, count))
  }
  const ms = median(kernel.map((k) => k.ms))
  const gops = (2 * layer.macs) / ms / 1e6
  const roof = Math.max(...kernel.map((k) => k.roof))
  const ortMs = median((await peer.times()).slice(1))
  return { name: layer.name, ms, gops, roofShare: gops / roof, ortMs, callMs: median(calls), same }
}

const columns = [
  ['ms', 9, ({ ms }) => ms.toFixed(4)],
  ['GOPS', 7, ({ gops }) => gops.toFixed(0)],
  ['of roof', 9, ({ roofShare }) => `${(100 * roofShare).toFixed(0)} %`],
  ['ort ms', 9, ({ ortMs }) => ortMs.toFixed(3)],
  ['ort/int8', 9, ({ ortMs, ms }) => `${(ortMs / ms).toFixed(2)}x`],
  ['call ms', 9, ({ callMs }) => callMs.toFixed(4)],
  ['same bytes', 11, ({ same }) => (same ? 'yes' : 'NO')],
]

const line = (name, cell) => name.padEnd(34) + columns.map((column) => cell(column).padStart(column[1])).join('')

/** The `layers` benchmark. */
export async function layers(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      filter: { type: 'string', default: '' },
      budget: { type: 'string', default: '0.4' },
    },
  })
  backend.setNumThreads(1)
  buildKernelBench()
  const all = JSON.parse(readFileSync(fileURLToPath(new URL('layers.json', import.meta.url)), 'utf8'))
  console.log(`${cpus()[0].model}; ${backend.isa}, one thread; roof ${measureRoof().toFixed(0)} GOPS\n`)
  console.log(line('layer', ([title]) => title))
  const rows = []
  for (const layer of all.filter(({ name }) => name.includes(options.filter))) {
    const row = await measure(layer, Number(options.budget))
    rows.push(row)
    console.log(line(row.name, ([, , text]) => text(row)))
  }
  const mean = Math.exp(rows.reduce((sum, { ms, ortMs }) => sum + Math.log(ortMs / ms), 0) / rows.length)
  console.log(
    `\nonnxruntime-node takes ${mean.toFixed(2)} times as long, geometric mean of ${String(rows.length)} layers`,
  )
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
