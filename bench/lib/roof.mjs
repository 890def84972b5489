// This CPU's roof: billions of 8-bit operations per second of one core, by a loop of independent multiply-adds.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Builds the C++ benchmark; returns what asks it for the roof. The clock changes with load and temperature, so ask
 * around each measurement. 0 where the CPU has no such loop.
 */
export function prepareRoof() {
  const cmake = (...args) => execFileSync('cmake', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  cmake('-S', '.', '-B', 'build-bench', '-DCMAKE_BUILD_TYPE=Release', '-DINT8_BUILD_BENCH=ON')
  cmake('--build', 'build-bench', '--target', 'int8_bench', '--parallel')
  return () => Number(execFileSync('build-bench/bench/cpp/int8_bench', ['--roof'], { cwd: root, encoding: 'utf8' }))
}
