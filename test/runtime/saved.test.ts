/** Saved sessions: the same results from one file, whichever backend reads it, and nothing worse than an error from a bad one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isNative, currentBackend, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import { FormatError, Int8Error } from '../../src/errors'
import { Attributes } from '../../src/graph/attributes'
import { Graph, GraphNode } from '../../src/graph/graph'
import { quantizeOnnx, quantizeOnnxDynamic } from '../../src/onnx/quantize'
import { openSaved } from '../../src/runtime/saved/read'
import { writeSaved } from '../../src/runtime/saved/write'
import { InferenceSession, type Results } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

const folder = mkdtempSync(join(tmpdir(), 'int8-saved-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const pathOf = (name: string): string => join(folder, name)

const float = join(__dirname, '../../examples/data/fashion-mnist/fashion_mbv2_fp32.onnx')
function images(seed: number): Feeds {
  const data = Float32Array.from({ length: 2 * 784 }, (_, i) => Math.sin(i * 0.37 + seed) + Math.cos(i * seed * 0.011))
  return { input: new Tensor('float32', data, [2, 1, 28, 28]) }
}
const calibration = [1, 2, 3].map(images)
const feeds = images(9)

/** Convolutions with few channels, a MatMul, a Gemm: each layout of weights. */
const small = modelOf({
  inputs: { x: ['float32', [1, 3, 8, 8]] },
  outputs: { y: 'float32' },
  nodes: [
    ['Conv', ['x', 'w1', 'b1'], ['c1'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
    ['Relu', ['c1'], ['r1']],
    ['ConvTranspose', ['r1', 'w2'], ['c2'], { kernel_shape: [2, 2], strides: [2, 2] }],
    ['Reshape', ['c2', 'shape'], ['flat']],
    ['MatMul', ['flat', 'm'], ['h']],
    ['Gemm', ['h', 'g', 'gb'], ['y'], { transB: 1 }],
  ],
  constants: {
    w1: known('float32', [4, 3, 3, 3], wave(108, 1)),
    b1: known('float32', [4], wave(4, 2)),
    w2: known('float32', [4, 2, 2, 2], wave(32, 3)),
    shape: known('int64', [2], BigInt64Array.of(8n, -1n)),
    m: known('float32', [64, 20], wave(1280, 4)),
    g: known('float32', [5, 20], wave(100, 5)),
    gb: known('float32', [5], wave(5, 6)),
  },
})
function wave(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 1.3 + seed))
}
const smallFeeds: Feeds = { x: new Tensor('float32', wave(192, 7), [1, 3, 8, 8]) }

interface Model {
  readonly name: string
  readonly model: () => Promise<string | Uint8Array>
  readonly feeds: Feeds
}
const models: readonly Model[] = [
  { name: 'float', model: () => Promise.resolve(float), feeds },
  {
    name: 'int8',
    model: async () => (await quantizeOnnx(float, { calibration, method: 'minmax' })).model,
    feeds,
  },
  { name: 'dynamic', model: async () => (await quantizeOnnxDynamic(float)).model, feeds },
  {
    name: 'small',
    model: async () => (await quantizeOnnx(small, { calibration: [smallFeeds], method: 'minmax' })).model,
    feeds: smallFeeds,
  },
]

function dataOf(results: Results): unknown[] {
  return Object.entries(results).map(([name, { type, dims, data }]) => [name, type, dims, data])
}

describe.each(models)('the $name model', ({ name, model, feeds: inputs }) => {
  const path = pathOf(`${name}.int8`)
  let expected: unknown[] = []
  beforeAll(async () => {
    const session = await InferenceSession.create(await model())
    await session.save(path)
    expected = dataOf(session.runSync(inputs))
    session.dispose()
  })

  test('gives the same results from its file, at once and off the event loop', async () => {
    const session = await InferenceSession.create(path)
    expect(dataOf(await session.run(inputs))).toEqual(expected)
    expect(dataOf(session.runSync(inputs))).toEqual(expected)
    session.dispose()
  })

  test('gives the same results on each instruction set, whichever packed its weights', async () => {
    const backend = currentBackend()
    const isas = isNative(backend) ? backend.supportedIsas : []
    const before = backend.isa
    for (const isa of isas) {
      if (isNative(backend)) backend.setIsa(isa)
      const session = await InferenceSession.create(path)
      expect(dataOf(session.runSync(inputs))).toEqual(expected)
      const again = pathOf(`${name}.${isa}.int8`)
      await session.save(again)
      session.dispose()
      const second = InferenceSession.createSync(again)
      expect(dataOf(second.runSync(inputs))).toEqual(expected)
      second.dispose()
    }
    if (isNative(backend)) backend.setIsa(before)
  })

  test('gives the same results from bytes, and on the JavaScript backend', async () => {
    const session = await InferenceSession.create(readFileSync(path))
    expect(dataOf(session.runSync(inputs))).toEqual(expected)
    session.dispose()
    useBackend(createJsBackend())
    try {
      const other = await InferenceSession.create(path)
      expect(dataOf(other.runSync(inputs))).toEqual(expected)
      await other.save(pathOf(`${name}.js.int8`))
      other.dispose()
    } finally {
      useBackend(undefined)
    }
    const third = await InferenceSession.create(pathOf(`${name}.js.int8`))
    expect(dataOf(third.runSync(inputs))).toEqual(expected)
    third.dispose()
  })
})

