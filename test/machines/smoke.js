// smoke.js <package> <result file> <part>: what a runtime has to stand, one part per process.
//
//   digests                  ops of every family, and one of them off the event loop 64 times: the same bytes
//   workers                  32 worker threads, each ended from outside while its calls run; then the main thread works
//   exit                     process.exit with calls queued
//   worker exit              process.exit in a worker with calls queued
'use strict'

const { writeFileSync } = require('node:fs')
const { resolve } = require('node:path')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const { digestsOf } = require('./digests.js')

const [path, result, part] = isMainThread
  ? process.argv.slice(2)
  : [workerData.path, workerData.result, workerData.part]
const int8 = require(resolve(path))

/** A convolution of about a millisecond: `now` and `later` give its codes. */
function makeConv() {
  const { quantizePerTensor, tensor, ops } = int8
  const filled = (length, shape) =>
    tensor(
      Array.from({ length }, (_, i) => Math.sin(i)),
      shape,
    )
  const x = quantizePerTensor(filled(64 * 28 * 28, [1, 64, 28, 28]), 0.01, 128, 'quint8')
  const weight = quantizePerTensor(filled(64 * 64 * 9, [64, 64, 3, 3]), 0.01, 0, 'qint8')
  const packed = ops.quantized.conv2dPrepack(weight, null, { padding: 1 })
  const text = (y) => Buffer.from(y.intRepr().data).toString('base64')
  return {
    now: () => text(ops.quantized.conv2d(x, packed, 0.1, 128)),
    later: async () => text(await ops.quantized.conv2dAsync(x, packed, 0.1, 128)),
  }
}

function queue(conv = makeConv()) {
  return Array.from({ length: 64 }, () => conv.later())
}

function startWorker(what) {
  return new Worker(module.filename, { workerData: { path, result, part: what } })
}

async function once(worker, event) {
  return new Promise((resolve, reject) => {
    worker.once(event, resolve)
    worker.once('error', reject)
  })
}

async function checkAsync() {
  const conv = makeConv()
  const expected = conv.now()
  const wrong = (await Promise.all(queue(conv))).filter((codes) => codes !== expected)
  if (wrong.length > 0) throw new Error(`${wrong.length} of 64 asynchronous results are wrong`)
}

const parts = {
  digests: async () => {
    await checkAsync()
    writeFileSync(result, JSON.stringify(digestsOf(int8)))
  },
  workers: async () => {
    const workers = Array.from({ length: 32 }, () => startWorker('queue and stay'))
    await Promise.all(workers.map(async (worker) => once(worker, 'message')))
    await Promise.all(workers.map(async (worker) => worker.terminate()))
    await checkAsync()
    writeFileSync(result, '{}')
  },
  exit: () => {
    queue()
    writeFileSync(result, '{}')
    process.exit(0)
  },
  'worker exit': async () => {
    await once(startWorker('queue and exit'), 'exit')
    await checkAsync()
    writeFileSync(result, '{}')
  },
  'queue and stay': () => {
    queue()
    parentPort.postMessage('queued')
  },
  'queue and exit': () => {
    queue()
    process.exit(0)
  },
}

void parts[part]()
