// A worker thread that computes the convolutions of its seeds, sync and async, and posts their bytes.
'use strict'

const { parentPort, workerData } = require('node:worker_threads')
const { makeConv } = require('./conv.js')

async function main() {
  const conv = makeConv(require(workerData.path))
  const later = await Promise.all(workerData.seeds.map((seed) => conv.later(seed)))
  const now = workerData.seeds.map((seed) => conv.now(seed))
  parentPort.postMessage({ now, later })
}

void main()
