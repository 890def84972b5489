// Cross-builds the C++ tests for arm64 (build-cpp-arm64) and runs them in qemu's user mode: all of them on a CPU with
// everything, and those of the kernels on CPUs that have less, which must choose the instruction set named here.
//
//   npm run test:cpp:arm64             everything
//   npm run test:cpp:arm64 -- qconv    only test programs whose name matches the regular expression
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { dirname, join } from 'node:path'
import os from 'node:os'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const directory = 'build-cpp-arm64'
const pattern = process.argv[2]

const cpus = [
  // A process with threads that forks, or starts itself again, ends the emulator, not the test.
  { cpu: 'max', isa: 'i8mm', tests: '.', filter: '-ThreadPoolProcess.*' },
  // Odd tiles of the portable kernel are slow, and the same code as on the first one.
  { cpu: 'neoverse-n1', isa: 'dotprod', tests: 'cpu|conv|depthwise|gemm', filter: '-*/tile*' },
  { cpu: 'cortex-a53', isa: 'neon', tests: 'cpu|conv|depthwise|gemm', filter: '-*/tile*' },
]

function run(command, args, env = {}) {
  console.log(`> ${[command, ...args].join(' ')}`)
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error?.code === 'ENOENT') missing(command)
  if (result.status !== 0) console.error(`${command}: ${result.error?.message ?? result.signal ?? result.status}`)
  return result.status === 0
}

function missing(what) {
  console.error(
    `test:cpp:arm64 needs ${what} (Debian: cmake, ninja-build, g++-aarch64-linux-gnu, qemu-user, libgtest-dev)`,
  )
  process.exit(1)
}

function build() {
  const configured = run('cmake', [
    ...['-G', 'Ninja', '-S', '.', '-B', directory],
    `-DCMAKE_TOOLCHAIN_FILE=${join(root, 'cpp', 'toolchain-aarch64-linux-gnu.cmake')}`,
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    // No -DNDEBUG: the kernels' assertions hold here.
    '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1',
    '-DINT8_BUILD_TESTS=ON',
    '-DINT8_BUILD_ADDON=OFF',
  ])
  return configured && run('cmake', ['--build', directory, '--parallel', String(os.availableParallelism())])
}

function test({ cpu, isa, tests, filter }) {
  console.log(`\nqemu -cpu ${cpu}, which has to choose ${isa}`)
  const options = ['--test-dir', join(root, directory), '--output-on-failure', '--no-tests=error']
  const chosen = ['-R', pattern ?? tests, '--parallel', String(os.availableParallelism())]
  // New memory is full of garbage, which shows what is read before it is written.
  const env = { QEMU_CPU: cpu, GTEST_FILTER: filter, INT8_TEST_ISA: isa, MALLOC_PERTURB_: '165' }
  return run('ctest', [...options, ...chosen], env)
}

for (const tool of ['aarch64-linux-gnu-g++', 'qemu-aarch64']) {
  if (spawnSync(tool, ['--version']).status !== 0) missing(tool)
}
const passed = build() && cpus.map(test).every((good) => good)
console.log(`test:cpp:arm64: ${passed ? 'passed' : 'FAILED'}`)
process.exit(passed ? 0 : 1)
