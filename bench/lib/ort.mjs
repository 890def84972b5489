// Times a one-node model in onnxruntime-node by its own profiler, so that only the kernel counts, not the call. Nodes that
// its optimizer adds (reorderings of a float convolution's layout) count too.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ort from 'onnxruntime-node'

/** A session that records the microseconds of each run of its node. */
export async function createPeer(model, { data, dims, type = 'uint8' }) {
  const dir = mkdtempSync(join(tmpdir(), 'int8-bench-'))
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableProfiling: true,
    profileFilePrefix: join(dir, 'profile'),
  })
  const feeds = { x: new ort.Tensor(type, data, dims) }
  return {
    /** One run; its output's codes. */
    async run() {
      const { y } = await session.run(feeds)
      return y.data
    },
    /** Ends the session; milliseconds of every run, in order. */
    async times() {
      session.endProfiling()
      await session.release()
      const [file] = readdirSync(dir)
      const events = JSON.parse(readFileSync(join(dir, file), 'utf8'))
      rmSync(dir, { recursive: true })
      const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'))
      const nodes = new Set(kernels.map(({ name }) => name)).size
      const runs = Array.from({ length: kernels.length / nodes }, (_, i) => kernels.slice(i * nodes, (i + 1) * nodes))
      return runs.map((run) => run.reduce((sum, { dur }) => sum + dur, 0) / 1000)
    },
  }
}
