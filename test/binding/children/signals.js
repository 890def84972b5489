// node signals.js <addon>: a call off the event loop that the pool shares, then the signals that the addon's threads
// block, as Linux shows them: one mask in hexadecimal per thread that was not there before.
'use strict'

const { readdirSync, readFileSync } = require('node:fs')
const { makeConv } = require('./conv.js')

const threads = () => readdirSync('/proc/self/task')

async function main() {
  const addon = require(process.argv[2])
  addon.setNumThreads(2)
  const conv = makeConv(addon)
  const before = new Set(threads())
  await Promise.all([conv.later(1), conv.later(2)])
  const masks = threads()
    .filter((thread) => !before.has(thread))
    .map((thread) => /SigBlk:\s*(\w+)/.exec(readFileSync(`/proc/self/task/${thread}/status`, 'utf8'))[1])
  process.stdout.write(JSON.stringify(masks))
}

void main()
