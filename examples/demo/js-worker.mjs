// Runs a saved int8 network on the JavaScript backend: a worker, because the backend is chosen once per environment.
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { backend } from 'int8'
import { batches } from './data.mjs'
import { logitsOf } from './measure.mjs'
import { loadInt8 } from './quantize.mjs'

const { name, path, input, count, batchSize } = workerData
const model = loadInt8(name, path)
const inputs = batches({ input, count }, batchSize)
const parts = []
const start = performance.now()
for (const [i, batch] of inputs.entries()) {
  parts.push(...logitsOf(model, [batch]))
  parentPort.postMessage({ done: Math.min((i + 1) * batchSize, count) })
}
parentPort.postMessage({
  backend: backend.name,
  logits: Float32Array.from(parts),
  ms: (performance.now() - start) / count,
})
