// node --expose-gc flat.js <addon>: every kind of call 10,000 times; prints what memory grew by, in bytes.
'use strict'

const { makeConv } = require('./conv.js')
const addon = require(process.argv[2])
const conv = makeConv(addon)
const x = conv.input(1)
const y = new Uint8Array(conv.size)
const sizes = Float64Array.of(1, 64, 1, 1, 1, 64)
const weights = new Int8Array(64 * 64)
const values = new Float32Array(64 * 64)
const zeros = new Int32Array(64)
const ones = new Float32Array(64).fill(1)

async function calls(count) {
  for (let i = 0; i < count; i += 10) {
    for (let k = 0; k < 10; k++) {
      const packed = addon.packQuantized(weights, zeros, sizes)
      addon.bindQuantized(packed, zeros, 0, 0, 0, ones, null, 0, 0, 255)
      addon.packFloat(values, null, sizes)
      addon.qclamp(x, y, 0, 9)
      try {
        addon.qclamp(x, y, 0, NaN)
      } catch {
        // refused, as it should be
      }
    }
    await Promise.all(Array.from({ length: 10 }, () => addon.qclampAsync(x, y, 0, 9)))
  }
}

async function settled() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await new Promise((resolve) => require('node:timers').setTimeout(resolve, 20))
  }
  return process.memoryUsage()
}

async function main() {
  await calls(3000)
  const before = await settled()
  await calls(10_000)
  const after = await settled()
  process.stdout.write(JSON.stringify({ rss: after.rss - before.rss, external: after.external - before.external }))
}

void main()
