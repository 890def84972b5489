#!/usr/bin/env node
// `npm run prebuild`: builds the addon for this platform into prebuilds/<platform>-<arch>/, in prebuildify's layout:
// int8.glibc.node or int8.musl.node on Linux, int8.node elsewhere. src/backend/candidates.ts lists the same names.
// The build has a folder of its own, so that the one of `npm run compile` stays as it is.
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const prebuildify = createRequire(import.meta.url)('prebuildify')
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'build', 'prebuild')
const wrapper = join(root, 'scripts', 'prebuildify-cmake.mjs')
const linux = process.platform === 'linux'
const glibc = process.report.getReport().header.glibcVersionRuntime !== undefined

mkdirSync(folder, { recursive: true })
prebuildify(
  {
    name: 'int8',
    napi: true,
    strip: true,
    targets: [`node@${process.versions.node}`],
    cwd: folder,
    out: root,
    nodeGyp: `"${process.execPath}" "${wrapper}"`,
    shell: true,
    ...(linux ? { tagLibc: true, libc: process.env.PREBUILD_LIBC ?? (glibc ? 'glibc' : 'musl') } : {}),
  },
  (error) => {
    if (error) {
      process.stderr.write(`prebuild: ${error.message}\n`)
      process.exit(1)
    }
    const arch = process.env.PREBUILD_ARCH ?? process.arch
    const platform = process.env.PREBUILD_PLATFORM ?? process.platform
    const out = join('prebuilds', `${platform}-${arch}`)
    for (const file of readdirSync(join(root, out))) {
      const { size } = statSync(join(root, out, file))
      process.stdout.write(`${join(out, file)}  ${(size / 1024).toFixed(0)} KB\n`)
    }
  },
)
