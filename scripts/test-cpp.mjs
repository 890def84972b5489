// Builds the C++ tests twice and runs them: all of them under AddressSanitizer and UndefinedBehaviorSanitizer
// (build-cpp-asan), those whose names hold "thread" under ThreadSanitizer (build-cpp-tsan).
//
//   npm run test:cpp                     everything
//   npm run test:cpp -- thread_pool      only test programs whose name matches the regular expression
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dirname, join } from 'node:path'
import os from 'node:os'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pattern = process.argv[2] ?? ''

function run(command, args, env = {}) {
  console.log(`> ${[command, ...args].join(' ')}`)
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (result.error?.code === 'ENOENT') {
    console.error(`test:cpp needs ${command} (Debian: cmake, ninja-build, g++, libgtest-dev)`)
    process.exit(1)
  }
  return result.status === 0
}

/** Builds the test programs whose name matches, and what they need. */
function build(directory, sanitize, regex) {
  const configured = run('cmake', [
    ...['-G', 'Ninja', '-S', '.', '-B', directory],
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    // No -DNDEBUG: the kernels' assertions hold here.
    '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O2 -g1',
    `-DINT8_SANITIZE=${sanitize}`,
    '-DINT8_BUILD_TESTS=ON',
    '-DINT8_BUILD_ADDON=OFF',
  ])
  const programs = readdirSync(join(root, 'cpp/test'))
    .filter((name) => name.endsWith('_test.cc'))
    .map((name) => name.slice(0, -3))
    .filter((name) => new RegExp(regex).test(name))
  const parallel = ['--parallel', String(os.availableParallelism())]
  return configured && run('cmake', ['--build', directory, ...parallel, '--target', ...programs])
}

function test(directory, regex, env) {
  const parallel = ['--parallel', String(os.availableParallelism())]
  const options = ['--test-dir', join(root, directory), '--output-on-failure', '--no-tests=error', '-R', regex]
  return run('ctest', [...options, ...parallel], env)
}

const results = [
  [
    'address,undefined',
    build('build-cpp-asan', 'address,undefined', pattern || '.') &&
      test('build-cpp-asan', pattern || '.', {
        UBSAN_OPTIONS: 'print_stacktrace=1',
        // New memory is full of garbage, which shows what is read before it is written.
        ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1:max_malloc_fill_size=16777216',
      }),
  ],
]
if (pattern === '' || pattern.includes('thread')) {
  const regex = pattern || 'thread'
  const passed =
    build('build-cpp-tsan', 'thread', regex) &&
    test('build-cpp-tsan', regex, { TSAN_OPTIONS: 'halt_on_error=1:allocator_may_return_null=1' })
  results.push(['thread', passed])
}
for (const [sanitizer, passed] of results) console.log(`test:cpp with ${sanitizer}: ${passed ? 'passed' : 'FAILED'}`)
process.exit(results.every(([, passed]) => passed) ? 0 : 1)
