// node --expose-gc flat.js <addon>: every kind of call 10,000 times, twice; prints what memory grew by each time, in bytes.
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
  const seen = [await settled()]
  for (let i = 0; i < 2; i++) {
    await calls(10_000)
    seen.push(await settled())
  }
  // A leak grows each time; what the allocator keeps for a while does not.
  const grown = (kind) => Math.min(seen[1][kind] - seen[0][kind], seen[2][kind] - seen[1][kind])
  process.stdout.write(JSON.stringify({ rss: grown('rss'), external: grown('external') }))
}

void main()
