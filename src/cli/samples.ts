/** Feeds for a model from files: one array or safetensors file of many samples, or a folder with a file for each. */
import { readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type NumericArray, type NumericType } from '../onnx/types'
import type { InferenceSession } from '../runtime/session'
import type { Feeds, ValueMetadata } from '../runtime/feeds'
import { Tensor } from '../runtime/tensor'
import { shapeText, sizeOf } from '../tensor/shape'
import { openArrays, type ArrayFile } from './arrays'
import { UsageError } from './usage'

/** How elements become those of an input. */
export interface SampleOptions {
  /** Names of tensors in files by input, where they differ. */
  readonly names: ReadonlyMap<string, string>
  /** For 8-bit data and float inputs: `(value / 255 - mean) / std`, one of each or one per channel. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Samples that a feed holds, where the model's first axis is free. */
  readonly batch: number
  /** Feeds at most. */
  readonly limit: number
}

/** Feeds that can be read again and again, each time from the files. */
export interface SampleSet {
  readonly count: number
  readonly at: (index: number) => Feeds
}

/** The sample set of a file or folder. */
export function openSamples(
  path: string,
  { inputMetadata }: Pick<InferenceSession, 'inputMetadata'>,
  options: SampleOptions,
): SampleSet {
  if (statSync(path).isDirectory()) return openFolder(path, inputMetadata, options)
  const arrays = openArrays(path)
  const sources = inputMetadata.map((input) => ({
    input,
    array: arrayFor(path, arrays, input, inputMetadata, options),
  }))
  const samples = Math.min(...sources.map(({ array }) => array.shape[0] ?? 1))
  for (const { input, array } of sources)
    if (array.shape[0] !== samples)
      throw new UsageError(`${path}: "${input.name}" has another number of samples than the other inputs`)
  const batch = inputMetadata.every(({ shape }) => typeof shape?.[0] !== 'number')
    ? options.batch
    : Math.max(1, ...inputMetadata.map(({ shape }) => (typeof shape?.[0] === 'number' ? shape[0] : 1)))
  const count = Math.min(options.limit, Math.floor(samples / batch))
  if (count === 0) throw new UsageError(`${path}: ${String(samples)} samples do not fill a batch of ${String(batch)}`)
  return {
    count,
    at: (index) =>
      Object.fromEntries(
        sources.map(({ input, array }) => {
          const data = array.rows(index * batch, batch)
          const dims = [batch, ...dimsOfSample(path, input, array.shape.slice(1))]
          return [input.name, convert(path, input, array.type, data, dims, options)]
        }),
      ),
  }
}

function openFolder(path: string, inputs: readonly ValueMetadata[], options: SampleOptions): SampleSet {
  const files = readdirSync(path)
    .filter((name) => ['.npy', '.safetensors'].includes(extname(name).toLowerCase()))
    .sort()
    .slice(0, options.limit)
  if (files.length === 0) throw new UsageError(`${path} holds no .npy or .safetensors file`)
  return {
    count: files.length,
    at: (index) => {
      const file = join(path, files[index] ?? '')
      const arrays = openArrays(file)
      return Object.fromEntries(
        inputs.map((input) => {
          const array = arrayFor(file, arrays, input, inputs, options)
          const { shape, type } = array
          // A sample of one axis less than the input lacks the batch.
          const dims = input.shape !== undefined && shape.length === input.shape.length - 1 ? [1, ...shape] : shape
          return [input.name, convert(file, input, type, array.rows(0, shape[0] ?? 1), dims, options)]
        }),
      )
    },
  }
}

function arrayFor(
  path: string,
  arrays: readonly ArrayFile[],
  { name }: ValueMetadata,
  inputs: readonly ValueMetadata[],
  { names }: SampleOptions,
): ArrayFile {
  const wanted = names.get(name) ?? name
  const [only] = arrays
  const found =
    arrays.find((array) => array.name === wanted) ??
    (inputs.length === 1 && arrays.length === 1 && !names.has(name) ? only : undefined)
  if (found !== undefined) return found
  const there = arrays.map((array) => `"${array.name}"`).join(', ')
  throw new UsageError(
    `${path} has no tensor "${wanted}" (it has ${there}); name the right one by --tensor ${name}=TENSOR`,
  )
}

/** Sizes of one sample behind the batch: the model's where they hold as many elements, else the file's. */
function dimsOfSample(path: string, { name, shape }: ValueMetadata, given: readonly number[]): readonly number[] {
  const inner = shape?.slice(1)
  if (inner === undefined) return given
  const fixed = inner.flatMap((dim) => (typeof dim === 'number' ? [dim] : []))
  if (fixed.length === inner.length && sizeOf(fixed) === sizeOf(given)) return fixed
  if (inner.length === given.length) return given
  throw new UsageError(
    `${path}: samples of ${shapeText(given)} do not fit "${name}" of [${(shape ?? []).map((dim) => dim ?? '?').join(', ')}]`,
  )
}

function convert(
  path: string,
  { name, type }: ValueMetadata,
  from: NumericType,
  data: NumericArray,
  dims: readonly number[],
  { mean, std }: SampleOptions,
): Tensor {
  if (type === from) return new Tensor(type, data, dims)
  if (type === 'float32' && from === 'uint8') {
    const channels = dims[1] ?? 1
    const inner = sizeOf(dims.slice(2))
    for (const [option, list] of Object.entries({ mean, std }))
      if (list.length !== 1 && list.length !== channels)
        throw new UsageError(
          `--${option} must have 1 or ${String(channels)} numbers for "${name}" of ${shapeText(dims)}`,
        )
    const values = Float32Array.from(data as Uint8Array, (value, i) => {
      const c = Math.floor(i / inner) % channels
      return (value / 255 - (mean[c] ?? mean[0] ?? 0)) / (std[c] ?? std[0] ?? 1)
    })
    return new Tensor('float32', values, dims)
  }
  if (type === 'float32' && from === 'float64') return new Tensor(type, Float32Array.from(data as Float64Array), dims)
  if (type === 'int64' && (from === 'int32' || from === 'uint8'))
    return new Tensor(type, BigInt64Array.from(data as Int32Array, BigInt), dims)
  throw new UsageError(`${path}: "${name}" takes ${type}, and the file has ${from}`)
}