test('a session keeps the file that it was loaded from when another is saved in its place', async () => {
  const path = pathOf('replaced.int8')
  const session = await InferenceSession.create(small)
  await session.save(path)
  const first = await InferenceSession.create(path)
  const other = await InferenceSession.create(float)
  await other.save(path)
  expect(dataOf(first.runSync(smallFeeds))).toEqual(dataOf(session.runSync(smallFeeds)))
  expect((await InferenceSession.create(path)).inputNames).toEqual(['input'])
})

test('saves to one path at the same time do not spoil each other', async () => {
  const path = pathOf('together.int8')
  const session = await InferenceSession.create(small)
  await Promise.all(Array.from({ length: 6 }, () => session.save(path)))
  expect(dataOf((await InferenceSession.create(path)).runSync(smallFeeds))).toEqual(dataOf(session.runSync(smallFeeds)))
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
})

test('options that belong to the passes are refused, and a disposed session is not saved', async () => {
  const path = pathOf('options.int8')
  const session = await InferenceSession.create(small)
  await session.save(path)
  await expect(InferenceSession.create(path, { optimize: 'none' })).rejects.toThrow('absent for a saved session')
  await expect(InferenceSession.create(path, { passes: { tables: false } })).rejects.toThrow('absent')
  session.dispose()
  await expect(session.save(path)).rejects.toThrow(Int8Error)
})

test('a place where nothing can be written gives the system’s error and leaves nothing behind', async () => {
  const session = await InferenceSession.create(small)
  await expect(session.save(join(folder, 'none', 'file.int8'))).rejects.toThrow('ENOENT')
  session.dispose()
})

test('a model that takes no inputs of size 1 is saved all the same, with packed weights once it has run', async () => {
  const model = modelOf({
    inputs: { x: ['float32', ['n', 2, 'h', 'w']] },
    outputs: { y: 'float32' },
    nodes: [
      ['Conv', ['x', 'w1'], ['c'], { kernel_shape: [3, 3] }],
      ['Relu', ['c'], ['r']],
      ['Conv', ['r', 'w2'], ['y'], { kernel_shape: [3, 3] }],
    ],
    constants: { w1: known('float32', [4, 2, 3, 3], wave(72, 1)), w2: known('float32', [3, 4, 3, 3], wave(108, 2)) },
  })
  const inputs: Feeds = { x: new Tensor('float32', wave(2 * 2 * 8 * 9, 3), [2, 2, 8, 9]) }
  const { model: quantized } = await quantizeOnnx(model, { calibration: [inputs], method: 'minmax' })
  const session = await InferenceSession.create(quantized)
  const [before, after] = [pathOf('before.int8'), pathOf('after.int8')]
  await session.save(before)
  const expected = dataOf(session.runSync(inputs))
  await session.save(after)
  for (const path of [before, after])
    expect(dataOf(InferenceSession.createSync(path).runSync(inputs))).toEqual(expected)
  const images = isNative(currentBackend()) ? 1 : 0
  expect(Math.sign(statSync(after).size - statSync(before).size)).toBe(images)
})

test('every kind of attribute and value is kept, with numbers that JSON lacks', async () => {
  const inner = new Graph({
    name: 'inner',
    inputs: [],
    outputs: [{ name: 'c', type: 'float32', dims: undefined }],
    nodes: [],
    constants: new Map([['c', known('float32', [1], Float32Array.of(7))]]),
    infos: new Map(),
  })
  const attributes = Attributes.of({
    float: { kind: 'float', value: -0 },
    int: { kind: 'int', value: 2 ** 62 },
    string: { kind: 'string', value: '\u0000ü' },
    tensor: { kind: 'tensor', value: known('bool', [3], Uint8Array.of(0, 1, 1)) },
    graph: { kind: 'graph', value: inner },
    floats: { kind: 'floats', value: [NaN, Infinity, -Infinity, 0.1] },
    ints: { kind: 'ints', value: [] },
    strings: { kind: 'strings', value: ['a', ''] },
    __proto__: { kind: 'int', value: 3 },
  })
  const node = new GraphNode({
    ...{ op: 'Odd', domain: 'test', opset: 3, name: '', inputs: ['x', '', 'k'], outputs: ['y'], attributes },
  })
  const constants = new Map<string, Value>([
    ['k', known('string', [2], ['one', 'zwei'])],
    ['__proto__', known('int64', [1, 1], BigInt64Array.of(-(2n ** 62n)))],
    ['half', known('float16', [2], Uint16Array.of(1, 65535))],
    ['last', known('int8', [1, 2, 1, 2], Int8Array.of(1, 2, 3, 4), 'channelsLast')],
    ['empty', known('float32', [0, 4], new Float32Array(0))],
  ])
  const graph = new Graph({
    name: 'all',
    inputs: [{ name: 'x', type: 'float64', dims: ['n', null, 3] }],
    outputs: [{ name: 'y', type: 'uint4', dims: undefined }],
    nodes: [node],
    constants: constants,
    infos: new Map(),
  })
  const path = pathOf('all.int8')
  await writeSaved(path, graph, () => [])
  const read = openSaved(path)
  expect(read?.name).toBe('all')
  expect([read?.inputs, read?.outputs]).toEqual([graph.inputs, graph.outputs])
  expect(read?.constants).toEqual(graph.constants)
  const copy = read?.nodes[0]
  expect(copy).toMatchObject({ op: 'Odd', domain: 'test', opset: 3, name: '', inputs: node.inputs, outputs: ['y'] })
  expect([...(copy?.attributes.entries() ?? [])]).toEqual([...attributes.entries()])
})

