// node exit.js <addon> <how>: queues calls and ends in some way while they run.
'use strict'

const { join } = require('node:path')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const { makeConv } = require('./conv.js')

const [path, how] = isMainThread ? process.argv.slice(2) : [workerData.path, workerData.how]

function queue() {
  const conv = makeConv(require(path))
  return Array.from({ length: 200 }, (_, i) => conv.later(i))
}

const ways = {
  // Ends by itself, after the last call.
  naturally: () => void Promise.all(queue()).then(() => process.stdout.write('all done')),
  // Ends at once.
  'process.exit': () => {
    queue()
    process.exit(0)
  },
  // Ends when the first call is done and the others are under way.
  'process.exit after the first': () => void queue()[0].then(() => process.exit(0)),
  'an uncaught error': () => {
    queue()
    throw new Error('on purpose')
  },
  // The addon lives only in a worker, which is ended from outside; then the main thread loads it.
  'terminating the only worker': async () => {
    const worker = new Worker(join(__dirname, 'exit.js'), { workerData: { path, how: 'in a worker' } })
    await new Promise((resolve) => worker.once('message', resolve))
    await worker.terminate()
    await Promise.all(queue().slice(0, 8))
    process.stdout.write('all done')
  },
  'process.exit of the only worker': async () => {
    const worker = new Worker(join(__dirname, 'exit.js'), { workerData: { path, how: 'process.exit' } })
    await new Promise((resolve) => worker.once('exit', resolve))
    await Promise.all(queue().slice(0, 8))
    process.stdout.write('all done')
  },
  'in a worker': () => {
    queue()
    parentPort.postMessage('queued')
  },
}

void ways[how]()
