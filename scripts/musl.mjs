// Runs programs for musl on a Linux with glibc (x64): Debian's musl loader, this machine's libstdc++ and libgcc, and
// test/machines/musl_shim.c for what those want of glibc.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const loader = '/lib/ld-musl-x86_64.so.1'

function gcc(...args) {
  const { status, stdout, stderr } = spawnSync('gcc', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`gcc ${args.join(' ')} failed: ${stderr}`)
  return stdout.trim()
}

/** The command that runs `program`, which is built for musl. */
export function onMusl(program) {
  if (!existsSync(loader)) throw new Error(`${loader} is not there (Debian: musl)`)
  const folder = join(root, 'build-packages', 'musl')
  mkdirSync(folder, { recursive: true })
  for (const name of ['libstdc++.so.6', 'libgcc_s.so.1'])
    copyFileSync(gcc(`-print-file-name=${name}`), join(folder, name))
  // The names of glibc's own libraries, which musl's takes the place of.
  const nothing = join(folder, 'nothing.c')
  writeFileSync(nothing, '')
  for (const name of ['libc.so.6', 'libm.so.6', 'ld-linux-x86-64.so.2'])
    gcc('-shared', '-nostdlib', `-Wl,-soname,${name}`, '-o', join(folder, name), nothing)
  const shim = join(folder, 'shim.so')
  gcc('-shared', '-fPIC', '-O1', '-nostdlib', '-o', shim, join(root, 'test/machines/musl_shim.c'))
  return [loader, '--library-path', folder, '--preload', shim, program]
}
