/** An installed package for the tests: packed as npm packs it, installed offline with scripts off. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { candidates } from '../../src/backend/candidates'

const root = join(__dirname, '../..')

/** The binary of `npm run compile`, and where a prebuilt one lies in the package. */
export const builtBinary: string = join(root, 'build/Release/int8.node')
export const packedBinary: string = candidates()[0]?.path ?? ''

const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|JEST_|INT8_)/i.test(name)),
)

/**
 * A folder with the package in `node_modules` and nothing else. `bin` is a folder with `node` alone: a PATH without
 * compilers.
 */
export function install(): { folder: string; bin: string; files: readonly string[] } {
  const temporary = mkdtempSync(join(tmpdir(), 'int8-package-'))
  const staged = join(temporary, 'staged')
  const folder = join(temporary, 'empty')
  const bin = join(temporary, 'bin')
  for (const path of [staged, folder, bin]) mkdirSync(path)
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'CMakeLists.txt']) {
    copyFileSync(join(root, file), join(staged, file))
  }
  // More than the package takes: `files` in package.json has to leave it out.
  for (const path of ['dist', 'src', 'binding', 'cpp'])
    cpSync(join(root, path), join(staged, path), { recursive: true })
  mkdirSync(dirname(join(staged, packedBinary)), { recursive: true })
  copyFileSync(builtBinary, join(staged, packedBinary))
  // As `npm run prebuild` links it; where there is no strip, it is only larger.
  spawnSync('strip', [join(staged, packedBinary)])

  npm(['pack', '--pack-destination', temporary], staged)
  const tarball = readdirSync(temporary).find((name) => name.endsWith('.tgz')) ?? ''
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }')
  // What the package depends on, packed too: nothing is downloaded.
  const dependencies = Object.keys(dependenciesOf(join(root, 'package.json')))
  const tarballs = dependencies.map((name) => packed(join(root, 'node_modules', name), temporary))
  npm(
    ['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', ...tarballs, join(temporary, tarball)],
    folder,
  )
  const installed = join(folder, 'node_modules/int8')
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).sort()
  return { folder, bin, files }
}

function dependenciesOf(path: string): Readonly<Record<string, string>> {
  const { dependencies = {} } = JSON.parse(readFileSync(path, 'utf8')) as { dependencies?: Record<string, string> }
  return dependencies
}

/** Packs an installed package; returns the tarball. */
function packed(folder: string, to: string): string {
  const before = new Set(readdirSync(to))
  npm(['pack', '--ignore-scripts', '--pack-destination', to], folder)
  return join(to, readdirSync(to).find((name) => !before.has(name)) ?? '')
}

/** Runs a program in the folder of an installed package, with only `node` on the PATH. */
export function runIn(
  { folder, bin }: { readonly folder: string; readonly bin: string },
  name: string,
  program: string,
  env: Readonly<Record<string, string>> = {},
): SpawnSyncReturns<string> {
  writeFileSync(join(folder, name), program)
  return spawnSync('node', [name], { cwd: folder, encoding: 'utf8', env: { PATH: bin, ...env } })
}

function npm(args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8', env: clean })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} ended with ${String(status)}:\n${stdout}\n${stderr}`)
}
