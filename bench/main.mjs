// npm run bench -- NAME [options]
import { chart } from './chart.mjs'
import { layers } from './layers.mjs'

const benchmarks = { layers, chart }
const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(benchmarks, name ?? '')) {
  console.error(`Usage: npm run bench -- NAME [options]\nNAME is one of: ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
await benchmarks[name](args)
