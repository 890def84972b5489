/** Entry steps: which inputs have one, and what the caller can see of it. */
import { currentBackend, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import { InferenceSession } from '../../src/runtime/session'
import { findEntries } from '../../src/runtime/entries'
import { host, type GraphStep } from '../../src/runtime/steps'
import { Tensor } from '../../src/runtime/tensor'
import type { Trace } from '../../src/runtime/trace'
import { computed, known } from '../../src/runtime/value'
import { modelOf, type ModelSpec } from '../support/onnx-models'

const x = computed('float32', [4], new Float32Array(4))
const codes = computed('uint8', [4], new Uint8Array(4))
const scales = Float32Array.of(0.5)
const quantize = (operands: object = {}): GraphStep =>
  ({
    kernel: 'quantize',
    operands: { x: x.data, y: codes.data, scales, zeroPoints: Int32Array.of(0), ...operands },
  }) as GraphStep
const clamp = (from: Float32Array, to: Float32Array): GraphStep => ({
  kernel: 'fclamp',
  operands: { x: from, y: to, lo: 0, hi: 1 },
})
const trace = (steps: readonly GraphStep[], parts: Partial<Trace> = {}): Trace => ({
  inputs: new Map([['x', x]]),
  outputs: new Map([['y', codes]]),
  rest: undefined,
  ...parts,
  steps: steps.map((step) => ({ step, node: undefined })),
})

describe('an input has an entry step', () => {
  test('where a cheap kernel is the only reader of all of it', () => {
    expect(findEntries(trace([quantize()]))).toEqual(new Map([['x', 0]]))
  })

  test.each<[string, Trace]>([
    ['is no cheap one', trace([clamp(x.data, new Float32Array(4))])],
    ['is JavaScript', trace([host('copy', [x.data], [codes.data], () => undefined)])],
    ['reads a part of it', trace([quantize({ x: x.data.subarray(1) })])],
    ['is not the only one', trace([quantize(), clamp(x.data, new Float32Array(4))])],
    ['leaves it as an output too', trace([quantize()], { outputs: new Map([['y', x]]) })],
    ['needs what another step computes', trace([clamp(Float32Array.of(2), scales), quantize()])],
    [
      'needs another input',
      trace([quantize()], {
        inputs: new Map([
          ['x', x],
          ['s', computed('float32', [1], scales)],
        ]),
      }),
    ],
    ['writes to what another step has written', trace([quantize({ x: Float32Array.of(1, 2, 3, 4) }), quantize()])],
  ])('unless its first reader %s', (_, given) => {
    expect(findEntries(given)).toEqual(new Map())
  })
})

/** Codes of a quantized input, its sum with another input, and a second reader of neither. */
const model: ModelSpec = {
  inputs: { a: ['float32', ['n', 3]], b: ['float32', ['n', 3]] },
  outputs: { q: 'uint8', y: 'float32' },
  nodes: [
    ['QuantizeLinear', ['a', 'scale', 'zero'], ['q']],
    ['DequantizeLinear', ['q', 'scale', 'zero'], ['d']],
    ['Add', ['d', 'b'], ['y']],
  ],
  constants: {
    scale: known('float32', [], Float32Array.of(0.5)),
    zero: known('uint8', [], Uint8Array.of(100)),
  },
}
const feeds = (n: number) => ({
  a: new Tensor(
    'float32',
    Float32Array.from({ length: 3 * n }, (_, i) => i - 2.3),
    [n, 3],
  ),
  b: new Tensor(
    'float32',
    Float32Array.from({ length: 3 * n }, (_, i) => i / 8),
    [n, 3],
  ),
})

describe.each(['native', 'js'] as const)('a session on the %s backend with an entry step', (name) => {
  const before = currentBackend()
  beforeAll(() => {
    useBackend(name === 'js' ? createJsBackend() : before)
  })
  afterAll(() => {
    useBackend(before)
  })

  test('reads the feeds, changes none, and gives the same each time', async () => {
    const session = InferenceSession.createSync(modelOf(model))
    for (const n of [1, 5, 1]) {
      const given = feeds(n)
      const copy = given.a.data.slice()
      const { q, y } = session.runSync(given)
      expect(given.a.data).toEqual(copy)
      const wanted = copy.map((v) => Math.round(v * 2) + 100)
      expect([...(q?.data as Uint8Array)]).toEqual([...wanted])
      expect([...(y?.data as Float32Array)]).toEqual([...wanted.map((code, i) => (code - 100) / 2 + i / 8)])
      const running = session.run(given)
      given.a.data.fill(9)
      expect((await running)['q']?.data).toEqual(q?.data)
    }
  })

  test('explains and times the step like any other', () => {
    const session = InferenceSession.createSync(modelOf(model))
    expect(session.explainPlan({ a: [2, 3], b: [2, 3] })).toMatch(/^0 +quantize +QuantizeLinear/m)
    const times = session.profile(feeds(500))
    expect(times.map(({ kernel }) => kernel)).toEqual(['quantize', 'dequantize', 'fbinary'])
    for (const { nanoseconds } of times) expect(nanoseconds).toBeGreaterThan(0)
  })

  test('takes inputs without elements', () => {
    const { q } = InferenceSession.createSync(modelOf(model)).runSync(feeds(0))
    expect(q?.dims).toEqual([0, 3])
  })
})
