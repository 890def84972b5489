// Formats the C++ sources under cpp/, binding/ and bench/cpp/ in place; with --check only reports what it would change.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { dirname, join } from 'node:path'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const unknown = process.argv.slice(2).filter((argument) => argument !== '--check')
if (unknown.length > 0) {
  console.error(`clang-format.mjs: unknown option ${unknown.join(' ')}; it knows --check`)
  process.exit(2)
}

const files = ['cpp', 'binding', 'bench/cpp']
  .filter((directory) => existsSync(join(root, directory)))
  .flatMap((directory) => readdirSync(join(root, directory), { recursive: true }).map((file) => join(directory, file)))
  .filter((file) => /\.(cc|h|inc)$/.test(file))
  .sort()

const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i']
const result = spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: 'inherit' })
if (result.error?.code === 'ENOENT') {
  console.error('clang-format was not found. Install it (Debian: apt-get install clang-format) or put it on the PATH.')
  process.exit(1)
}
process.exit(result.status ?? 1)
