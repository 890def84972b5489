/** `int8 run`: a model on given samples. */
import { parseArgs } from 'node:util'
import { saveSafetensors } from '../../io/safetensors'
import { isBigType, type NumericArray } from '../../onnx/types'
import { InferenceSession, type Results } from '../../runtime/session'
import type { Tensor as OnnxTensor } from '../../runtime/tensor'
import { isDType, type DType } from '../../tensor/dtype'
import { shapeText } from '../../tensor/shape'
import { tensor, type Tensor } from '../../tensor/tensor'
import { sampleHelp, sampleOptions, samplesOf, type Command } from '../command'
import { progress } from '../progress'
import { countOption, onlyFile, print, UsageError } from '../usage'

const help = `Runs a model on samples and prints its outputs.

Usage: int8 run MODEL --input PATH [options]

${sampleHelp}
  --top N             of outputs with classes, the N largest (5)
  --out FILE          write the outputs to FILE.safetensors: all samples along the first axis`

export const run: Command = {
  summary: 'run a model on samples',
  help,
  run: async (args) => {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...sampleOptions,
        input: { type: 'string' },
        top: { type: 'string' },
        out: { type: 'string' },
      },
    })
    const model = onlyFile(positionals, 'int8 run MODEL --input PATH')
    if (values.input === undefined) throw new UsageError('give the samples: --input PATH')
    const top = countOption('top', values.top) ?? 5
    const session = await InferenceSession.create(model)
    const samples = samplesOf(values.input, session, values)
    const kept: Results[] = []
    const tick = values.out === undefined ? undefined : progress('running', samples.count)
    for (let i = 0; i < samples.count; i++) {
      const results = await session.run(samples.at(i))
      if (values.out === undefined) print(describe(samples.count === 1 ? '' : `${String(i)} `, results, top))
      else kept.push(results)
      tick?.(i + 1)
    }
    session.dispose()
    if (values.out !== undefined) {
      await saveSafetensors(values.out, joined(kept))
      print(`${values.out}: ${String(samples.count)} samples`)
    }
    return 0
  },
}

function describe(prefix: string, results: Results, top: number): string {
  return Object.entries(results)
    .map(
      ([name, { type, dims, data }]) =>
        `${prefix}${name}: ${type} ${shapeText(dims)} ${content(type, dims, data, top)}`,
    )
    .join('\n')
}

function content(type: string, dims: readonly number[], data: OnnxTensor['data'], top: number): string {
  const classes = dims.at(-1) ?? 1
  const text = (value: unknown): string =>
    typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value)
  if (type !== 'float32' || classes < 2 || data.length !== classes)
    return `${Array.from(data.slice(0, 8) as Float32Array, text).join(' ')}${data.length > 8 ? ' …' : ''}`
  const values = data as Float32Array
  return Array.from(values.keys())
    .sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
    .slice(0, top)
    .map((i) => `${String(i)}=${text(values[i])}`)
    .join(' ')
}

/** Outputs of all samples: along the first axis where their other sizes agree, else under names with numbers. */
function joined(results: readonly Results[]): Map<string, Tensor<DType>> {
  const all = new Map<string, Tensor<DType>>()
  for (const name of Object.keys(results[0] ?? {})) {
    const list = results.flatMap((result) => result[name] ?? [])
    const inner = list.map(({ dims }) => dims.slice(1).join('x'))
    const joins = list.every(({ dims }, i) => dims.length > 0 && inner[i] === inner[0])
    if (joins && list[0] !== undefined) {
      const rows = list.reduce((sum, { dims }) => sum + (dims[0] ?? 0), 0)
      all.set(name, plain(name, list, [rows, ...list[0].dims.slice(1)]))
    } else list.forEach((item, i) => all.set(`${name}.${String(i)}`, plain(name, [item], item.dims)))
  }
  return all
}

function plain(name: string, list: readonly OnnxTensor[], dims: readonly number[]): Tensor<DType> {
  const type = list[0]?.type
  if (!isDType(type)) throw new UsageError(`--out cannot write "${name}", which is of type ${String(type)}`)
  const arrays = list.map(({ data }) => data as NumericArray)
  const length = arrays.reduce((sum, { length }) => sum + length, 0)
  const flat = isBigType(type) ? new BigInt64Array(length) : new Float64Array(length)
  let at = 0
  for (const array of arrays) {
    flat.set(array as never, at)
    at += array.length
  }
  return tensor(flat, dims, { dtype: type })
}
