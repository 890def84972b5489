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

/**
 * A model of one layer; `extra` are inputs behind X, W, R and B by index, or other attributes. With `lengths` the
 * lengths of sequences are an input of the model.
 */
function layer(
  c: Case,
  attributes: Attributes = {},
  extra: Readonly<Record<number, Value>> = {},
  { lengths = false } = {},
): Uint8Array {
  const { kind, count, width, hidden } = c
  const size = gates[kind] * hidden
  const states = c.first.map((_, i) => `first${String(i)}`)
  const inputs = ['x', 'w', 'r', c.b === null ? '' : 'b', lengths ? 'lengths' : '', ...states]
  const isBatchFirst = attributes['layout'] === 1
  for (const index of Object.keys(extra).map(Number)) {
    while (inputs.length < index) inputs.push('')
    inputs[index] = `extra${String(index)}`
  }
  return modelOf({
    inputs: {
      x: ['float32', [...(isBatchFirst ? ['batch', 'steps'] : ['steps', 'batch']), width]],
      ...(lengths && { lengths: ['int32', ['batch']] as const }),
      ...Object.fromEntries(
        states.map((name) => [
          name,
          ['float32', isBatchFirst ? ['batch', count, hidden] : [count, 'batch', hidden]] as const,
        ]),
      ),
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

test('a layer of many steps is planned while the event loop turns', async () => {
  const c = full('LSTM')
  const [steps, batch] = [1500, c.batch]
  const session = await InferenceSession.create(layer(c))
  let turns = 0
  let isRunning = true
  const turn = (): void => {
    turns++
    if (isRunning) setImmediate(turn)
  }
  setImmediate(turn)
  await session.run({
    ...feedsOf(c),
    x: feed([steps, batch, c.width], new Array<number>(steps * batch * c.width).fill(1)),
  })
  isRunning = false
  expect(turns).toBeGreaterThan(5)
})

describe('lengths of sequences', () => {
  const lengthsOf = (...list: number[]): Tensor => new Tensor('int32', Int32Array.from(list), [list.length])

  test('that are all full change nothing', () => {
    const c = full('RNN')
    const lengths = known('int32', [c.batch], new Int32Array(c.batch).fill(c.steps))
    expect(InferenceSession.createSync(layer(c, {}, { 4: lengths })).runSync(feedsOf(c))).toEqual(
      InferenceSession.createSync(layer(c)).runSync(feedsOf(c)),
    )
  })

  test.each<[Kind, number]>([
    ['LSTM', 1],
    ['LSTM', 2],
    ['GRU', 2],
    ['RNN', 2],
  ])('end each as if it were alone: %s, %d directions', (kind, count) => {
    const c = full(kind, count)
    const { steps, batch, width, hidden } = c
    const lengths = [steps, 1, steps - 2].slice(0, batch)
    const model = layer(c, relu(c), {}, { lengths: true })
    const session = InferenceSession.createSync(model)
    const feeds = { ...feedsOf(c), lengths: lengthsOf(...lengths) }
    const results = session.runSync(feeds)
    expect(session.explainPlan()).not.toContain('node by node')
    useBackend(createJsBackend())
    try {
      expect(InferenceSession.createSync(model).runSync(feeds)).toEqual(results)
    } finally {
      useBackend(undefined)
    }
    lengths.forEach((length, row) => {
      const alone: Case = {
        ...c,
        steps: length,
        batch: 1,
        x: Array.from({ length }, (_, t) => c.x.slice((t * batch + row) * width, (t * batch + row + 1) * width)).flat(),
        first: c.first.map((state) =>
          Array.from({ length: count }, (_, d) =>
            state.slice((d * batch + row) * hidden, (d * batch + row + 1) * hidden),
          ).flat(),
        ),
      }
      const wanted = InferenceSession.createSync(layer(alone, relu(c))).runSync(feedsOf(alone))
      const rowOf = (tensor: Tensor | undefined, index: number): number[] =>
        numbers(tensor).slice((index * batch + row) * hidden, (index * batch + row + 1) * hidden)
      for (let t = 0; t < steps; t++)
        for (let d = 0; d < count; d++) {
          const at = (t * count + d) * hidden
          const own = t < length ? numbers(wanted['y']).slice(at, at + hidden) : new Array<number>(hidden).fill(0)
          expect(rowOf(results['y'], t * count + d)).toEqual(own)
        }
      for (const name of kind === 'LSTM' ? ['h', 'c'] : ['h'])
        for (let d = 0; d < count; d++)
          expect(rowOf(results[name], d)).toEqual(numbers(wanted[name]).slice(d * hidden, (d + 1) * hidden))
    })
  })

  test('of no steps leave the state as it was', () => {
    const c = full('LSTM')
    const session = InferenceSession.createSync(layer(c, {}, {}, { lengths: true }))
    const { y, h } = session.runSync({ ...feedsOf(c), lengths: lengthsOf(...new Array<number>(c.batch).fill(0)) })
    expect(numbers(y).every((number) => number === 0)).toBe(true)
    expect(numbers(h)).toEqual([...Float32Array.from(c.first[0] ?? [])])
  })

  test('that X does not have are refused', () => {
    const c = full('LSTM')
    const session = InferenceSession.createSync(layer(c, {}, {}, { lengths: true }))
    const run = (...list: number[]): unknown => session.runSync({ ...feedsOf(c), lengths: lengthsOf(...list) })
    const fine = new Array<number>(c.batch - 1).fill(1)
    expect(() => run(...fine, c.steps + 1)).toThrow(/LSTM: a sequence of 7 steps among 6/)
    expect(() => run(...fine, -1)).toThrow(/LSTM: a sequence of -1 steps/)
  })
})

test.each<[Kind, number]>([
  ['LSTM', 2],
  ['GRU', 1],
  ['RNN', 2],
])('the batch may be the first axis: %s, %d directions', (kind, count) => {
  const c = full(kind, count)
  const { steps, batch, width, hidden } = c
  /** `[a, b, ...]` of `size` elements each to `[b, a, ...]`. */
  const turned = (list: readonly number[], a: number, b: number, size: number): number[] =>
    Array.from({ length: b }, (_, j) =>
      Array.from({ length: a }, (__, i) => list.slice((i * b + j) * size, (i * b + j + 1) * size)),
    ).flat(2)
  const wanted = InferenceSession.createSync(layer(c, relu(c))).runSync(feedsOf(c))
  const got = InferenceSession.createSync(layer(c, { ...relu(c), layout: 1 })).runSync({
    x: feed([batch, steps, width], turned(c.x, steps, batch, width)),
    ...Object.fromEntries(
      c.first.map((data, i) => [`first${String(i)}`, feed([batch, count, hidden], turned(data, count, batch, hidden))]),
    ),
  })
  expect(got['y']?.dims).toEqual([batch, steps, count, hidden])
  // Steps, directions, batch to batch, steps and directions.
  expect(numbers(got['y'])).toEqual(turned(numbers(wanted['y']), steps * count, batch, hidden))
  for (const name of kind === 'LSTM' ? ['h', 'c'] : ['h']) {
    expect(got[name]?.dims).toEqual([batch, count, hidden])
    expect(numbers(got[name])).toEqual(turned(numbers(wanted[name]), count, batch, hidden))
  }
})

test.each<[string, { readonly holes?: boolean; readonly clip?: number; readonly isCoupled?: boolean }]>([
  ['peepholes', { holes: true }],
  ['a clip', { clip: 0.4 }],
  ['a coupled forget gate', { isCoupled: true }],
  ['all of these', { holes: true, clip: 0.7, isCoupled: true }],
])('an LSTM with %s is its formula', (_, { holes = false, clip = Infinity, isCoupled = false }) => {
  const c = full('LSTM')
  const { hidden, width, batch, steps } = c
  const p = Array.from({ length: 3 * hidden }, (__, i) => (holes ? Math.sin(i + 1) : 0))
  const attributes = {
    ...(clip < Infinity && { clip: `${String(clip)}f` }),
    ...(isCoupled && { input_forget: 1 }),
  }
  const extra = holes ? { 7: value([1, 3 * hidden], p) } : {}
  const { y, c: cells } = InferenceSession.createSync(layer(c, attributes, extra)).runSync(feedsOf(c))
  const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))
  const bounded = (v: number): number => Math.min(Math.max(v, -clip), clip)
  const rows = (data: readonly number[] = []): number[][] =>
    Array.from({ length: batch }, (__, n) => data.slice(n * hidden, (n + 1) * hidden))
  let [state, memory] = [rows(c.first[0]), rows(c.first[1])]
  const wanted: number[] = []
  for (let t = 0; t < steps; t++) {
    const next = state.map((h, n) => {
      const x = c.x.slice((t * batch + n) * width, (t * batch + n + 1) * width)
      const before = memory[n] ?? []
      const sum = (gate: number, j: number): number => {
        const row = gate * hidden + j
        const ofX = x.reduce((total, v, k) => total + v * (c.w[row * width + k] ?? 0), 0)
        const ofState = h.reduce((total, v, k) => total + v * (c.r[row * hidden + k] ?? 0), 0)
        return ofX + ofState + (c.b?.[row] ?? 0) + (c.b?.[4 * hidden + row] ?? 0)
      }
      const hole = (gate: number, j: number): number => p[gate * hidden + j] ?? 0
      return h.map((__, j) => {
        const old = before[j] ?? 0
        const input = sigmoid(bounded(sum(0, j) + hole(0, j) * old))
        const forget = isCoupled ? 1 - input : sigmoid(bounded(sum(2, j) + hole(2, j) * old))
        const cell = forget * old + input * Math.tanh(bounded(sum(3, j)))
        const output = sigmoid(bounded(sum(1, j) + hole(1, j) * cell))
        return [output * Math.tanh(cell), cell] as const
      })
    })
    state = next.map((row) => row.map(([h]) => h))
    memory = next.map((row) => row.map(([, cell]) => cell))
    wanted.push(...state.flat())
  }
  numbers(y).forEach((number, i) => {
    expect(number).toBeCloseTo(wanted[i] ?? NaN, 5)
  })
  numbers(cells).forEach((number, i) => {
    expect(number).toBeCloseTo(memory.flat()[i] ?? NaN, 5)
  })
})

describe('refuses in words', () => {
  const lstm = full('LSTM')
  const peepholes = { 7: value([1, 4 * lstm.hidden], new Array<number>(4 * lstm.hidden).fill(0)) }
  test.each<[string, Attributes, Readonly<Record<number, Value>>, RegExp]>([
    ['peepholes of another size', {}, peepholes, /LSTM: P is \[1, 16\], and should be \[1, 12\]/],
    ['a clip that leaves nothing', { clip: '-3f' }, {}, /LSTM: clip is -3/],
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
