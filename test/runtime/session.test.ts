import { totalmem } from 'node:os'
import { createJsBackend } from '../../src/backend/js'
import { useBackend } from '../../src/backend/current'
import { ArgumentError, BackendError, ModelError } from '../../src/errors'
import { InferenceSession } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

/** `y = relu(x @ w + b)`, `z = softmax(y)`, x `[batch, 3]`. */
const network = modelOf({
  inputs: { x: ['float32', ['batch', 3]] },
  outputs: { y: 'float32', z: 'float32' },
  nodes: [
    ['Gemm', ['x', 'w', 'b'], ['g']],
    ['Relu', ['g'], ['y']],
    ['Softmax', ['y'], ['z']],
  ],
  constants: {
    w: known('float32', [3, 2], Float32Array.of(1, -1, 0.5, 2, -3, 0.25)),
    b: known('float32', [2], Float32Array.of(0.5, -0.5)),
  },
})
const input = (batch: number, seed = 0): Tensor<'float32'> =>
  new Tensor(
    'float32',
    Float32Array.from({ length: 3 * batch }, (_, i) => Math.sin(i + seed)),
    [batch, 3],
  )
const bytes = (tensor: Tensor | undefined): Buffer => {
  const data = tensor?.data as Float32Array
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

test('a session tells names, types and shapes, symbols included', async () => {
  const session = await InferenceSession.create(network)
  expect(session.inputNames).toEqual(['x'])
  expect(session.outputNames).toEqual(['y', 'z'])
  expect(session.inputMetadata).toEqual([{ name: 'x', type: 'float32', shape: ['batch', 3] }])
})

test('runs under way at once give what runs one after the other give', async () => {
  const session = await InferenceSession.create(network)
  const feeds = Array.from({ length: 12 }, (_, i) => ({ x: input(1 + (i % 3), i) }))
  const together = await Promise.all(feeds.map((each) => session.run(each)))
  feeds.forEach((each, i) => {
    const alone = session.runSync(each)
    for (const name of ['y', 'z']) expect(bytes(together[i]?.[name])).toEqual(bytes(alone[name]))
  })
})

test('feeds may be changed once run has returned', async () => {
  const session = await InferenceSession.create(network)
  const x = input(2)
  const wanted = bytes(session.runSync({ x })['z'])
  const running = session.run({ x })
  x.data.fill(9)
  expect(bytes((await running)['z'])).toEqual(wanted)
})

test('results of earlier runs stay what they were', () => {
  const session = InferenceSession.createSync(network)
  const first = session.runSync({ x: input(2) })['z']
  const copy = Buffer.from(bytes(first))
  session.runSync({ x: input(2, 5) })
  expect(bytes(first)).toEqual(copy)
})

test('only the outputs that are asked for come back', async () => {
  const session = await InferenceSession.create(network)
  expect(Object.keys(await session.run({ x: input(1) }, ['z']))).toEqual(['z'])
})

test('both backends give the same bytes', () => {
  const x = input(4)
  const native = InferenceSession.createSync(network).runSync({ x })
  useBackend(createJsBackend())
  try {
    const js = InferenceSession.createSync(network).runSync({ x })
    expect(bytes(js['z'])).toEqual(bytes(native['z']))
  } finally {
    useBackend(undefined)
  }
})

test('plans of many sizes are forgotten and made again', () => {
  const session = InferenceSession.createSync(network, { maxPlans: 2 })
  const wanted = [1, 2, 3, 4].map((batch) => bytes(session.runSync({ x: input(batch) })['z']))
  expect([1, 2, 3, 4].map((batch) => bytes(session.runSync({ x: input(batch) })['z']))).toEqual(wanted)
})

test('a plan explains its steps, and a profile times them', () => {
  const session = InferenceSession.createSync(network)
  const text = session.explainPlan({ x: [5, 3] })
  expect(text).toContain('2 steps, 0 of them in JavaScript')
  expect(text).toContain('output z: float32 [5, 2]')
  const steps = session.profile({ x: input(5) })
  expect(steps.map(({ kernel }) => kernel)).toEqual(['flinear', 'softmax'])
  expect(steps.every(({ nanoseconds }) => nanoseconds > 0)).toBe(true)
})

test('a graph whose shapes depend on data runs node by node, and says so', async () => {
  const session = await InferenceSession.create(
    modelOf({
      inputs: { x: ['float32', [null]] },
      outputs: { y: 'int64' },
      nodes: [['NonZero', ['x'], ['y']]],
    }),
  )
  const run = (...values: number[]): Promise<Record<string, Tensor>> =>
    session.run({ x: new Tensor('float32', Float32Array.from(values)) })
  expect((await run(0, 3, 0, 1))['y']).toMatchObject({ dims: [1, 2], data: BigInt64Array.of(1n, 3n) })
  expect((await run(1, 0))['y']).toMatchObject({ dims: [1, 1], data: BigInt64Array.of(0n) })
  expect(session.explainPlan({ x: [4] })).toContain(
    'node by node because input 0 of node "n0" (NonZero) decides on a shape',
  )
})

describe('a graph that runs node by node', () => {
  // The number of places that are not zero decides on a shape.
  const model = modelOf({
    inputs: { x: ['float32', [null]] },
    outputs: { places: 'int64', same: 'float32', doubled: 'float32', fixed: 'float32' },
    nodes: [
      ['NonZero', ['x'], ['places']],
      ['Identity', ['x'], ['same']],
      ['Add', ['x', 'x'], ['sum']],
      ['Relu', ['sum'], ['doubled']],
      ['Identity', ['weights'], ['fixed']],
    ],
    constants: { weights: known('float32', [2], Float32Array.of(1, 2)) },
  })

  test('reads its feeds before run returns', async () => {
    const session = await InferenceSession.create(model)
    const x = new Tensor('float32', Float32Array.of(1, 2, 3))
    const running = session.run({ x })
    x.data.fill(9)
    expect((await running)['doubled']?.data).toEqual(Float32Array.of(2, 4, 6))
  })

  test('gives results that are nobody else’s memory', async () => {
    const session = await InferenceSession.create(model)
    const x = new Tensor('float32', Float32Array.of(1, 2, 3))
    for (const results of [session.runSync({ x }), await session.run({ x })]) {
      ;(results['same']?.data as Float32Array).fill(7)
      ;(results['fixed']?.data as Float32Array).fill(7)
    }
    expect(x.data).toEqual(Float32Array.of(1, 2, 3))
    expect(session.runSync({ x })['fixed']?.data).toEqual(Float32Array.of(1, 2))
  })
})

describe('refuses with words', () => {
  const session = InferenceSession.createSync(network)
  const message = (run: () => unknown): string => {
    try {
      run()
      return 'nothing was thrown'
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
  }

  test.each([
    ['a feed that is missing', {}, /ArgumentError: .*feeds\.x must be a Tensor, but got undefined/],
    [
      'a feed that nobody asked for',
      { x: input(1), q: input(1) },
      /ArgumentError: .*feeds\.q must be one of the inputs/,
    ],
    [
      'another type',
      { x: new Tensor('int32', new Int32Array(3), [1, 3]) },
      /DTypeError: .*of type float32, but got int32/,
    ],
    [
      'another shape',
      { x: new Tensor('float32', new Float32Array(4), [1, 4]) },
      /ShapeError: .*of shape \[batch, 3\], but got \[1, 4\]/,
    ],
    [
      'shared memory',
      { x: { type: 'float32', data: new Float32Array(new SharedArrayBuffer(12)), dims: [1, 3] } },
      /DTypeError: .*feeds\.x: data must be memory of this thread alone, but got a SharedArrayBuffer/,
    ],
    [
      'another rank',
      { x: new Tensor('float32', new Float32Array(3), [3]) },
      /ShapeError: .*of shape \[batch, 3\], but got \[3\]/,
    ],
  ])('%s', (_, feeds, wanted) => {
    expect(message(() => session.runSync(feeds as never))).toMatch(wanted)
  })

  test('a symbol that stands for two sizes', () => {
    const two = InferenceSession.createSync(
      modelOf({
        inputs: { a: ['float32', ['n']], b: ['float32', ['n']] },
        outputs: { y: 'float32' },
        nodes: [['Add', ['a', 'b'], ['y']]],
      }),
    )
    const feed = (n: number): Tensor => new Tensor('float32', new Float32Array(n))
    expect(message(() => two.runSync({ a: feed(3), b: feed(1) }))).toMatch(
      /feeds\.b .*\[n\], but got \[1\]\. Here n = 3/,
    )
  })

  test('options that do not exist', () => {
    expect(message(() => InferenceSession.createSync(network, { executionProviders: ['cuda'] } as never))).toMatch(
      /ArgumentError: .*executionProviders/,
    )
    expect(message(() => InferenceSession.createSync(network, { passes: { fuseAll: true } } as never))).toMatch(
      /fuseAll/,
    )
    expect(message(() => InferenceSession.createSync(network, { optimize: 'some' } as never))).toMatch(
      /'all' or 'none'/,
    )
  })

  test('use after dispose', () => {
    const gone = InferenceSession.createSync(network)
    gone.runSync({ x: input(1) })
    gone.dispose()
    expect(message(() => gone.runSync({ x: input(1) }))).toMatch(/the session was disposed/)
  })

  test('all operators that are missing, at once', () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: { y: 'float32' },
      nodes: [
        ['Fancy', ['x'], ['a']],
        ['Fancy', ['a'], ['b']],
        ['com.microsoft:Attention', ['b'], ['y']],
      ],
    })
    expect(message(() => InferenceSession.createSync(model))).toMatch(
      /UnsupportedOperatorError: .*Fancy \(2 nodes\), com\.microsoft\.Attention/,
    )
  })
})

