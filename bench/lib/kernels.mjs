// The C++ benchmark: int8's kernels without Node, and this CPU's roofs.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const options = { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' }

/** Builds the C++ benchmark. */
export function buildKernelBench() {
  const type = '-DCMAKE_BUILD_TYPE=Release'
  execFileSync('cmake', ['-S', '.', '-B', 'build-bench', type, '-DINT8_BUILD_BENCH=ON'], options)
  execFileSync('cmake', ['--build', 'build-bench', '--target', 'int8_bench', '--parallel'], options)
}

/** Runs the C++ benchmark; what it prints. */
export const kernelBench = (...words) => execFileSync('build-bench/bench/cpp/int8_bench', words.map(String), options)

/** Billions of 8-bit operations per second that one core can do at most; 0 where the CPU has no such loop. */
export const measureRoof = (isa) => Number(kernelBench('--isa', isa, 'roof'))

/** Median milliseconds of a layer's kernels, and the roof measured around it. */
export function measureKernel(layer, { seconds, isa, threads = 1 }) {
  const { op, ci, co, k, s, hw, g, M, K, N } = layer
  const words = op === 'conv' ? [op, ci, co, k, s, hw, g] : [op, M, K, N]
  const found = JSON.parse(kernelBench('--isa', isa, '--threads', threads, '--seconds', seconds, ...words))
  return { ms: found.medianMs, leastMs: found.leastMs, roof: found.roofGops }
}

/** A kernel that memory bounds: median milliseconds, GB/s, and those of a loop that only reads and writes. */
export const measureStream = (words, { seconds, isa, threads = 1 }) =>
  JSON.parse(kernelBench('--isa', isa, '--threads', threads, '--seconds', seconds, ...words))
