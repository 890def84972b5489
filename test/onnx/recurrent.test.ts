/** LSTM, GRU and RNN, against PyTorch (fixtures/onnx/recurrent.json) and their formulas. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { currentBackend, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import type { Feeds } from '../../src/runtime/feeds'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type ModelSpec } from '../support/onnx-models'

type Kind = 'LSTM' | 'GRU' | 'RNN'

/** One layer and what PyTorch says of it; gates and axes in ONNX's order. */
interface Case {
  readonly kind: Kind
  readonly count: number
  readonly steps: number
  readonly batch: number
  readonly width: number
  readonly hidden: number
  readonly nonlinearity: 'tanh' | 'relu'
  readonly x: readonly number[]
  readonly w: readonly number[]
  readonly r: readonly number[]
  readonly b: readonly number[] | null
  readonly first: readonly (readonly number[])[]
  readonly y: readonly number[]
  readonly last: readonly (readonly number[])[]
}
const cases = JSON.parse(readFileSync(join(__dirname, '../fixtures/onnx/recurrent.json'), 'utf8')) as readonly Case[]

const gates = { LSTM: 4, GRU: 3, RNN: 1 } as const
const value = (dims: readonly number[], data: readonly number[]): Value =>
  known('float32', dims, Float32Array.from(data))
const feed = (dims: readonly number[], data: readonly number[]): Tensor =>
  new Tensor('float32', Float32Array.from(data), dims)

type Attributes = NonNullable<ModelSpec['nodes'][number][3]>

/** A model of one layer; `extra` are inputs behind X, W, R and B by index, or other attributes. */
function layer(c: Case, attributes: Attributes = {}, extra: Readonly<Record<number, Value>> = {}): Uint8Array {
  const { kind, count, width, hidden } = c
  const size = gates[kind] * hidden
  const states = c.first.map((_, i) => `first${String(i)}`)
  const inputs = ['x', 'w', 'r', c.b === null ? '' : 'b', '', ...states]
  for (const index of Object.keys(extra).map(Number)) {
    while (inputs.length < index) inputs.push('')
    inputs[index] = `extra${String(index)}`
  }
  return modelOf({
    inputs: {
      x: ['float32', ['steps', 'batch', width]],
      ...Object.fromEntries(states.map((name) => [name, ['float32', [count, 'batch', hidden]] as const])),
    },
    outputs: { y: 'float32', h: 'float32', ...(kind === 'LSTM' && { c: 'float32' as const }) },
    nodes: [
      [
        kind,
        inputs,
        kind === 'LSTM' ? ['y', 'h', 'c'] : ['y', 'h'],
        {
          hidden_size: hidden,
          ...(count === 2 && { direction: 'bidirectional' }),
          ...(kind === 'GRU' && { linear_before_reset: 1 }),
          ...attributes,
        },
      ],
    ],
    constants: {
      w: value([count, size, width], c.w),
      r: value([count, size, hidden], c.r),
      ...(c.b !== null && { b: value([count, 2 * size], c.b) }),
      ...Object.fromEntries(Object.entries(extra).map(([index, given]) => [`extra${index}`, given])),
    },
  })
}
const feedsOf = (c: Case): Feeds => ({
  x: feed([c.steps, c.batch, c.width], c.x),
  ...Object.fromEntries(c.first.map((data, i) => [`first${String(i)}`, feed([c.count, c.batch, c.hidden], data)])),
})
const numbers = (tensor: Tensor | undefined): number[] => [...(tensor?.data as Float32Array)]

const relu = (c: Case): Attributes => (c.nonlinearity === 'relu' ? { activations: ['Relu', 'Relu'] } : {})
const title = ({ kind, count, b, first, nonlinearity, steps }: Case): string =>
  `${kind} ${nonlinearity} of ${String(steps)} steps, ${count === 2 ? 'both ways' : 'one way'}, ${b === null ? 'no bias' : 'biases'}, ${first.length > 0 ? 'states given' : 'states of zeros'}`

describe.each(cases.map((c) => [title(c), c] as const))('%s', (_, c) => {
  const model = layer(c, relu(c))
  const names = c.kind === 'LSTM' ? ['y', 'h', 'c'] : ['y', 'h']

  test('gives what PyTorch gives', () => {
    const results = InferenceSession.createSync(model).runSync(feedsOf(c))
    expect(results['y']?.dims).toEqual([c.steps, c.count, c.batch, c.hidden])
    ;[c.y, ...c.last].forEach((wanted, i) => {
      const got = numbers(results[names[i] ?? ''])
      expect(got).toHaveLength(wanted.length)
      got.forEach((number, at) => {
        expect(Math.abs(number - (wanted[at] ?? NaN))).toBeLessThan(1e-6)
      })
    })
  })

  test('gives the same bytes from both backends, and in each way to run', async () => {
    const session = InferenceSession.createSync(model)
    const native = session.runSync(feedsOf(c))
    expect(await session.run(feedsOf(c))).toEqual(native)
    const before = currentBackend()
    useBackend(createJsBackend())
    try {
      expect(InferenceSession.createSync(model).runSync(feedsOf(c))).toEqual(native)
    } finally {
      useBackend(before)
    }
  })
})

/** The case of a kind that has everything. */
const full = (kind: Kind, count = 1): Case => {
  const found = cases.find((c) => c.kind === kind && c.count === count && c.b !== null && c.first.length > 0)
  if (found === undefined) throw new Error(`no case of ${kind}`)
  return found
}