describe('a small model that asks for much', () => {
  const zeros = (dims: readonly bigint[], outputs: number): Uint8Array =>
    modelOf({
      inputs: {},
      outputs: Object.fromEntries(Array.from({ length: outputs }, (_, i) => [`y${String(i)}`, 'float32' as const])),
      nodes: Array.from({ length: outputs }, (_, i) => ['ConstantOfShape', ['dims'], [`y${String(i)}`]] as const),
      constants: { dims: known('int64', [dims.length], BigInt64Array.from(dims)) },
    })

  test('is loaded without computing it', async () => {
    const before = process.memoryUsage().rss
    const session = await InferenceSession.create(zeros([30000n, 30000n], 1))
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 30)
    expect(session.outputNames).toEqual(['y0'])
  })

  test('is an error of the library where that is more than there is', () => {
    const session = InferenceSession.createSync(zeros([2n ** 31n - 1n], Math.ceil(totalmem() / 2 ** 33) + 2))
    expect(() => session.runSync({})).toThrow(BackendError)
  })

  test('is computed where it is large, but not too large', () => {
    const { y0 } = InferenceSession.createSync(zeros([3n, 2n ** 20n], 1)).runSync({})
    expect(y0?.dims).toEqual([3, 2 ** 20])
  })
})

describe('data that a kernel refuses', () => {
  const gather = modelOf({
    inputs: { x: ['float32', [3]], i: ['int64', [2]] },
    outputs: { y: 'float32' },
    nodes: [['Gather', ['x', 'i'], ['y']]],
  })
  const feeds = (index: bigint): Feeds => ({
    x: new Tensor('float32', Float32Array.of(5, 6, 7), [3]),
    i: new Tensor('int64', BigInt64Array.of(0n, index), [2]),
  })

  test('is an error of the library in each way to run, and the session goes on', async () => {
    const session = await InferenceSession.create(gather)
    expect(() => session.runSync(feeds(3n))).toThrow(ArgumentError)
    expect(() => session.runSync(feeds(3n))).toThrow('an index lies outside the axis that it selects from')
    await expect(session.run(feeds(-4n))).rejects.toThrow(ArgumentError)
    expect(() => session.profile(feeds(3n))).toThrow(ArgumentError)
    expect(session.runSync(feeds(-1n))['y']?.data).toEqual(Float32Array.of(5, 7))
    session.dispose()
  })

  test('that stands in the model is found when it is loaded or first run', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [3]] },
      outputs: { y: 'float32' },
      nodes: [
        ['Gather', ['k', 'i'], ['g']],
        ['Add', ['x', 'g'], ['y']],
      ],
      constants: { k: known('float32', [3], Float32Array.of(1, 2, 3)), i: known('int64', [1], BigInt64Array.of(9n)) },
    })
    await expect(InferenceSession.create(model)).rejects.toThrow(ModelError)
    const session = await InferenceSession.create(model, { optimize: 'none' })
    expect(() => session.explainPlan()).toThrow(ModelError)
  })
})

test.each([
  [{ to: 'FLOAT' }, 'attribute to must be of type int'],
  [{ to: 99 }, 'a conversion to type 99'],
  [{}, 'a conversion to type 0'],
])('a Cast with attributes %j is refused', async (attributes, text) => {
  const model = modelOf({
    inputs: { x: ['float32', [1]] },
    outputs: { y: 'float32' },
    nodes: [['Cast', ['x'], ['y'], attributes]],
  })
  const session = await InferenceSession.create(model)
  expect(() => session.explainPlan()).toThrow(text)
})

test('text that is no whole number is not cast to one', async () => {
  const model = modelOf({
    inputs: { x: ['int64', [1]] },
    outputs: { y: 'int64' },
    nodes: [
      ['Cast', ['t'], ['n'], { to: 7 }],
      ['Add', ['x', 'n'], ['y']],
    ],
    constants: { t: known('string', [1], ['1.5']) },
  })
  await expect(InferenceSession.create(model)).rejects.toThrow('the text "1.5" is no whole number')
})
