// npm run bench -- NAME [options]
import { chart } from './chart.mjs'
import { demoChart } from './demo-chart.mjs'
import { layers } from './layers.mjs'

const benchmarks = { layers, chart, 'demo-chart': demoChart }
const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(benchmarks, name ?? '')) {
  console.error(`Usage: npm run bench -- NAME [options]\nNAME is one of: ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
await benchmarks[name](args)
