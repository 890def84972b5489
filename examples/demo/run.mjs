// npm run demo: two float networks trained in PyTorch become int8 networks, and prove themselves on 1000 labelled images.
//
//   --json FILE   writes the table as JSON as well
//   --threads N   threads of the native backend (default 1, so that float and int8 compare core by core)
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import progressBars from 'cli-progress'
import { backend, serializeSafetensors, toTensors } from 'int8'
import { batches, calibrationImages, networks, testImages } from './data.mjs'
import * as measure from './measure.mjs'
import { loadFloat, loadInt8, quantize, saveInt8 } from './quantize.mjs'
import { printReport } from './report.mjs'

const batchSize = 100
const rounds = 7

const { values: options } = parseArgs({
  options: { json: { type: 'string' }, threads: { type: 'string', default: '1' } },
})

function progressBar(label, total) {
  const bar = new progressBars.SingleBar({
    format: `  ${label.padEnd(34)} {bar} {value}/{total} images`,
    barsize: 24,
    hideCursor: null,
    noTTYOutput: true,
    notTTYSchedule: 60000,
  })
  bar.start(total, 0)
  return { update: (done) => bar.update(done), stop: () => bar.stop() }
}

/** Logits and time per image of the saved network on the JavaScript backend. */
function runInJavaScript(name, path, { input, count }) {
  const bar = progressBar('int8 in JavaScript', count)
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('js-worker.mjs', import.meta.url), {
      workerData: { name, path, input, count, batchSize },
      env: { ...process.env, INT8_BACKEND: 'js' },
    })
    worker.on('error', reject)
    worker.on('message', (message) => {
      if (message.logits === undefined) bar.update(message.done)
      else {
        bar.stop()
        resolve(message)
      }
    })
  })
}

async function runNetwork(name, dir) {
  console.log(`\n${name}`)
  const float = loadFloat(name)
  const calibration = calibrationImages(name)
  const bar = progressBar('calibrating', calibration.count)
  const int8 = quantize(float, batches(calibration, 32), bar.update)
  bar.stop()

  const path = join(dir, `${name}-int8.safetensors`)
  saveInt8(int8, path)
  const loaded = loadInt8(name, path)

  const test = testImages(name)
  const inputs = batches(test, batchSize)
  const floatLogits = measure.logitsOf(float, inputs)
  const int8Logits = measure.logitsOf(int8, inputs)
  const [msFloat, msInt8] = measure.timePerImage([float, int8], inputs, test.count, rounds)
  const js = await runInJavaScript(name, path, test)

  return {
    name,
    accuracyFloat: measure.accuracy(floatLogits, test.labels),
    accuracyInt8: measure.accuracy(int8Logits, test.labels),
    sqnrDb: measure.sqnr(floatLogits, int8Logits),
    sameClass: measure.agreement(measure.classOf(floatLogits, test.count), measure.classOf(int8Logits, test.count)),
    bytesFloat: measure.weightBytes(float.stateDict()),
    bytesInt8: measure.weightBytes(int8.stateDict()),
    fileFloat: serializeSafetensors(toTensors(float.stateDict())).length,
    fileInt8: statSync(path).size,
    msFloat,
    msInt8,
    msJs: js.ms,
    identical: js.backend === 'js' && measure.sameBytes(int8Logits, js.logits),
    savedIdentical: measure.sameBytes(int8Logits, measure.logitsOf(loaded, inputs)),
  }
}

backend.setNumThreads(Number(options.threads))
console.log(
  `int8 on the ${backend.name} backend (${backend.isa}), ${options.threads} thread(s), batches of ${String(batchSize)}`,
)
const dir = mkdtempSync(join(tmpdir(), 'int8-demo-'))
const models = []
try {
  for (const name of Object.keys(networks)) models.push(await runNetwork(name, dir))
} finally {
  rmSync(dir, { recursive: true })
}
printReport(models)
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ models }, null, 2)}\n`)
if (!models.every((model) => model.identical && model.savedIdentical)) {
  console.error('\nThe bytes differ: this is a bug in int8.')
  process.exitCode = 1
}
