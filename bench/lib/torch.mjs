// PyTorch's onednn engine as a peer: a Python process that answers one request at a time (peers/torch_peer.py).
import { execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../peers/torch_peer.py', import.meta.url))

/** The first Python here that has PyTorch: INT8_BENCH_PYTHON, or python3. */
function findPython() {
  for (const python of [process.env.INT8_BENCH_PYTHON, 'python3', '/usr/bin/python3']) {
    if (python === undefined) continue
    try {
      execFileSync(python, ['-c', 'import torch'], { stdio: 'ignore' })
      return python
    } catch {
      // Not there, or without PyTorch.
    }
  }
  return undefined
}

/** The peer; undefined where no Python has PyTorch (Debian: python3-torch). */
export async function startTorch() {
  const python = findPython()
  if (python === undefined) return undefined
  const child = spawn(python, ['-W', 'ignore', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const answer = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the PyTorch peer ended early')
    return JSON.parse(value)
  }
  const { version } = await answer()
  return {
    version,
    /** Median milliseconds of a layer. */
    async measure(layer, seconds, threads = 1) {
      child.stdin.write(`${JSON.stringify({ layer, seconds, threads })}\n`)
      return (await answer()).ms
    },
    stop: () => child.stdin.end(),
  }
}
