#!/usr/bin/env node
// prebuildify runs this in place of node-gyp, with node-gyp's arguments: `rebuild --target=… --arch=… --release`.
// It runs cmake-js on the package's root and builds into the current folder. INT8_TOOLCHAIN names a CMake toolchain
// file for another platform.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2)
const arch = args.find((arg) => arg.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch
const toolchain = process.env.INT8_TOOLCHAIN
const { status } = spawnSync(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js'),
    'rebuild',
    `--directory=${fileURLToPath(new URL('..', import.meta.url))}`,
    `--out=${join(process.cwd(), 'build')}`,
    `--arch=${arch}`,
    ...(args.includes('--debug') ? ['--debug'] : []),
    ...(toolchain ? [`--CDCMAKE_TOOLCHAIN_FILE=${toolchain}`] : []),
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
