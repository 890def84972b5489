// npm run bench -- calls [--json FILE]
//
// What a call costs from JavaScript to JavaScript beside its arithmetic: the sync form of ops on operands of a few
// elements, checks and a new result included. Nanoseconds, the median of many loops.
import { writeFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { backend, fromIntRepr, functional, nn, ops, quantizePerTensor, tensor } from '../dist/index.js'
import { createTable } from './lib/table.mjs'
import { median } from './lib/timing.mjs'

const loops = 31
const callsPerLoop = 2000

/** Small operands, and a call of each op on them. */
function smallCalls() {
  const q = ops.quantized
  const floats = tensor(
    Float32Array.from({ length: 64 }, (_, i) => i / 32 - 1),
    [1, 4, 4, 4],
  )
  const codes = quantizePerTensor(floats, 1 / 64, 64, 'quint8').contiguous('channelsLast')
  const row = fromIntRepr(new Uint8Array(16).fill(130), [1, 16], 'quint8', { scale: 0.1, zeroPoint: 128 })
  const weight = (shape, length) =>
    fromIntRepr(new Int8Array(length).fill(3), shape, 'qint8', { scale: 0.1, zeroPoint: 0 })
  const conv = q.conv2dPrepack(weight([4, 4, 1, 1], 16), null)
  const linear = q.linearPrepack(weight([16, 16], 256), null)
  const relu = new nn.ReLU()
  return {
    'quantizePerTensor 64': () => quantizePerTensor(floats, 1 / 64, 64, 'quint8'),
    'dequantize 64': () => codes.dequantize(),
    'functional.relu 64': () => functional.relu(floats),
    'quantized.relu 64': () => q.relu(codes),
    'nn.ReLU 64': () => relu.forward(codes),
    'quantized.sigmoid 64': () => q.sigmoid(codes),
    'quantized.requantize 64': () => q.requantize(codes, 0.05, 3),
    'quantized.add 64': () => q.add(codes, codes, 0.05, 128),
    'quantized.maxPool2d 4x4': () => q.maxPool2d(codes, 2),
    'quantized.adaptiveAvgPool2d 4x4': () => q.adaptiveAvgPool2d(codes, 1),
    'quantized.conv2d 4->4 4x4': () => q.conv2d(codes, conv, 0.1, 128),
    'quantized.linear 16->16': () => q.linear(row, linear, 0.1, 128),
  }
}

/** Median and least nanoseconds of a call. */
function nanoseconds(call) {
  for (let i = 0; i < 5 * callsPerLoop; i++) call()
  const times = []
  for (let loop = 0; loop < loops; loop++) {
    const start = performance.now()
    for (let i = 0; i < callsPerLoop; i++) call()
    times.push((1e6 * (performance.now() - start)) / callsPerLoop)
  }
  return { ns: median(times), leastNs: Math.min(...times) }
}

/** The `calls` benchmark. */
export function calls(args) {
  const { values: options } = parseArgs({ args, options: { json: { type: 'string' } } })
  backend.setNumThreads(1)
  console.log(
    `Node ${process.version}, ${backend.isa}: median and least nanoseconds of a call, from JavaScript to JavaScript\n`,
  )
  const table = createTable([
    ['call', 34, ({ name }) => name],
    ['ns', 8, ({ ns }) => ns.toFixed(0)],
    ['least', 8, ({ leastNs }) => leastNs.toFixed(0)],
  ])
  table.head()
  const rows = Object.entries(smallCalls()).map(([name, call]) => {
    const row = { name, ...nanoseconds(call) }
    table.row(row)
    return row
  })
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`)
}
