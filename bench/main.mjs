// npm run bench -- NAME [options]; each benchmark's file says what it measures and takes. INT8_ISA chooses the
// instruction set of calls from JavaScript.
const benchmarks = {
  layers: async () => (await import('./layers.mjs')).layers,
  floats: async () => (await import('./floats.mjs')).floats,
  models: async () => (await import('./models.mjs')).models,
  accuracy: async () => (await import('./accuracy.mjs')).accuracy,
  loading: async () => (await import('./loading.mjs')).loading,
  threads: async () => (await import('./threads.mjs')).threads,
  memory: async () => (await import('./memory.mjs')).memory,
  calls: async () => (await import('./calls.mjs')).calls,
  chart: async () => (await import('./chart.mjs')).chart,
  'demo-chart': async () => (await import('./demo-chart.mjs')).demoChart,
}
const [name, ...args] = process.argv.slice(2)
if (!Object.hasOwn(benchmarks, name ?? '')) {
  console.error(`Usage: npm run bench -- NAME [options]\nNAME is one of: ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
await (
  await benchmarks[name]()
)(args)
