/** Models that no plan can hold as a whole: what can be planned is, and the rest runs node by node after it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentBackend, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

const native = currentBackend()
const backends = [native, createJsBackend()]

afterEach(() => {
  useBackend(undefined)
})

const tensor = (dims: readonly number[], ...data: number[]): Tensor =>
  new Tensor('float32', Float32Array.from(data), dims)
const numbers = (value: Tensor | undefined): number[] => Array.from(value?.data as ArrayLike<unknown>, Number)

// Two searches, whose results have sizes of their own, something that reads one of them, and what stands by itself.
const model = modelOf({
  inputs: { x: ['float32', ['rows', 3]] },
  outputs: { found: 'int64', picked: 'float32', others: 'int64', sum: 'float32' },
  nodes: [
    ['MatMul', ['x', 'w'], ['y']],
    ['Relu', ['y'], ['positive']],
    ['NonZero', ['positive'], ['found']],
    ['Slice', ['found', 'zero', 'one'], ['rows']],
    ['Squeeze', ['rows', 'zero'], ['at']],
    ['Gather', ['x', 'at'], ['picked']],
    ['Neg', ['y'], ['negative']],
    ['Relu', ['negative'], ['below']],
    ['NonZero', ['below'], ['others']],
    ['ReduceSum', ['positive', 'zero'], ['sum']],
  ],
  constants: {
    w: known('float32', [3, 1], Float32Array.of(1, 1, -1)),
    zero: known('int64', [1], BigInt64Array.of(0n)),
    one: known('int64', [1], BigInt64Array.of(1n)),
  },
})
const x = tensor([4, 3], 1, 2, 3, 4, 0, 1, 0, 0, 2, 5, 5, 5)
const expected = { found: [1, 3, 0, 0], picked: [4, 0, 1, 5, 5, 5], others: [2, 0], sum: [8] }

test.each(backends.map((backend) => [backend.name, backend] as const))(
  'the rest gives what it would if there were no plan, on the %s backend',
  async (_, backend) => {
    useBackend(backend)
    const session = await InferenceSession.create(model)
    for (const results of [session.runSync({ x }), await session.run({ x }), await session.run({ x })]) {
      expect(Object.keys(results)).toEqual(['found', 'picked', 'others', 'sum'])
      for (const [name, values] of Object.entries(expected)) expect(numbers(results[name])).toEqual(values)
      expect(results['found']?.dims).toEqual([2, 2])
      expect(results['picked']?.dims).toEqual([2, 3])
    }
    // Other data, other sizes of results, the same plan.
    const none = session.runSync({ x: tensor([4, 3], ...Array.from({ length: 12 }, () => 0)) })
    expect([none['found']?.dims, none['picked']?.dims]).toEqual([
      [2, 0],
      [0, 3],
    ])
  },
)

test('the plan says what comes after it, and why', () => {
  const text = InferenceSession.createSync(model).explainPlan({ x: [4, 3] })
  expect(text).toContain('10 nodes, 5 steps')
  expect(text).toContain('output sum: float32 [1, 1]')
  expect(text).toContain(
    'then 5 nodes, run node by node because input 0 of node "n2" (NonZero) decides on a shape and is computed at run time',
  )
  expect(text).toContain('Gather "n5"')
  expect(text).toContain('output picked: of sizes that depend on the data')
})

test('the profile ends with the time of the rest', () => {
  const steps = InferenceSession.createSync(model).profile({ x })
  expect(steps).toHaveLength(6)
  expect(steps.at(-1)).toMatchObject({ node: '', kernel: '5 nodes one by one' })
  expect(steps.at(-1)?.nanoseconds).toBeGreaterThan(0)
})

test('the rest does not run where nobody wants its results', async () => {
  // It would fail: there is no such row.
  const failing = modelOf({
    inputs: { x: ['float32', [2]], far: ['int64', [1]] },
    outputs: { doubled: 'float32', y: 'float32' },
    nodes: [
      ['Add', ['x', 'x'], ['doubled']],
      ['NonZero', ['doubled'], ['places']],
      ['Gather', ['places', 'far'], ['row']],
      ['Cast', ['row'], ['y'], { to: 1 }],
    ],
  })
  const session = await InferenceSession.create(failing)
  const feeds = { x: tensor([2], 1, 2), far: new Tensor('int64', BigInt64Array.of(7n), [1]) }
  expect(numbers(session.runSync(feeds, ['doubled'])['doubled'])).toEqual([2, 4])
  expect(numbers((await session.run(feeds, ['doubled']))['doubled'])).toEqual([2, 4])
  expect(() => session.runSync(feeds)).toThrow('index 7 lies outside an axis of 1')
  await expect(session.run(feeds)).rejects.toThrow('index 7 lies outside an axis of 1')
  expect(numbers(session.runSync(feeds, ['doubled'])['doubled'])).toEqual([2, 4])
})

test('what the rest reads of a feed is read before run returns', async () => {
  const session = await InferenceSession.create(model)
  await session.run({ x })
  const own = tensor([4, 3], ...(x.data as Float32Array))
  const running = session.run({ x: own })
  ;(own.data as Float32Array).fill(9)
  expect(numbers((await running)['picked'])).toEqual(expected.picked)
})

test('results of the rest are nobody else’s memory', () => {
  const session = InferenceSession.createSync(model)
  const first = session.runSync({ x })
  for (const { data } of Object.values(first)) if (data instanceof Float32Array) data.fill(7)
  expect(numbers(session.runSync({ x })['picked'])).toEqual(expected.picked)
  expect(x.data[0]).toBe(1)
})

test('a loop that turns out to end on computed data leaves nothing of its first turn in the plan', async () => {
  const looping = modelOf({
    inputs: { x: ['float32', [1]] },
    outputs: { last: 'float32', doubled: 'float32' },
    nodes: [
      [
        'Loop',
        ['ten', 'go', 'x'],
        ['last'],
        {
          body: {
            inputs: { i: ['int64', []], cond: ['bool', []], before: ['float32', [1]] },
            outputs: { next: 'bool', after: 'float32' },
            nodes: [
              ['Add', ['before', 'before'], ['after']],
              ['Less', ['after', 'limit'], ['next']],
            ],
          },
        },
      ],
      ['Add', ['x', 'x'], ['doubled']],
    ],
    constants: {
      ten: known('int64', [], BigInt64Array.of(10n)),
      limit: known('float32', [1], Float32Array.of(20)),
      go: known('bool', [], Uint8Array.of(1)),
    },
  })
  const session = await InferenceSession.create(looping)
  expect(session.explainPlan()).toContain('2 nodes, 1 steps')
  const results = await session.run({ x: tensor([1], 3) })
  expect([numbers(results['last']), numbers(results['doubled'])]).toEqual([[24], [6]])
})

test('a saved session has the same rest', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'int8-rest-'))
  try {
    const path = join(folder, 'model.int8')
    await InferenceSession.createSync(model).save(path)
    const saved = await InferenceSession.create(path)
    expect(numbers(saved.runSync({ x })['picked'])).toEqual(expected.picked)
    saved.dispose()
  } finally {
    rmSync(folder, { recursive: true })
  }
})
