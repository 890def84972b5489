/** ONNX's own operator tests: unpacks them, runs one, compares by the project's rules (rtol 1e-3, atol 1e-7). */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { openExternal } from '../../src/onnx/external'
import { TensorProtoSchema } from '../../src/onnx/proto/onnx_pb'
import { valueOfTensor } from '../../src/onnx/tensorProto'
import { InferenceSession, type SessionOptions } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import type { ElementArrays } from '../../src/onnx/types'

const archive = join(__dirname, '../fixtures/onnx/node-tests.tar.gz')

/** Unpacks the tests into a folder of their own; `remove` takes it away again. */
export function unpackNodeTests(): { readonly root: string; readonly remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'int8-onnx-'))
  execFileSync('tar', ['xzf', archive, '-C', root])
  return {
    root,
    remove: () => {
      rmSync(root, { recursive: true, force: true })
    },
  }
}

export type List = 'quant' | 'first' | 'second' | 'later'

/** Names of the tests of a list. */
export function namesOf(root: string, list: List): string[] {
  return readFileSync(join(root, 'lists', `${list}.txt`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

function readTensorFile(path: string): Tensor {
  const value = valueOfTensor(fromBinary(TensorProtoSchema, readFileSync(path)), openExternal(undefined))
  return new Tensor(value.type, value.data, value.dims)
}

/** Runs a test with each of its data sets. Throws where the model does not run, or a result is not the expected one. */
export function runNodeTest(root: string, name: string, options: SessionOptions = {}): void {
  const path = join(root, name)
  if (!existsSync(path)) {
    runLight(path, options)
    return
  }
  const session = InferenceSession.createSync(join(path, 'model.onnx'), options)
  for (const set of readdirSync(path).filter((entry) => entry.startsWith('test_data_set'))) {
    const files = readdirSync(join(path, set))
    const load = (kind: string, i: number): Tensor | undefined =>
      files.includes(`${kind}_${String(i)}.pb`) ? readTensorFile(join(path, set, `${kind}_${String(i)}.pb`)) : undefined
    const feeds = Object.fromEntries(
      session.inputNames.flatMap((input, i) => {
        const tensor = load('input', i)
        return tensor === undefined ? [] : [[input, tensor] as const]
      }),
    )
    const results = session.runSync(feeds)
    session.outputNames.forEach((output, i) => {
      compare(output, results[output], load('output', i))
    })
  }
  session.dispose()
}

/** A whole network with constant weights: fed with arange(n) / n. */
function runLight(path: string, options: SessionOptions): void {
  const session = InferenceSession.createSync(`${path}.onnx`, options)
  const [input] = session.inputMetadata
  const dims = (input?.shape ?? []).map(Number)
  const n = dims.reduce((a, b) => a * b, 1)
  const data = Float32Array.from({ length: n }, (_, i) => i / n)
  const results = session.runSync({ [input?.name ?? '']: new Tensor('float32', data, dims) })
  compare('output', results[session.outputNames[0] ?? ''], readTensorFile(`${path}_output_0.pb`))
}

/** Refuses a result that is not the expected one. */
function compare(name: string, got: Tensor | undefined, expected: Tensor | undefined): void {
  if (got === undefined || expected === undefined) throw new Error(`${name}: missing`)
  if (got.type !== expected.type) throw new Error(`${name}: type ${got.type}, expected ${expected.type}`)
  if (got.dims.join() !== expected.dims.join())
    throw new Error(`${name}: shape [${got.dims.join()}], expected [${expected.dims.join()}]`)
  const toNumber = floatReader(got.type)
  for (let i = 0; i < got.data.length; i++) {
    const [a, b] = [got.data[i], expected.data[i]]
    const same = toNumber === undefined ? a === b : close(toNumber(a as number), toNumber(b as number))
    if (!same) throw new Error(`${name}[${String(i)}]: ${String(a)}, expected ${String(b)}`)
  }
}

/** How a float type's elements become numbers; undefined for exact types. */
function floatReader(type: keyof ElementArrays): ((element: number) => number) | undefined {
  if (type === 'float32' || type === 'float64') return (element) => element
  if (type === 'float16') return fromHalf
  if (type === 'bfloat16') return (bits) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? NaN
  return undefined
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

function close(a: number, b: number): boolean {
  return Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-7 + 1e-3 * Math.abs(b)
}
