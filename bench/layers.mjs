// npm run bench -- layers [--isa NAME,NAME] [--json FILE] [--filter TEXT] [--budget SECONDS]
//
// Each layer of layers.json (u8 x s8, per channel, channels-last, one thread): int8's kernels on one or more instruction
// sets and their share of this CPU's multiply-add roof; onnxruntime-node on the same numbers, whose time is its kernel's
// too (by its own profiler); PyTorch's onednn engine, where a Python has it. Beside them a whole call of int8 from
// JavaScript, checks and a new result included. Medians; all take turns.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { buildKernelBench, measureKernel, measureRoof } from './lib/kernels.mjs'
import { prepareLayer } from './lib/ours.mjs'
import { createPeer } from './lib/ort.mjs'
import { createTable, geometricMean, percent, times } from './lib/table.mjs'
import { median, runsFor, sample } from './lib/timing.mjs'
import { startTorch } from './lib/torch.mjs'

const rounds = 9

function sameBytes(a, b) {
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(Buffer.from(b.buffer, b.byteOffset, b.length))
}

async function measure(layer, isas, budget, torch) {
  const { run, model, feed } = prepareLayer(layer)
  const ort = await createPeer(model, feed)
  const same = sameBytes(run().storage, await ort.run())
  const count = runsFor(run, (1000 * budget) / rounds, [2, 400])
  const seconds = budget / rounds
  const kernels = isas.map(() => [])
  const calls = []
  const torchTimes = []
  for (let round = 0; round < rounds; round++) {
    isas.forEach((isa, i) => kernels[i].push(measureKernel(layer, { seconds, isa })))
    for (let i = 0; i < count; i++) await ort.run()
    if (torch !== undefined) torchTimes.push(await torch.measure(layer, seconds))
    calls.push(...sample(run, count))
  }
  const results = isas.map((isa, i) => {
    const ms = median(kernels[i].map((kernel) => kernel.ms))
    const gops = (2 * layer.macs) / ms / 1e6
    return { isa, ms, gops, roofShare: gops / Math.max(...kernels[i].map(({ roof }) => roof)) }
  })
  return {
    name: layer.name,
    macs: layer.macs,
    results,
    ortMs: median((await ort.times()).slice(1)),
    torchMs: torch && median(torchTimes),
    callMs: median(calls),
    same,
  }
}

const columnsOf = (isas) => [
  ['layer', 32, ({ name }) => name],
  ...isas.flatMap((isa, i) => [
    [`${isa} ms`, 15, ({ results }) => results[i].ms.toFixed(4)],
    ['of roof', 9, ({ results }) => percent(results[i].roofShare)],
  ]),
  ['ort ms', 9, ({ ortMs }) => ortMs.toFixed(3)],
  ['ort/int8', 9, ({ ortMs, results }) => times(ortMs / results[0].ms)],
  ['torch ms', 9, ({ torchMs }) => torchMs?.toFixed(3) ?? '-'],
  ['torch/int8', 11, ({ torchMs, results }) => times(torchMs && torchMs / results[0].ms)],
  ['call ms', 9, ({ callMs }) => callMs.toFixed(4)],
  ['same bytes', 11, ({ same }) => (same ? 'yes' : 'NO')],
]

/** The `layers` benchmark. */
export async function layers(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      isa: { type: 'string', default: backend.isa },
      json: { type: 'string' },
      filter: { type: 'string', default: '' },
      budget: { type: 'string', default: '0.6' },
    },
  })
  const isas = options.isa.split(',')
  backend.setNumThreads(1)
  buildKernelBench()
  const all = JSON.parse(readFileSync(fileURLToPath(new URL('layers.json', import.meta.url)), 'utf8'))
  const torch = await startTorch()
  const roofs = isas.map((isa) => `${isa} ${measureRoof(isa).toFixed(0)}`)
  console.log(`${cpus()[0].model}, one thread; calls on ${backend.isa}; roofs in GOPS: ${roofs.join(', ')}`)
  console.log(torch ? `PyTorch ${torch.version}\n` : 'no Python with PyTorch here: its columns stay empty\n')
  const table = createTable(columnsOf(isas))
  table.head()
  const rows = []
  for (const layer of all.filter(({ name }) => name.includes(options.filter))) {
    rows.push(await measure(layer, isas, Number(options.budget), torch))
    table.row(rows.at(-1))
  }
  torch?.stop()
  console.log('\ngeometric means, times as long as int8:')
  isas.forEach((isa, i) => {
    const peer = (name) => times(geometricMean(rows.map((row) => row[name] / row.results[i].ms)))
    console.log(`${isa}: onnxruntime-node ${peer('ortMs')}${torch ? `, PyTorch ${peer('torchMs')}` : ''}`)
  })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
