// One process of the `loading` benchmark: RUNTIME PATH; prints its figures as JSON, milliseconds and bytes.
import { pictures } from './pictures.mjs'
import { median } from './timing.mjs'

const [runtime, path] = process.argv.slice(2)
const data = pictures(1, 9)
const dims = [1, 3, 224, 224]

/** Sessions of the two runtimes: how one is made, made ready, run and given back. */
async function open() {
  if (runtime === 'ort') {
    const { default: ort } = await import('onnxruntime-node')
    const feeds = { x: new ort.Tensor('float32', data, dims) }
    return {
      create: () => ort.InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 }),
      ready: () => undefined,
      run: (session) => session.run(feeds),
      close: (session) => session.release(),
    }
  }
  const { backend } = await import('../../dist/index.js')
  const { InferenceSession, Tensor } = await import('../../dist/onnx.js')
  backend.setNumThreads(1)
  const feeds = { x: new Tensor('float32', data, dims) }
  return {
    create: () => InferenceSession.create(path),
    ready: (session) => session.explainPlan({ x: dims }),
    run: (session) => session.run(feeds),
    close: (session) => session.dispose(),
  }
}

const { create, ready, run, close } = await open()

async function timed() {
  const start = performance.now()
  const session = await create()
  const load = performance.now() - start
  await ready(session)
  return { session, load, ready: performance.now() - start }
}

globalThis.gc()
const before = process.memoryUsage.rss()
const cold = await timed()
for (let i = 0; i < 10; i++) await run(cold.session)
globalThis.gc()
const memory = process.memoryUsage.rss() - before
await close(cold.session)
const warm = []
for (let i = 0; i < 9; i++) {
  const one = await timed()
  await close(one.session)
  warm.push(one)
}
console.log(
  JSON.stringify({
    coldLoad: cold.load,
    coldReady: cold.ready,
    warmLoad: median(warm.map(({ load }) => load)),
    warmReady: median(warm.map(({ ready: time }) => time)),
    memory,
  }),
)
