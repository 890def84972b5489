/**
 * The package as users get it: `npm pack`, then `npm install --ignore-scripts --offline` of the tarball into an empty
 * folder, and programs that run there without a compiler on the PATH.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { install, packedBinary, runIn } from './install'

interface Answer {
  readonly name: string
  readonly isa: string
  readonly status: { readonly native: string; readonly failures: readonly { readonly path: string }[] }
  readonly codes: string
  readonly oneSetOfClasses?: boolean
  readonly warnings: readonly string[]
}

/** Quantizes an image and weights, convolves them, and prints the codes and what ran. */
const program = `
const warnings = []
process.on('warning', ({ code, message }) => warnings.push(code + ': ' + message))
const image = tensor(Array.from({ length: 216 }, (_, i) => Math.sin(i)), [2, 3, 6, 6])
const weight = tensor(Array.from({ length: 108 }, (_, i) => Math.cos(i)), [4, 3, 3, 3])
const qx = quantizePerTensor(image, 0.01, 128, 'quint8')
const packed = ops.quantized.conv2dPrepack(quantizePerTensor(weight, 0.01, 0, 'qint8'), null, { padding: 1 })
const y = ops.quantized.conv2d(qx, packed, 0.05, 120)
setImmediate(() => console.log(JSON.stringify({
  name: backend.name,
  isa: backend.isa,
  status: backend.status,
  codes: Buffer.from(y.intRepr().data).toString('hex'),
  oneSetOfClasses,
  warnings,
})))
`
const required = `
const oneSetOfClasses = undefined
const { tensor, quantizePerTensor, ops, backend } = require('int8')
${program}`
const imported = `
import { createRequire } from 'node:module'
import * as all from 'int8'
import { tensor, quantizePerTensor, ops, backend, QTensor } from 'int8'
const other = createRequire(import.meta.url)('int8')
const oneSetOfClasses = QTensor === other.QTensor && Object.keys(other).every((key) => all[key] === other[key])
${program}`

const place = install()
afterAll(() => {
  rmSync(dirname(place.folder), { recursive: true, force: true })
})

function answer(name: string, text: string, env: Record<string, string> = {}): Answer {
  const { status, stdout, stderr } = runIn(place, name, text, env)
  if (status !== 0) throw new Error(`${name} ended with ${String(status)}: ${stderr}`)
  return JSON.parse(stdout) as Answer
}

test("one platform's share is under 2 MB, and the package with a binary for each of eight under 12 MB", () => {
  const sizeOf = (name: string): number => {
    const found = statSync(join(place.folder, 'node_modules/int8', name))
    return found.isFile() ? found.size : 0
  }
  const share = place.files.reduce((sum, name) => sum + sizeOf(name), 0)
  const binary = sizeOf(packedBinary)
  expect(binary).toBeGreaterThan(0)
  expect(share).toBeLessThan(2 * 2 ** 20)
  expect(share + 7 * binary).toBeLessThan(12 * 2 ** 20)
})

test('the package carries compiled JavaScript, types and a binary, and nothing that builds', () => {
  expect(place.files).toEqual(
    expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'package.json', 'README.md', 'LICENSE', packedBinary]),
  )
  const builds = place.files.filter((file) =>
    /binding\.gyp|CMakeLists|\.(cc|h|c)$|^src\b|\.map$|node_modules/.test(file),
  )
  expect(builds).toEqual([])
})

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
}

function manifestOf(name: string): Manifest {
  return JSON.parse(readFileSync(join(place.folder, 'node_modules', name, 'package.json'), 'utf8')) as Manifest
}

test('neither the package nor its one dependency has a script that npm would run on install', () => {
  const manifest = manifestOf('int8')
  expect(Object.keys(manifest.dependencies ?? {})).toEqual(['@bufbuild/protobuf'])
  const dependency = manifestOf('@bufbuild/protobuf')
  expect(dependency.dependencies).toBeUndefined()
  const scripts = [...Object.keys(manifest.scripts ?? {}), ...Object.keys(dependency.scripts ?? {})]
  expect(scripts.filter((name) => /^((pre|post)?install|(pre|post)?prepare)$/.test(name))).toEqual([])
})

describe('installed with scripts off, offline, with no compiler on the PATH', () => {
  const javascript = answer('oracle.cjs', required, { INT8_BACKEND: 'js' })

  test('require gives the native backend', () => {
    const native = answer('require.cjs', required)
    expect(native).toMatchObject({ name: 'native', warnings: [], status: { native: 'loaded', path: packedBinary } })
    expect(native.codes).toBe(javascript.codes)
  })

  test('import gives the native backend, and the classes that require gives', () => {
    const native = answer('import.mjs', imported)
    expect(native).toMatchObject({ name: 'native', warnings: [], oneSetOfClasses: true })
    expect(native.codes).toBe(javascript.codes)
  })

  test('the program int8 is there, and knows its commands', () => {
    const program = join(place.folder, 'node_modules/.bin/int8')
    const { status, stdout, stderr } = spawnSync(program, ['--help'], {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('quantize a float ONNX model to int8')
  })

  test('every instruction set gives the same bytes', () => {
    const isas = ['portable', answer('best.cjs', required).isa]
    for (const isa of isas) {
      expect(answer('isa.cjs', required, { INT8_ISA: isa })).toMatchObject({ isa, codes: javascript.codes })
    }
  })

  test.each([
    ['INT8_BACKEND', 'wasm', "'native' or 'js'"],
    ['INT8_ISA', 'mmx', "'portable'"],
    ['INT8_NUM_THREADS', 'many', '1 to 256'],
  ])('%s=%s ends the program with an error that names what is allowed', (name, value, allowed) => {
    const { status, stderr } = runIn(place, 'setting.cjs', required, { [name]: value })
    expect(status).toBe(1)
    expect(stderr).toContain(`BackendError: int8: ${name} must be`)
    expect(stderr).toContain(allowed)
  })
})

describe('without a binary that loads', () => {
  const binary = join(place.folder, 'node_modules/int8', packedBinary)
  const bytes = readFileSync(binary)
  afterAll(() => {
    writeFileSync(binary, bytes)
  })

  test.each([
    ['removed', () => undefined, 'there is no such file'],
    ['no binary at all', (): Buffer => Buffer.from('not a binary'), packedBinary],
  ])(
    'where it is %s, the JavaScript backend gives the same bytes and says so once',
    (_, content: () => Buffer | undefined, reason) => {
      const native = answer('before.cjs', required)
      const left = content()
      rmSync(binary)
      if (left !== undefined) writeFileSync(binary, left)
      const fallback = [answer('fallback.cjs', required), answer('fallback.mjs', imported)]
      writeFileSync(binary, bytes)
      for (const { name, codes, warnings } of fallback) {
        expect({ name, codes }).toEqual({ name: 'js', codes: native.codes })
        expect(warnings).toHaveLength(1)
        expect(warnings[0]).toMatch(/^INT8_FALLBACK: .*JavaScript backend.*Reinstall/)
        expect(warnings[0]).toContain(reason)
      }
    },
  )
})
