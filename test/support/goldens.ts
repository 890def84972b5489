/** Reads the goldens: what PyTorch answered, case by case (test/fixtures/goldens/README.md). */
import { join } from 'node:path'
import { loadSafetensorsSync } from '../../src/io/safetensors'
import type { DType, QDType, QDType8, QuantizedArrays } from '../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../src/tensor/qtensor'
import { isTensor, type Tensor } from '../../src/tensor/tensor'

/** A quantized tensor as a golden has it: its parameters need not be ones that this library takes. */
export interface GoldenQuantized {
  readonly kind: 'quantized'
  readonly dtype: QDType
  /** Codes in logical order. */
  readonly codes: Tensor<DType>
  readonly channelsLast: boolean
  readonly params:
    | { readonly scale: number; readonly zeroPoint: number }
    | { readonly scales: number[]; readonly zeroPoints: number[]; readonly axis: number }
}

/** Anything that inputs, parameters and outputs hold. */
export type Value = null | boolean | number | string | Tensor<DType> | GoldenQuantized | readonly Value[] | ValueMap
/** Values by name. */
export interface ValueMap {
  readonly [name: string]: Value
}

/** One engine's answer. */
export interface Answer {
  readonly outputs?: Values
  readonly error?: string
}

/** Named values with checked access. */
export class Values {
  readonly map: ValueMap
  private readonly where: string

  constructor(map: ValueMap, where: string) {
    this.map = map
    this.where = where
  }

  has(name: string): boolean {
    return this.map[name] !== undefined && this.map[name] !== null
  }

  /** A float tensor. */
  tensor(name: string): Tensor {
    const value = this.map[name]
    if (isTensor(value) && value.dtype === 'float32') return value as Tensor
    return this.wrong(name, 'a float tensor')
  }

  plain(name: string): Tensor<DType> {
    const value = this.map[name]
    return isTensor(value) ? value : this.wrong(name, 'a plain tensor')
  }

  optionalTensor(name: string): Tensor | null {
    return this.has(name) ? this.tensor(name) : null
  }

  /** A quantized tensor as stored. */
  codes(name: string): GoldenQuantized {
    const value = this.map[name]
    return isQuantized(value) ? value : this.wrong(name, 'a quantized tensor')
  }

  isQuantized(name: string): boolean {
    return isQuantized(this.map[name])
  }

  /** A quantized tensor of this library, in the memory format that PyTorch held it in. */
  quantized(name: string): QTensor {
    return toQTensor(this.codes(name))
  }

  number(name: string): number {
    const value = this.map[name]
    return typeof value === 'number' ? value : this.wrong(name, 'a number')
  }

  optionalNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined
  }

  text(name: string): string {
    const value = this.map[name]
    return typeof value === 'string' ? value : this.wrong(name, 'a string')
  }

  flag(name: string): boolean {
    return this.map[name] === true
  }

  /** A list of numbers; a lone number is a list of one. */
  numbers(name: string): number[] {
    const value = this.map[name]
    if (typeof value === 'number') return [value]
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value
    return this.wrong(name, 'numbers')
  }

  /** A number for all axes, or one for each. */
  perAxis(name: string): number | number[] {
    return typeof this.map[name] === 'number' ? this.map[name] : this.numbers(name)
  }

  /** A quantized tensor of 8 bits. */
  quantized8(name: string): QTensor<QDType8> {
    return as8(this.quantized(name), name)
  }

  /** A list of quantized tensors of 8 bits. */
  quantizedList(name: string): QTensor<QDType8>[] {
    return this.list(name).map((value) =>
      isQuantized(value) ? as8(toQTensor(value), name) : this.wrong(name, 'codes'),
    )
  }

  list(name: string): readonly Value[] {
    const value = this.map[name]
    return Array.isArray(value) ? (value as readonly Value[]) : this.wrong(name, 'a list')
  }

  values(name: string): Values {
    const value = this.map[name]
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isTensor(value) && !isQuantized(value))
      return new Values(value as ValueMap, `${this.where}, ${name}`)
    return this.wrong(name, 'an object')
  }

  private wrong(name: string, expected: string): never {
    throw new Error(`golden ${this.where}: ${name} is not ${expected}`)
  }
}

function as8(q: QTensor, name: string): QTensor<QDType8> {
  if (q.dtype === 'qint32') throw new Error(`${name} is of qint32`)
  return q as QTensor<QDType8>
}

