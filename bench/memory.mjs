// npm run bench -- memory [--isa NAME] [--threads N] [--json FILE] [--budget SECONDS]
//
// Kernels that memory bounds, on operands far beyond the second cache: the bytes of their operands over their time,
// and how much of what a loop reaches that only reads and writes as many. Kernel and loop take turns.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { backend } from '../dist/index.js'
import { buildKernelBench, measureStream } from './lib/kernels.mjs'
import { createTable, percent } from './lib/table.mjs'

const codes = 16 << 20
const floats = 4 << 20

// As the C++ benchmark takes them (bench/cpp/main.cc).
const kernels = [
  ...['quantize', 'dequantize'].map((op) => `elementwise ${op} ${codes}`),
  ...['requantize', 'qclamp', 'lookup', 'qadd', 'qmul'].map((op) => `elementwise ${op} ${codes}`),
  ...['fadd', 'fclamp'].map((op) => `elementwise ${op} ${floats}`),
  ...['qmax', 'qavg'].flatMap((op) => [`pool ${op} 16 64 128 2 2`, `pool ${op} 16 64 128 3 2`]),
  ...['fmax', 'favg'].flatMap((op) => [`pool ${op} 4 64 128 2 2`, `pool ${op} 4 64 128 3 2`]),
  ...['channels-last', 'contiguous'].flatMap((format) => [
    `layout u8 ${format} 100 3 50176`,
    `layout u8 ${format} 64 64 4096`,
    `layout u8 ${format} 64 256 1024`,
    `layout u8 ${format} 160 2048 49`,
    `layout f32 ${format} 25 3 50176`,
    `layout f32 ${format} 16 64 4096`,
    `layout f32 ${format} 16 256 1024`,
    `layout f32 ${format} 40 2048 49`,
  ]),
]

/** The `memory` benchmark. */
export function memory(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      isa: { type: 'string', default: backend.isa },
      threads: { type: 'string', default: '1' },
      json: { type: 'string' },
      budget: { type: 'string', default: '0.3' },
    },
  })
  const { isa, threads } = options
  buildKernelBench()
  console.log(`${isa}, threads: ${threads}; GB/s of the operands' bytes, against a loop that only reads and writes\n`)
  const table = createTable([
    ['kernel', 44, ({ name }) => name],
    ['ms', 9, ({ medianMs }) => medianMs.toFixed(3)],
    ['GB/s', 8, ({ gbps }) => gbps.toFixed(1)],
    ['loop', 8, ({ roofGbps }) => roofGbps.toFixed(1)],
    ['of it', 8, ({ ofRoof }) => percent(ofRoof)],
  ])
  table.head()
  const rows = kernels.map((name) => {
    const row = { name, ...measureStream(name.split(' '), { seconds: options.budget, isa, threads }) }
    table.row(row)
    return row
  })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