describe('a file that was changed', () => {
  const path = pathOf('good.int8')
  let good = new Uint8Array(0)
  beforeAll(async () => {
    const { model } = await quantizeOnnx(small, { calibration: [smallFeeds], method: 'minmax' })
    const session = await InferenceSession.create(model)
    await session.save(path)
    session.dispose()
    good = new Uint8Array(readFileSync(path))
  })
  /** Loads and runs; gives the error, or undefined. */
  const attempt = (bytes: Uint8Array): unknown => {
    const bad = pathOf('bad.int8')
    writeFileSync(bad, bytes)
    try {
      const session = InferenceSession.createSync(bad)
      session.runSync(smallFeeds)
      session.dispose()
      return undefined
    } catch (error) {
      return error
    }
  }
  const headerLength = (): number => Number(new DataView(good.buffer).getBigUint64(8, true))
  const edited = (edit: (json: string) => string): Uint8Array => {
    const json = Buffer.from(good.subarray(24, 24 + headerLength())).toString()
    const changed = Buffer.from(edit(json).padEnd(json.length))
    const copy = good.slice()
    copy.set(changed, 24)
    expect(changed.length).toBe(headerLength())
    return copy
  }

  test('by cutting it off anywhere is refused', () => {
    for (let i = 0; i < 60; i++) {
      const length = Math.floor((good.length * i) / 60)
      expect(attempt(good.subarray(0, length))).toBeInstanceOf(FormatError)
    }
    expect(attempt(good.subarray(0, good.length - 64))).toBeInstanceOf(FormatError)
  })

  test.each([
    ['another format', (json: string) => json.replace('"format":2', '"format":1'), 'reads 2'],
    ['no JSON', (json: string) => json.replace('{', '['), 'its header is no JSON'],
    ['a list for a graph', (json: string) => json.replace(/"nodes":\[\{/, '"nodes":[[{').replace(/\}$/, ''), 'no JSON'],
    ['an unknown type', (json: string) => json.replace('"type":"int8"', '"type":"int9"'), 'of type int9'],
    ['sizes of another product', (json: string) => json.replace('"dims":[4,3,3,3]', '"dims":[4,3,3,9]'), 'length'],
    ['an offset outside', (json: string) => json.replace(/"offset":\d{3}/, '"offset":1e8'), 'does not lie in it'],
    ['an offset between', (json: string) => json.replace(/("offset":\d{2})\d/, '$11'), 'does not lie in it'],
    ['a negative position', (json: string) => json.replace(/"shape":(\d)/, '"shape":-'), ''],
  ])('to have %s is refused', (_, edit, message) => {
    const error = attempt(edited(edit))
    expect(error).toBeInstanceOf(FormatError)
    expect(String(error)).toContain(message)
  })

  test('in single bytes is refused, or runs', () => {
    const outcomes = { ran: 0, refused: 0, others: [] as unknown[] }
    let state = 7
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let i = 0; i < 400; i++) {
      const copy = good.slice()
      // Most of them in the header, where they hurt.
      const at = random(i % 4 === 0 ? copy.length : 24 + headerLength())
      copy[at] = i % 2 === 0 ? random(256) : (copy[at] ?? 0) ^ (1 << random(8))
      const error = attempt(copy)
      if (error === undefined) outcomes.ran++
      else if (error instanceof Int8Error) outcomes.refused++
      else outcomes.others.push(error)
    }
    expect(outcomes.others).toEqual([])
    expect(outcomes.ran).toBeGreaterThan(50)
    expect(outcomes.refused).toBeGreaterThan(50)
  })

  test('in its packed weights alone changes no size and runs', () => {
    const copy = good.slice()
    copy.fill(0x55, statSync(path).size - 64)
    expect(attempt(copy)).toBeUndefined()
  })
})
