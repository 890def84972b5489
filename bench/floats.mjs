// npm run bench -- floats [--json FILE] [--filter TEXT] [--budget SECONDS]
//
// Each layer of layers.json in float32, one thread: a whole call of int8 from JavaScript (channels-last), and
// onnxruntime-node's kernels by its own profiler (its own layout, reorderings included). Medians; both take turns.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { prepareFloatLayer } from './lib/ours.mjs'
import { createPeer } from './lib/ort.mjs'
import { createTable, geometricMean, times } from './lib/table.mjs'
import { median, runsFor, sample } from './lib/timing.mjs'

const rounds = 3

async function measure(layer, budget) {
  const { run, model, feed } = prepareFloatLayer(layer)
  const ort = await createPeer(model, feed)
  const ours = run().data
  const theirs = await ort.run()
  const largest = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const apart = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i])), 0) / largest
  const count = runsFor(run, (1000 * budget) / rounds, [3, 400])
  const calls = []
  for (let round = 0; round < rounds; round++) {
    calls.push(...sample(run, count))
    for (let i = 0; i < count; i++) await ort.run()
  }
  const callMs = median(calls)
  return {
    name: layer.name,
    callMs,
    gflops: (2 * layer.macs) / callMs / 1e6,
    ortMs: median((await ort.times()).slice(1)),
    apart,
  }
}

/** The `floats` benchmark. */
export async function floats(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      filter: { type: 'string', default: '' },
      budget: { type: 'string', default: '0.4' },
    },
  })
  backend.setNumThreads(1)
  const all = JSON.parse(readFileSync(fileURLToPath(new URL('layers.json', import.meta.url)), 'utf8'))
  console.log(`${cpus()[0].model}; ${backend.isa}, float32, one thread\n`)
  const table = createTable([
    ['layer', 32, ({ name }) => name],
    ['call ms', 10, ({ callMs }) => callMs.toFixed(4)],
    ['GFLOPS', 8, ({ gflops }) => gflops.toFixed(0)],
    ['ort ms', 10, ({ ortMs }) => ortMs.toFixed(3)],
    ['ort/int8', 10, ({ ortMs, callMs }) => times(ortMs / callMs)],
    ['apart', 10, ({ apart }) => apart.toExponential(0)],
  ])
  table.head()
  const rows = []
  for (const layer of all.filter(({ name }) => name.includes(options.filter))) {
    rows.push(await measure(layer, Number(options.budget)))
    table.row(rows.at(-1))
  }
  const mean = geometricMean(rows.map(({ ortMs, callMs }) => ortMs / callMs))
  console.log(`\nonnxruntime-node takes ${times(mean)} as long, geometric mean of ${String(rows.length)} layers`)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
