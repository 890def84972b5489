/** Samples from files as feeds, and made-up ones. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSamples, type SampleOptions, type SampleSet } from '../../src/cli/samples'
import { seededFeeds } from '../../src/cli/seeded'
import { UsageError } from '../../src/cli/usage'
import { FormatError } from '../../src/errors'
import { serializeSafetensors } from '../../src/io/safetensors'
import type { ValueMetadata } from '../../src/runtime/feeds'
import type { DType } from '../../src/tensor/dtype'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { npyOf } from '../support/npy'

const folder = mkdtempSync(join(tmpdir(), 'int8-samples-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const save = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const image: ValueMetadata = { name: 'x', type: 'float32', shape: ['n', 2, 2, 2] }
const plain: SampleOptions = { names: new Map(), mean: [0], std: [1], batch: 1, limit: Infinity }
const open = (
  path: string,
  inputs: readonly ValueMetadata[] = [image],
  options: Partial<SampleOptions> = {},
): SampleSet => openSamples(path, { inputMetadata: inputs }, { ...plain, ...options })
const bytes24 = Uint8Array.from({ length: 24 }, (_, i) => i * 10)

test('an array gives a sample for each entry of its first axis, read when it is asked for', () => {
  const path = save('floats.npy', npyOf('<f4', [3, 2, 2, 2], Float32Array.from(bytes24)))
  const samples = open(path)
  expect(samples.count).toBe(3)
  expect(samples.at(2)['x']).toMatchObject({ dims: [1, 2, 2, 2], data: Float32Array.from(bytes24.subarray(16)) })
})

test('batches leave out what does not fill one, and a limit counts them', () => {
  const path = save('batches.npy', npyOf('<f4', [3, 2, 2, 2], Float32Array.from(bytes24)))
  expect(open(path, [image], { batch: 2 }).count).toBe(1)
  expect(open(path, [image], { batch: 2 }).at(0)['x']?.dims).toEqual([2, 2, 2, 2])
  expect(open(path, [image], { limit: 2 }).count).toBe(2)
  expect(() => open(path, [image], { batch: 4 })).toThrow('do not fill a batch of 4')
})

test('a batch that the model fixes is kept to', () => {
  const path = save('fixed.npy', npyOf('<f4', [3, 8], Float32Array.from(bytes24)))
  const samples = open(path, [{ ...image, shape: [3, 8] }], { batch: 1 })
  expect([samples.count, samples.at(0)['x']?.dims]).toEqual([1, [3, 8]])
})

test('pixels of 8 bits become floats by mean and standard deviation, one for all or one for each channel', () => {
  const path = save('pixels.npy', npyOf('|u1', [3, 2, 2, 2], bytes24))
  const [first] = [open(path, [image], { mean: [0.5], std: [0.25] }).at(0)['x']]
  expect(first?.data).toEqual(Float32Array.from(bytes24.subarray(0, 8), (v) => (v / 255 - 0.5) / 0.25))
  const second = open(path, [image], { mean: [0, 0.5], std: [1, 2] }).at(0)['x']?.data as Float32Array
  expect(second[0]).toBe(0)
  expect(second[4]).toBe(Math.fround((40 / 255 - 0.5) / 2))
  expect(() => open(path, [image], { mean: [0, 0, 0] }).at(0)).toThrow('--mean must have 1 or 2 numbers')
})

test('samples that lack an axis of one element fit; those of another number of elements do not', () => {
  const gray: ValueMetadata = { name: 'x', type: 'float32', shape: ['n', 1, 4, 2] }
  const path = save('gray.npy', npyOf('|u1', [3, 4, 2], bytes24))
  expect(open(path, [gray]).at(1)['x']?.dims).toEqual([1, 1, 4, 2])
  const other: ValueMetadata = { ...gray, shape: ['n', 1, 4, 3] }
  expect(() => open(path, [other]).at(0)).toThrow(UsageError)
})

test('a safetensors file feeds inputs by name, or by the names given', () => {
  const path = save(
    'both.safetensors',
    serializeSafetensors(
      new Map<string, Tensor<DType>>([
        ['ids', tensor([1, 2, 3, 4], [2, 2], { dtype: 'int32' })],
        ['x', tensor([5, 6], [2, 1])],
      ]),
    ),
  )
  const x: ValueMetadata = { name: 'x', type: 'float32', shape: ['n', 1] }
  const tokens: ValueMetadata = { name: 'tokens', type: 'int64', shape: ['n', 'length'] }
  const feeds = open(path, [x, tokens], { names: new Map([['tokens', 'ids']]) }).at(1)
  expect(feeds['x']?.data).toEqual(Float32Array.of(6))
  expect(feeds['tokens']?.data).toEqual(BigInt64Array.of(3n, 4n))
  expect(() => open(path, [x, tokens])).toThrow('has no tensor "tokens" (it has "x", "ids"); name the right one')
})

test('inputs of different numbers of samples are refused', () => {
  const path = save(
    'uneven.safetensors',
    serializeSafetensors(
      new Map([
        ['a', tensor([1, 2], [2])],
        ['b', tensor([5, 6, 7], [3])],
      ]),
    ),
  )
  const input = (name: string): ValueMetadata => ({ name, type: 'float32', shape: ['n'] })
  expect(() => open(path, [input('a'), input('b')])).toThrow('another number of samples')
})

test('a folder gives a sample for each of its files, in the order of their names', () => {
  const inner = join(folder, 'many')
  mkdirSync(inner)
  writeFileSync(join(inner, 'b.npy'), npyOf('<f4', [2, 2, 2], Float32Array.from(bytes24.subarray(8, 16))))
  writeFileSync(join(inner, 'a.npy'), npyOf('<f4', [1, 2, 2, 2], Float32Array.from(bytes24.subarray(0, 8))))
  writeFileSync(join(inner, 'notes.txt'), 'nothing')
  const samples = open(inner)
  expect(samples.count).toBe(2)
  expect(samples.at(0)['x']?.data).toEqual(Float32Array.from(bytes24.subarray(0, 8)))
  expect(samples.at(1)['x']?.dims).toEqual([1, 2, 2, 2])
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  expect(() => open(empty)).toThrow('holds no .npy or .safetensors file')
})

test('files that are cut off, of another kind or of another type are refused', () => {
  const whole = npyOf('<f4', [3, 2, 2, 2], Float32Array.from(bytes24))
  expect(() => open(save('cut.npy', whole.subarray(0, whole.length - 1)))).toThrow(FormatError)
  expect(() => open(save('cut.safetensors', new Uint8Array(5)))).toThrow(FormatError)
  const huge = new Uint8Array(16)
  new DataView(huge.buffer).setBigUint64(0, 2n ** 60n, true)
  expect(() => open(save('huge.safetensors', huge))).toThrow('its header is longer than the file')
  expect(() => open(save('image.png', new Uint8Array(9)))).toThrow('only .npy and .safetensors files')
  expect(() => open(save('complex.npy', npyOf('<c8', [3], new Float64Array(3))))).toThrow('its type is c8')
  const ints = save('ints.npy', npyOf('<i2', [3, 2, 2, 2], new Int16Array(24)))
  expect(() => open(ints).at(0)).toThrow('"x" takes float32, and the file has int16')
})

test('made-up inputs are the same for a seed, others for another, and whole numbers where floats are not wanted', () => {
  const inputs: ValueMetadata[] = [
    { name: 'f', type: 'float32', shape: ['n', 5] },
    { name: 'i', type: 'int64', shape: [4] },
    { name: 'b', type: 'bool', shape: [40] },
  ]
  const feeds = seededFeeds(inputs, 3, new Map([['n', 2]]))
  expect(seededFeeds(inputs, 3, new Map([['n', 2]]))).toEqual(feeds)
  expect(seededFeeds(inputs, 4, new Map([['n', 2]]))).not.toEqual(feeds)
  expect(feeds['f']?.dims).toEqual([2, 5])
  const floats = feeds['f']?.data as Float32Array
  expect(floats.every((v) => v >= -1 && v < 1 && Number.isInteger(v * 2 ** 20))).toBe(true)
  expect(new Set(feeds['b']?.data as Uint8Array)).toEqual(new Set([0, 1]))
  expect(() => seededFeeds([{ name: 's', type: 'string', shape: [1] }], 1)).toThrow('takes strings')
  expect(() => seededFeeds([{ name: 's', type: 'float32', shape: undefined }], 1)).toThrow('how many axes')
})
