// The C++ benchmark: int8's kernels without Node, and this CPU's roof.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const options = { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' }
const program = 'build-bench/bench/cpp/int8_bench'

/** Builds the C++ benchmark. */
export function buildKernelBench() {
  execFileSync(
    'cmake',
    ['-S', '.', '-B', 'build-bench', '-DCMAKE_BUILD_TYPE=Release', '-DINT8_BUILD_BENCH=ON'],
    options,
  )
  execFileSync('cmake', ['--build', 'build-bench', '--target', 'int8_bench', '--parallel'], options)
}

/** Billions of 8-bit operations per second that one core can do at most; 0 where the CPU has no such loop. */
export const measureRoof = () => Number(execFileSync(program, ['roof'], options))

/** Median milliseconds of a layer's kernel on one thread, and the roof measured around it. */
export function measureKernel(layer, seconds) {
  const { op, ci, co, k, s, hw, g, M, K, N } = layer
  const words = (op === 'conv' ? [op, ci, co, k, s, hw, g] : [op, M, K, N]).map(String)
  const found = JSON.parse(execFileSync(program, ['--seconds', String(seconds), ...words], options))
  return { ms: found.medianMs, roof: found.roofGops }
}