/** One case of a golden file. */
export interface GoldenCase {
  readonly id: string
  readonly op: string
  readonly inputs: Values
  readonly params: Values
  readonly refs: Values
  readonly engine: string
  /** The answer of `engine`. */
  readonly main: Answer
  /** The answer of an engine; that of `any` where it does not depend on the engine. */
  readonly answer: (engine: 'onednn' | 'qnnpack') => Answer
  readonly tolerance: Values
  readonly broken: boolean
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type JsonObject = Readonly<Record<string, Json>>

function isQuantized(value: Value | undefined): value is GoldenQuantized {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'quantized'
}

/** The tensor of this library that a golden's quantized tensor is. */
export function toQTensor(q: GoldenQuantized): QTensor {
  const made = fromIntRepr(q.codes.data as QuantizedArrays[QDType], q.codes.shape, q.dtype, q.params)
  return q.channelsLast ? made.contiguous('channelsLast') : made
}

const cache = new Map<string, GoldenCase[]>()

/** All cases of a family, in the file's order. */
export function loadGoldens(family: string): readonly GoldenCase[] {
  const known = cache.get(family)
  if (known !== undefined) return known
  const path = join(__dirname, '../fixtures/goldens', `${family}.safetensors`)
  const { tensors, metadata } = loadSafetensorsSync(path)
  const named = (name: Json | undefined): Tensor<DType> => {
    const found = typeof name === 'string' ? tensors.get(name) : undefined
    if (found === undefined) throw new Error(`${path} has no tensor ${JSON.stringify(name)}`)
    return found
  }
  const read = (json: Json): Value => {
    if (typeof json !== 'object' || json === null) return json
    if (Array.isArray(json)) return (json as readonly Json[]).map(read)
    const object = json as JsonObject
    const channelsLast = object['memory_format'] === 'channels_last' || object['memory_format'] === 'channels_last_3d'
    if (typeof object['f'] === 'string') return { nan: NaN, inf: Infinity, '-inf': -Infinity }[object['f']] ?? NaN
    if (typeof object['t'] === 'string') {
      const plain = named(object['t'])
      return channelsLast ? plain.contiguous('channelsLast') : plain
    }
    if (typeof object['q'] !== 'string')
      return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, read(value)]))
    return {
      kind: 'quantized',
      dtype: object['dtype'] as QDType,
      codes: named(object['q']),
      channelsLast,
      params:
        object['axis'] === undefined
          ? { scale: Number(read(object['scale'] ?? null)), zeroPoint: Number(read(object['zero_point'] ?? null)) }
          : {
              scales: Array.from(named(object['scales']).data, Number),
              zeroPoints: Array.from(named(object['zero_points']).data, Number),
              axis: Number(object['axis']),
            },
    }
  }
  const cases = (JSON.parse(metadata['cases'] ?? '[]') as JsonObject[]).map((json) => readCase(json, read))
  cache.set(family, cases)
  return cases
}

function readCase(json: JsonObject, read: (json: Json) => Value): GoldenCase {
  const text = (key: string): string => (typeof json[key] === 'string' ? json[key] : '')
  const id = text('id')
  const values = (part: Json | undefined, where: string): Values =>
    new Values(read(part ?? {}) as ValueMap, `"${id}", ${where}`)
  const answer = (part: JsonObject): Answer => ({
    ...(part['outputs'] !== undefined && { outputs: values(part['outputs'], 'outputs') }),
    ...(typeof part['error'] === 'string' && { error: part['error'] }),
  })
  const engine = text('engine')
  const others = (json['others'] ?? {}) as Readonly<Record<string, JsonObject>>
  return {
    id,
    op: text('op'),
    inputs: values(json['inputs'], 'inputs'),
    params: values(json['params'], 'params'),
    refs: values(json['refs'], 'refs'),
    engine,
    main: answer(json),
    answer: (name) => (engine === name || engine === 'any' ? answer(json) : answer(others[name] ?? {})),
    tolerance: values(json['tolerance'], 'tolerance'),
    broken: json['broken'] !== undefined,
  }
}

/** The outputs that an engine answered with. */
export function outputsOf(golden: GoldenCase, engine?: 'onednn' | 'qnnpack'): Values {
  const { outputs, error } = engine === undefined ? golden.main : golden.answer(engine)
  if (outputs === undefined) throw new Error(`golden "${golden.id}" has no outputs: ${String(error)}`)
  return outputs
}
