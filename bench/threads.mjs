// npm run bench -- threads [--threads N] [--isa NAME] [--json FILE] [--budget SECONDS]
//
// The convolutions of ResNet-50 (224 x 224, stride in the 3x3 as PyTorch has it), int8's kernels on one thread and on
// several in turn, and the sum over the network, each layer as often as it stands there. Beside the medians stands what
// the least times give: where others use the machine's cores, several threads wait for whichever is disturbed, and medians
// say more of the machine than of the kernels.
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { buildKernelBench, measureKernel } from './lib/kernels.mjs'
import { createTable, times } from './lib/table.mjs'
import { median } from './lib/timing.mjs'

const rounds = 3

/** The layers of ResNet-50 with the number of times that each stands in it. */
function resnet50() {
  const counts = new Map()
  const add = (ci, co, k, s, hw) => {
    const key = JSON.stringify({ op: 'conv', ci, co, k, s, hw, g: 1 })
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  add(3, 64, 7, 2, 224)
  let input = 64
  let size = 56
  for (const [width, blocks, firstStride] of [
    [64, 3, 1],
    [128, 4, 2],
    [256, 6, 2],
    [512, 3, 2],
  ]) {
    for (let block = 0; block < blocks; block++) {
      const stride = block === 0 ? firstStride : 1
      add(input, width, 1, 1, size)
      add(width, width, 3, stride, size)
      if (block === 0) add(input, 4 * width, 1, stride, size)
      size /= stride
      add(width, 4 * width, 1, 1, size)
      input = 4 * width
    }
  }
  return [...counts].map(([key, count]) => ({ ...JSON.parse(key), count }))
}

/** The `threads` benchmark. */
export function threads(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      threads: { type: 'string', default: String(availableParallelism()) },
      isa: { type: 'string', default: backend.isa },
      json: { type: 'string' },
      budget: { type: 'string', default: '0.3' },
    },
  })
  const { isa } = options
  const many = Number(options.threads)
  const seconds = Number(options.budget) / rounds
  buildKernelBench()
  console.log(`ResNet-50, ${isa}, 1 and ${String(many)} threads\n`)
  const table = createTable([
    ['layer', 26, ({ name }) => name],
    ['times', 6, ({ count }) => String(count)],
    ['1 thread', 10, ({ one }) => one.toFixed(4)],
    [`${String(many)} threads`, 11, ({ several }) => several.toFixed(4)],
    ['speed-up', 10, ({ one, several }) => times(one / several)],
    ['of least', 10, ({ oneLeast, severalLeast }) => times(oneLeast / severalLeast)],
  ])
  table.head()
  const rows = resnet50().map((layer) => {
    const one = []
    const several = []
    for (let round = 0; round < rounds; round++) {
      one.push(measureKernel(layer, { seconds, isa }))
      several.push(measureKernel(layer, { seconds, isa, threads: many }))
    }
    const medianOf = (list) => median(list.map(({ ms }) => ms))
    const leastOf = (list) => Math.min(...list.map(({ leastMs }) => leastMs))
    const { ci, co, k, s, hw, count } = layer
    const row = {
      name: [`${ci}->${co}`, `k${k}`, `s${s}`, hw].join(' '),
      count,
      one: medianOf(one),
      several: medianOf(several),
      oneLeast: leastOf(one),
      severalLeast: leastOf(several),
    }
    table.row(row)
    return row
  })
  const total = (time) => rows.reduce((sum, row) => sum + row.count * row[time], 0)
  table.row({
    name: 'all',
    count: rows.reduce((sum, { count }) => sum + count, 0),
    one: total('one'),
    several: total('several'),
    oneLeast: total('oneLeast'),
    severalLeast: total('severalLeast'),
  })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
