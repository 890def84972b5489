// This CPU's roof: billions of 8-bit operations per second of one core, by a loop of independent multiply-adds.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Builds the C++ benchmark where it is not built yet, and asks it for the roof; 0 where the CPU has no such loop. */
export function measureRoof() {
  const cmake = (...args) => execFileSync('cmake', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  cmake('-S', '.', '-B', 'build-bench', '-DCMAKE_BUILD_TYPE=Release', '-DINT8_BUILD_BENCH=ON')
  cmake('--build', 'build-bench', '--target', 'int8_bench', '--parallel')
  const args = ['bench/layers.json', '--filter', 'no layer has this name']
  const report = execFileSync('build-bench/bench/cpp/int8_bench', args, { cwd: root, encoding: 'utf8' })
  return JSON.parse(report).roofGops
}
