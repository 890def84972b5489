// npm run bench -- loading [--json FILE] [--rounds N]
//
// What it takes to have a quantized network ready, and the memory that it then holds: our saved session, the ONNX file
// here, and the ONNX file in onnxruntime-node. Each in processes of its own. `cold` is the first session of a process,
// `warm` the median of the next nine; `load` makes the session, `ready` also what its first run waits for before it
// computes (a plan, in ours). `memory` is what the process's resident memory grew by from before the first session until
// after ten runs, with one thread.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { InferenceSession, quantizeOnnx, Tensor } from '../dist/onnx.js'
import { mobilenetV2, resnet50 } from './lib/networks.mjs'
import { samples } from './lib/pictures.mjs'
import { createTable } from './lib/table.mjs'
import { median } from './lib/timing.mjs'

const child = fileURLToPath(new URL('./lib/loading-child.mjs', import.meta.url))

/** Runs the child some times; medians of what it tells. */
function measure(runtime, path, rounds) {
  const results = Array.from({ length: rounds }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', child, runtime, path], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout)
  })
  return Object.fromEntries(Object.keys(results[0]).map((key) => [key, median(results.map((result) => result[key]))]))
}

/** The `loading` benchmark. */
export async function loading(args) {
  const { values: options } = parseArgs({
    args,
    options: { json: { type: 'string' }, rounds: { type: 'string', default: '5' } },
  })
  const ms = (key) => (row) => row[key].toFixed(1)
  const table = createTable([
    ['model', 16, ({ model }) => model],
    ['file', 24, ({ file }) => file],
    ['load, cold', 12, ms('coldLoad')],
    ['ready, cold', 13, ms('coldReady')],
    ['load, warm', 12, ms('warmLoad')],
    ['ready, warm', 13, ms('warmReady')],
    ['memory MB', 11, ({ memory }) => (memory / 1e6).toFixed(0)],
  ])
  table.head()
  const results = []
  const folder = mkdtempSync(join(tmpdir(), 'int8-loading-'))
  try {
    for (const [model, make] of [
      ['ResNet-50', resnet50],
      ['MobileNetV2', mobilenetV2],
    ]) {
      const { model: bytes } = await quantizeOnnx(make(), { calibration: samples(4, Tensor), method: 'minmax' })
      const [onnx, saved] = [join(folder, `${model}.onnx`), join(folder, `${model}.int8`)]
      writeFileSync(onnx, bytes)
      const session = await InferenceSession.create(bytes)
      await session.save(saved)
      session.dispose()
      for (const [file, runtime, path] of [
        ['saved session', 'int8', saved],
        ['ONNX', 'int8', onnx],
        ['ONNX, onnxruntime-node', 'ort', onnx],
      ]) {
        const result = { model, file, ...measure(runtime, path, Number(options.rounds)) }
        results.push(result)
        table.row(result)
      }
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}
