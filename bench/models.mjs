// npm run bench -- models [--json FILE] [--filter TEXT] [--rounds N]
//
// ResNet-50 and MobileNetV2 (lib/networks.mjs), float and quantized by quantizeOnnx, here and in onnxruntime-node: a whole
// run from JavaScript, batch 1 and 8, one thread and two. Both take turns, a block of runs each, in one process: times
// are medians of all runs, the ratio is the median of the blocks' ratios, which a machine that slows down for a while
// leaves alone.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import ort from 'onnxruntime-node'
import { backend } from '../dist/index.js'
import { InferenceSession, quantizeOnnx, Tensor } from '../dist/onnx.js'
import { mobilenetV2, resnet50 } from './lib/networks.mjs'
import { pictures, samples } from './lib/pictures.mjs'
import { createTable, times } from './lib/table.mjs'
import { median } from './lib/timing.mjs'

const blocks = 9
const warmUp = 2

async function timed(run) {
  const start = performance.now()
  await run()
  return performance.now() - start
}

async function measure(name, bytes, batch, threads, rounds) {
  backend.setNumThreads(threads)
  const ours = await InferenceSession.create(bytes)
  const theirs = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
  })
  const data = pictures(batch, 99)
  const dims = [batch, 3, 224, 224]
  const feeds = { x: new Tensor('float32', data, dims) }
  const ortFeeds = { x: new ort.Tensor('float32', data, dims) }
  const [a, b] = [ours.runSync(feeds).y.data, (await theirs.run(ortFeeds)).y.data]
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const apart = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / largest
  const [mine, peer, ratios] = [[], [], []]
  const runs = async (run) => {
    const result = []
    // Neither is timed while caches and threads wake up: ours would, it comes after a pause.
    for (let i = 0; i < warmUp; i++) await run()
    for (let i = 0; i < rounds; i++) result.push(await timed(run))
    return result
  }
  for (let block = 0; block < blocks; block++) {
    // The peer's idle threads spin for a while: they would take the second core from whoever runs next.
    await setTimeout(200)
    const a = await runs(() => ours.runSync(feeds))
    const b = await runs(() => theirs.run(ortFeeds))
    mine.push(...a)
    peer.push(...b)
    ratios.push(median(a) / median(b))
  }
  ours.dispose()
  await theirs.release()
  return { name, batch, threads, ms: median(mine), ortMs: median(peer), ratio: median(ratios), apart }
}

/** The `models` benchmark. */
export async function models(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      filter: { type: 'string', default: '' },
      rounds: { type: 'string', default: '7' },
    },
  })
  console.log(`${cpus()[0].model}; ${backend.isa}; onnxruntime-node's run is asynchronous, ours synchronous\n`)
  const table = createTable([
    ['model', 20, ({ name }) => name],
    ['batch', 6, ({ batch }) => String(batch)],
    ['threads', 8, ({ threads }) => String(threads)],
    ['int8 ms', 10, ({ ms }) => ms.toFixed(3)],
    ['ort ms', 10, ({ ortMs }) => ortMs.toFixed(3)],
    ['int8/ort', 9, ({ ratio }) => ratio.toFixed(3)],
    ['ort/int8', 9, ({ ratio }) => times(1 / ratio)],
    ['apart', 9, ({ apart }) => apart.toExponential(1)],
  ])
  table.head()
  const results = []
  for (const [name, make] of [
    ['ResNet-50', resnet50],
    ['MobileNetV2', mobilenetV2],
  ]) {
    if (!name.includes(options.filter)) continue
    const float = make()
    const { model } = await quantizeOnnx(float, { calibration: samples(4, Tensor), method: 'minmax' })
    for (const [kind, bytes] of [
      ['int8', model],
      ['float', float],
    ])
      for (const [batch, threads] of [
        [1, 1],
        [1, 2],
        [8, 1],
      ]) {
        const result = await measure(`${name} ${kind}`, bytes, batch, threads, Number(options.rounds))
        results.push(result)
        table.row(result)
      }
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}
