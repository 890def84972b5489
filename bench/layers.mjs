// npm run bench -- layers [--json FILE] [--filter TEXT] [--budget MS]
//
// Each layer of layers.json (u8 x s8, per channel, channels-last, one thread): int8 through its public API, the share of
// this CPU's multiply-add roof, and onnxruntime-node on the same numbers. Medians; the two take turns.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { prepareLayer } from './lib/ours.mjs'
import { createPeer } from './lib/ort.mjs'
import { prepareRoof } from './lib/roof.mjs'
import { median, runsFor, sample } from './lib/timing.mjs'

const rounds = 5

async function measure(layer, budget, roofNow) {
  const { run, model, feed } = prepareLayer(layer)
  const peer = await createPeer(model, feed.data, feed.dims)
  const ours = run()
  const theirs = await peer.run()
  const same =
    Buffer.compare(
      Buffer.from(ours.storage.buffer),
      Buffer.from(theirs.buffer, theirs.byteOffset, theirs.byteLength),
    ) === 0

  const count = runsFor(run, budget / rounds, [3, 400])
  const times = []
  const before = roofNow()
  for (let round = 0; round < rounds; round++) {
    times.push(...sample(run, count))
    for (let i = 0; i < count; i++) await peer.run()
  }
  const ms = median(times)
  const ortMs = median((await peer.times()).slice(1))
  const gops = (2 * layer.macs) / ms / 1e6
  const roof = Math.max(before, roofNow())
  return { name: layer.name, ms, gops, roofShare: gops / roof, ortMs, same }
}

const cell = (text, width) => String(text).padStart(width)

function printRow({ name, ms, gops, roofShare, ortMs, same }) {
  console.log(
    name.padEnd(34),
    cell(ms.toFixed(4), 9),
    cell(gops.toFixed(0), 7),
    cell(`${(100 * roofShare).toFixed(0)} %`, 7),
    cell(ortMs.toFixed(3), 9),
    cell(`${(ortMs / ms).toFixed(2)}x`, 8),
    cell(same ? 'yes' : 'no', 6),
  )
}

/** The `layers` benchmark. */
export async function layers(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      filter: { type: 'string', default: '' },
      budget: { type: 'string', default: '400' },
    },
  })
  backend.setNumThreads(1)
  const roofNow = prepareRoof()
  const all = JSON.parse(readFileSync(fileURLToPath(new URL('layers.json', import.meta.url)), 'utf8'))
  const cpu = execFileSync('sh', ['-c', "grep -m1 'model name' /proc/cpuinfo || true"], { encoding: 'utf8' }).trim()
  console.log(
    `${cpu}\nint8: ${backend.name}, ${backend.isa}, 1 thread; roof ${roofNow().toFixed(0)} GOPS, measured around each layer; onnxruntime-node: kernel time by its profiler\n`,
  )
  console.log(
    'layer'.padEnd(34),
    cell('ms', 9),
    cell('GOPS', 7),
    cell('roof', 7),
    cell('ort ms', 9),
    cell('ratio', 8),
    cell('same', 6),
  )
  const rows = []
  for (const layer of all.filter(({ name }) => name.includes(options.filter))) {
    const row = await measure(layer, Number(options.budget), roofNow)
    rows.push(row)
    printRow(row)
  }
  const mean = Math.exp(rows.reduce((sum, { ms, ortMs }) => sum + Math.log(ortMs / ms), 0) / rows.length)
  console.log(`\ngeometric mean against onnxruntime-node: ${mean.toFixed(2)}x on ${String(rows.length)} layers`)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