test('a layer in reverse is the second half of one that goes both ways', () => {
  const both = full('LSTM', 2)
  const { y } = InferenceSession.createSync(layer(both)).runSync(feedsOf(both))
  const half = <T>(list: readonly T[]): T[] => list.slice(list.length / 2)
  const second: Case = {
    ...both,
    count: 1,
    w: half(both.w),
    r: half(both.r),
    b: half(both.b ?? []),
    first: both.first.map(half),
  }
  const alone = InferenceSession.createSync(layer(second, { direction: 'reverse' })).runSync(feedsOf(second))
  const part = both.batch * both.hidden
  numbers(alone['y']).forEach((number, i) => {
    const [t, at] = [Math.floor(i / part), i % part]
    expect(number).toBe(numbers(y)[(2 * t + 1) * part + at])
  })
})

test('a GRU without linear_before_reset resets the state before its product', () => {
  const c = full('GRU')
  const { hidden, width, batch, steps } = c
  const { y } = InferenceSession.createSync(layer(c, { linear_before_reset: 0 })).runSync(feedsOf(c))
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))
  const b = c.b ?? []
  let state = Array.from({ length: batch }, (_, n) => (c.first[0] ?? []).slice(n * hidden, (n + 1) * hidden))
  const wanted: number[] = []
  for (let t = 0; t < steps; t++) {
    state = state.map((h, n) => {
      const x = c.x.slice((t * batch + n) * width, (t * batch + n + 1) * width)
      const gate = (g: number, from: readonly number[]): number[] =>
        h.map((_, j) => {
          const row = g * hidden + j
          const ofX = x.reduce((sum, v, k) => sum + v * (c.w[row * width + k] ?? 0), 0)
          const ofState = from.reduce((sum, v, k) => sum + v * (c.r[row * hidden + k] ?? 0), 0)
          return ofX + ofState + (b[row] ?? 0) + (b[3 * hidden + row] ?? 0)
        })
      const [z, r] = [gate(0, h).map(sigmoid), gate(1, h).map(sigmoid)]
      const candidate = gate(
        2,
        h.map((v, j) => v * (r[j] ?? 0)),
      ).map(Math.tanh)
      return h.map((v, j) => (1 - (z[j] ?? 0)) * (candidate[j] ?? 0) + (z[j] ?? 0) * v)
    })
    wanted.push(...state.flat())
  }
  numbers(y).forEach((number, i) => {
    expect(Math.abs(number - (wanted[i] ?? NaN))).toBeLessThan(1e-6)
  })
})

test('no steps leave the states as they were', () => {
  const c = full('LSTM')
  const [h = [], cell = []] = c.first
  const results = InferenceSession.createSync(layer(c)).runSync({ ...feedsOf(c), x: feed([0, c.batch, c.width], []) })
  expect(results['y']?.dims).toEqual([0, 1, c.batch, c.hidden])
  expect(numbers(results['h'])).toEqual([...Float32Array.from(h)])
  expect(numbers(results['c'])).toEqual([...Float32Array.from(cell)])
})

test('a saved session has its recurrent layers', async () => {
  const c = full('GRU', 2)
  const session = InferenceSession.createSync(layer(c))
  const wanted = session.runSync(feedsOf(c))
  const path = join(process.env['TMPDIR'] ?? '/tmp', `recurrent-${String(process.pid)}.int8`)
  await session.save(path)
  expect((await InferenceSession.create(path)).runSync(feedsOf(c))).toEqual(wanted)
})

test('lengths of sequences may be given where all are full', () => {
  const c = full('RNN')
  const lengths = (steps: number): Value => known('int32', [c.batch], new Int32Array(c.batch).fill(steps))
  const run = (steps: number): number[] =>
    numbers(InferenceSession.createSync(layer(c, {}, { 4: lengths(steps) })).runSync(feedsOf(c))['y'])
  expect(run(c.steps)).toEqual(numbers(InferenceSession.createSync(layer(c)).runSync(feedsOf(c))['y']))
  expect(() => run(c.steps - 1)).toThrow('RNN: a sequence that is shorter than X is not supported')
})

describe('refuses in words', () => {
  const lstm = full('LSTM')
  const peepholes = { 7: value([1, 3 * lstm.hidden], new Array<number>(3 * lstm.hidden).fill(0)) }
  test.each<[string, Attributes, Readonly<Record<number, Value>>, RegExp]>([
    ['peepholes', {}, peepholes, /LSTM: P \(peepholes\) is not supported/],
    ['clip', { clip: '3f' }, {}, /LSTM: clip is not supported/],
    ['a coupled forget gate', { input_forget: 1 }, {}, /LSTM: input_forget is not supported/],
    ['the batch as first axis', { layout: 1 }, {}, /LSTM: layout 1 .* is not supported/],
    ['another direction', { direction: 'up' }, {}, /LSTM: there is no direction "up"/],
    [
      'another activation',
      { activations: ['Sigmoid', 'Elu', 'Tanh'] },
      {},
      /LSTM: the activation Elu is not supported/,
    ],
    ['too few activations', { activations: ['Sigmoid'] }, {}, /LSTM: there are 1 activations for 3/],
    ['another size', { hidden_size: 9 }, {}, /LSTM: W is \[1, 16, 5\], and should be \[1, 36, 5\]/],
  ])('%s', (_, attributes, extra, wanted) => {
    const session = InferenceSession.createSync(layer(lstm, attributes, extra))
    expect(() => session.runSync(feedsOf(lstm))).toThrow(wanted)
  })
})
