#!/usr/bin/env node
// prebuildify runs this in place of node-gyp, in the folder of a build and with node-gyp's arguments (`rebuild --arch=…`):
// it runs cmake-js on the package's root. INT8_PREBUILD_DEFINES holds CMake's definitions, as a JSON array.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2)
const arch = args.find((arg) => arg.startsWith('--arch='))?.slice('--arch='.length) ?? process.arch
const defines = JSON.parse(process.env.INT8_PREBUILD_DEFINES ?? '[]')
const { status } = spawnSync(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js'),
    'build',
    `--directory=${fileURLToPath(new URL('..', import.meta.url))}`,
    `--out=${join(process.cwd(), 'build')}`,
    `--arch=${arch}`,
    ...defines.map((define) => `--CD${define}`),
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
