/** If, Loop and Scan: in a plan where what they decide on is known, node by node where it is not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentBackend, useBackend } from '../../src/backend/current'
import { createJsBackend } from '../../src/backend/js'
import { ModelError } from '../../src/errors'
import { quantizeOnnx } from '../../src/onnx/quantize'
import type { Feeds } from '../../src/runtime/feeds'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type GraphSpec, type ModelSpec, type NodeSpec } from '../support/onnx-models'

const floats = (dims: readonly number[], ...data: number[]): Value => known('float32', dims, Float32Array.from(data))
const longs = (dims: readonly number[], ...data: number[]): Value =>
  known('int64', dims, BigInt64Array.from(data, BigInt))
const bool = (value: boolean): Value => known('bool', [], Uint8Array.of(value ? 1 : 0))
const tensor = (dims: readonly number[], ...data: number[]): Tensor =>
  new Tensor('float32', Float32Array.from(data), dims)
const flag = (value: boolean): Tensor => new Tensor('bool', Uint8Array.of(value ? 1 : 0), [1])
const long = (value: number): Tensor => new Tensor('int64', BigInt64Array.of(BigInt(value)), [])

/** A body without inputs that computes `result`. */
const branch = (result: string, nodes: readonly NodeSpec[], constants: GraphSpec['constants'] = {}): GraphSpec => ({
  inputs: {},
  outputs: { [result]: 'float32' },
  nodes,
  constants,
})

/** Runs a model on both backends, at once and off the event loop; the results have to be the same. */
async function run(model: Uint8Array, feeds: Feeds): Promise<Readonly<Record<string, Tensor>>> {
  const native = currentBackend()
  const session = await InferenceSession.create(model)
  const results = await session.run(feeds)
  expect(session.runSync(feeds)).toEqual(results)
  session.dispose()
  const plain = InferenceSession.createSync(model, { optimize: 'none' })
  expect(plain.runSync(feeds)).toEqual(results)
  useBackend(createJsBackend())
  try {
    expect(InferenceSession.createSync(model).runSync(feeds)).toEqual(results)
  } finally {
    useBackend(native)
  }
  return results
}

const numbers = (result: Tensor | undefined): number[] => Array.from(result?.data as ArrayLike<number>, Number)
const planOf = (model: Uint8Array, shapes: Readonly<Record<string, readonly number[]>> = {}): string =>
  InferenceSession.createSync(model).explainPlan(shapes)

/** x doubled where `use` holds, and x + 1 elsewhere. */
const switched: ModelSpec = {
  inputs: { use: ['bool', [1]], x: ['float32', ['n']] },
  outputs: { y: 'float32' },
  nodes: [
    [
      'If',
      ['use'],
      ['y'],
      {
        then_branch: branch('doubled', [['Add', ['x', 'x'], ['doubled']]]),
        else_branch: branch('raised', [['Add', ['x', 'one'], ['raised']]], { one: floats([], 1) }),
      },
    ],
  ],
}

describe('If', () => {
  test('on sizes takes its branch in the plan, as in the squeeze of PyTorch exports', async () => {
    const model = modelOf({
      inputs: { x: ['float32', ['n', 2]] },
      outputs: { y: 'float32' },
      nodes: [
        ['Shape', ['x'], ['shape']],
        ['Gather', ['shape', 'zero'], ['rows']],
        ['Equal', ['rows', 'one'], ['single']],
        [
          'If',
          ['single'],
          ['y'],
          {
            then_branch: branch('flat', [['Squeeze', ['x', 'axes'], ['flat']]]),
            else_branch: branch('same', [['Identity', ['x'], ['same']]]),
          },
        ],
      ],
      constants: { zero: longs([], 0), one: longs([], 1), axes: longs([1], 0) },
    })
    expect((await run(model, { x: tensor([1, 2], 3, 4) }))['y']?.dims).toEqual([2])
    expect((await run(model, { x: tensor([2, 2], 3, 4, 5, 6) }))['y']?.dims).toEqual([2, 2])
    expect(planOf(model)).not.toContain('node by node')
  })

  test('on an input has a plan for either value, also when both are first asked for at once', async () => {
    const model = modelOf(switched)
    expect(numbers((await run(model, { use: flag(true), x: tensor([2], 3, 4) }))['y'])).toEqual([6, 8])
    expect(numbers((await run(model, { use: flag(false), x: tensor([2], 3, 4) }))['y'])).toEqual([4, 5])
    expect(planOf(model)).not.toContain('node by node')
    const session = await InferenceSession.create(model)
    const both = [true, false, true, false].map(async (use) => session.run({ use: flag(use), x: tensor([1], 3) }))
    expect((await Promise.all(both)).map(({ y }) => numbers(y)[0])).toEqual([6, 4, 6, 4])
  })

  test('on computed data runs node by node', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: { y: 'float32' },
      nodes: [
        ['ReduceSum', ['x'], ['sum'], { keepdims: 0 }],
        ['Greater', ['sum', 'zero'], ['positive']],
        [
          'If',
          ['positive'],
          ['y'],
          {
            then_branch: branch('kept', [['Identity', ['x'], ['kept']]]),
            else_branch: branch('turned', [['Neg', ['x'], ['turned']]]),
          },
        ],
      ],
      constants: { zero: floats([], 0) },
    })
    expect(numbers((await run(model, { x: tensor([2], 3, -1) }))['y'])).toEqual([3, -1])
    expect(numbers((await run(model, { x: tensor([2], -3, 1) }))['y'])).toEqual([3, -1])
    expect(planOf(model)).toContain('node by node because the condition of node "n2" (If) is computed at run time')
  })

  test('within If reads values of all graphs around it', async () => {
    const inner = branch('z', [['Add', ['middle', 'x'], ['z']]])
    const model = modelOf({
      inputs: { a: ['bool', []], b: ['bool', []], x: ['float32', [1]] },
      outputs: { y: 'float32' },
      nodes: [
        [
          'If',
          ['a'],
          ['y'],
          {
            then_branch: branch('out', [
              ['Mul', ['x', 'three'], ['middle']],
              ['If', ['b'], ['out'], { then_branch: inner, else_branch: branch('w', [['Neg', ['three'], ['w']]]) }],
            ]),
            else_branch: branch('e', [['Identity', ['x'], ['e']]]),
          },
        ],
      ],
      constants: { three: floats([1], 3) },
    })
    const yes = new Tensor('bool', Uint8Array.of(1), [])
    const no = new Tensor('bool', Uint8Array.of(0), [])
    expect(numbers((await run(model, { a: yes, b: yes, x: tensor([1], 5) }))['y'])).toEqual([20])
    expect(numbers((await run(model, { a: yes, b: no, x: tensor([1], 5) }))['y'])).toEqual([-3])
    expect(numbers((await run(model, { a: no, b: yes, x: tensor([1], 5) }))['y'])).toEqual([5])
  })

  test('with a result that is a value from around it passes that on', async () => {
    const model = modelOf({
      ...switched,
      nodes: [
        ['If', ['use'], ['y'], { then_branch: branch('x', []), else_branch: branch('c', [], { c: floats([1], 7) }) }],
      ],
    })
    expect(numbers((await run(model, { use: flag(true), x: tensor([1], 3) }))['y'])).toEqual([3])
    expect(numbers((await run(model, { use: flag(false), x: tensor([1], 3) }))['y'])).toEqual([7])
  })

  /** A layer in codes, whose weights belong to the graph around it. */
  const quantizedLayer: ModelSpec = {
    inputs: { use: ['bool', [1]], x: ['float32', [1, 4]] },
    outputs: { y: 'float32' },
    nodes: [
      [
        'If',
        ['use'],
        ['y'],
        {
          then_branch: branch('yd', [
            ['QuantizeLinear', ['x', 'xs', 'xz'], ['xq']],
            ['DequantizeLinear', ['xq', 'xs', 'xz'], ['xd']],
            ['DequantizeLinear', ['w', 'ws', 'wz'], ['wd']],
            ['MatMul', ['xd', 'wd'], ['m']],
            ['QuantizeLinear', ['m', 'xs', 'xz'], ['mq']],
            ['DequantizeLinear', ['mq', 'xs', 'xz'], ['yd']],
          ]),
          else_branch: branch('same', [['Identity', ['x'], ['same']]]),
        },
      ],
    ],
    constants: {
      xs: floats([], 0.25),
      xz: known('uint8', [], Uint8Array.of(128)),
      w: known('int8', [4, 2], Int8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
      ws: floats([], 0.5),
      wz: known('int8', [], Int8Array.of(0)),
    },
  }

  test('has int8 layers in its branches, with weights from around it', async () => {
    const model = modelOf(quantizedLayer)
    const feeds = { use: flag(true), x: tensor([1, 4], 0.5, -0.25, 1, 0.25) }
    expect(numbers((await run(model, feeds))['y'])).toEqual([3.25, 4])
    const session = InferenceSession.createSync(model)
    expect(session.profile(feeds).map(({ kernel }) => kernel)).toContain('qlinear')
  })

  test('comes back from a saved session with the packed weights of its branches', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'int8-control-'))
    try {
      const feeds = { use: flag(true), x: tensor([1, 4], 0.5, -0.25, 1, 0.25) }
      const session = await InferenceSession.create(modelOf(quantizedLayer))
      const results = session.runSync(feeds)
      await session.save(join(folder, 'model.int8'))
      const again = await InferenceSession.create(join(folder, 'model.int8'))
      expect(again.runSync(feeds)).toEqual(results)
      expect(again.runSync({ ...feeds, use: flag(false) })['y']?.data).toEqual(feeds.x.data)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test.each([
    ['a condition of two elements', { use: ['bool', [2]] as const }],
    ['a condition that is no bool', { use: ['float32', [1]] as const }],
  ])('%s is refused', (_, inputs) => {
    const model = modelOf({ ...switched, inputs: { ...switched.inputs, ...inputs } })
    const [type, [length]] = inputs.use
    const use = type === 'bool' ? new Tensor('bool', new Uint8Array(length), [length]) : tensor([1], 1)
    expect(() => InferenceSession.createSync(model).runSync({ use, x: tensor([1], 3) })).toThrow(ModelError)
  })

  test('without a branch is refused', () => {
    const model = modelOf({ ...switched, nodes: [['If', ['use'], ['y']]] })
    expect(() => InferenceSession.createSync(model).runSync({ use: flag(true), x: tensor([1], 3) })).toThrow(
      /has no then_branch/,
    )
  })
})

/** A loop that adds x to a sum that begins with 0, and keeps every sum. */
const summing = (inputs: readonly string[], goesOn: NodeSpec = ['Identity', ['cond'], ['next']]): NodeSpec => [
  'Loop',
  inputs,
  ['last', 'sums'],
  {
    body: {
      inputs: { i: ['int64', []], cond: ['bool', []], before: ['float32', [2]] },
      outputs: { next: 'bool', after: 'float32', kept: 'float32' },
      nodes: [['Add', ['before', 'x'], ['after']], ['Identity', ['after'], ['kept']], goesOn],
      constants: { limit: longs([], 2) },
    },
  },
]
const sums = { last: 'float32', sums: 'float32' } as const
const zeros = floats([2], 0, 0)

describe('Loop', () => {
  test('of a constant count is unrolled into the plan', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: sums,
      nodes: [summing(['three', '', 'zeros'])],
      constants: { three: longs([], 3), zeros },
    })
    const results = await run(model, { x: tensor([2], 1, 10) })
    expect(numbers(results['last'])).toEqual([3, 30])
    expect(results['sums']?.dims).toEqual([3, 2])
    expect(numbers(results['sums'])).toEqual([1, 10, 2, 20, 3, 30])
    expect(planOf(model)).not.toContain('node by node')
  })

  const counted = modelOf({
    inputs: { count: ['int64', []], go: ['bool', []], x: ['float32', [2]] },
    outputs: sums,
    nodes: [summing(['count', 'go', 'zeros'])],
    constants: { zeros },
  })
  const go = new Tensor('bool', Uint8Array.of(1), [])

  test('of a count that is an input runs node by node, for as many turns as that says', async () => {
    expect(numbers((await run(counted, { count: long(2), go, x: tensor([2], 1, 10) }))['sums'])).toEqual([1, 10, 2, 20])
    expect(planOf(counted)).toContain('node by node because the count of node "n0" (Loop) is computed at run time')
  })

  test.each([
    ['no turns', long(0), go],
    ['a negative count', long(-3), go],
    ['a condition that does not hold', long(5), new Tensor('bool', Uint8Array.of(0), [])],
  ])('with %s gives what it was given, and no scans', async (_, count, condition) => {
    const results = await run(counted, { count, go: condition, x: tensor([2], 1, 10) })
    expect(numbers(results['last'])).toEqual([0, 0])
    expect(results['sums']?.dims[0]).toBe(0)
    expect(numbers(results['sums'])).toEqual([])
  })

  test('ends when its condition does', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: sums,
      nodes: [summing(['', 'yes', 'zeros'], ['Less', ['i', 'limit'], ['next']])],
      constants: { yes: bool(true), zeros },
    })
    expect(numbers((await run(model, { x: tensor([2], 1, 10) }))['last'])).toEqual([3, 30])
  })

  test('without a condition does not look at what its body says of one', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: sums,
      nodes: [summing(['four', '', 'zeros'], ['Less', ['i', 'limit'], ['next']])],
      constants: { four: longs([], 4), zeros },
    })
    expect(numbers((await run(model, { x: tensor([2], 1, 10) }))['last'])).toEqual([4, 40])
  })

  /** A loop of a constant count that carries one value, x. */
  const carrying = (
    count: number,
    after: string,
    nodes: readonly NodeSpec[],
    constants: GraphSpec['constants'] = {},
  ): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', [1]] },
      outputs: { y: 'float32' },
      nodes: [
        [
          'Loop',
          ['count', '', 'x'],
          ['y'],
          {
            body: {
              inputs: { i: ['int64', []], cond: ['bool', []], before: ['float32', ['n']] },
              outputs: { cond: 'bool', [after]: 'float32' },
              nodes,
              constants,
            },
          },
        ],
      ],
      constants: { count: longs([], count) },
    })

  test('may carry values whose sizes change', async () => {
    const model = carrying(3, 'after', [['Concat', ['before', 'before'], ['after'], { axis: 0 }]])
    expect((await run(model, { x: tensor([1], 5) }))['y']?.dims).toEqual([8])
  })

  test('of more turns than a plan may hold runs node by node', () => {
    const model = carrying(20_000, 'after', [['Add', ['before', 'one'], ['after']]], { one: floats([1], 1) })
    expect(planOf(model)).toContain('node by node because its loops are too long for a plan')
    expect(numbers(InferenceSession.createSync(model).runSync({ x: tensor([1], 0) })['y'])).toEqual([20_000])
  })

  test('without a place for a condition takes none of what its body reads for one', async () => {
    const model = modelOf({
      inputs: { x: ['float32', [2]], flags: ['bool', [1]] },
      outputs: { rows: 'float32' },
      nodes: [
        [
          'Loop',
          ['two'],
          ['rows'],
          {
            body: {
              inputs: { i: ['int64', []], cond: ['bool', []] },
              outputs: { next: 'bool', row: 'float32' },
              nodes: [
                ['Not', ['flags'], ['next']],
                ['Neg', ['x'], ['row']],
              ],
            },
          },
        ],
      ],
      constants: { two: longs([], 2) },
    })
    const results = await run(model, { x: tensor([2], 1, 10), flags: flag(false) })
    expect(numbers(results['rows'])).toEqual([-1, -10, -1, -10])
  })

  test('whose body has no nodes is no endless plan', () => {
    expect(planOf(carrying(2 ** 50, 'before', []))).toContain('its loops are too long for a plan')
  })

  test('that runs node by node off the event loop lets that turn', async () => {
    const session = await InferenceSession.create(counted)
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    await session.run({ count: long(5000), go, x: tensor([2], 1, 10) })
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(2)
  })

  test.each([
    ['neither a count nor a condition', summing(['', '', 'zeros'])],
    ['too few values for its body', summing(['three', ''])],
    ['a count of floats', summing(['zeros', '', 'zeros'])],
  ])('with %s is refused', (_, node) => {
    const model = modelOf({
      inputs: { x: ['float32', [2]] },
      outputs: sums,
      nodes: [node],
      constants: { three: longs([], 3), zeros },
    })
    expect(() => InferenceSession.createSync(model).runSync({ x: tensor([2], 1, 10) })).toThrow(ModelError)
  })
})

describe('Scan', () => {
  /** Running sums along an axis. */
  const scanning = (attributes: Readonly<Record<string, readonly number[]>>): Uint8Array =>
    modelOf({
      inputs: { x: ['float32', ['a', 'b']] },
      outputs: { last: 'float32', all: 'float32' },
      nodes: [
        [
          'Scan',
          ['zeros', 'x'],
          ['last', 'all'],
          {
            num_scan_inputs: 1,
            ...attributes,
            body: {
              inputs: { before: ['float32', [2]], slice: ['float32', [2]] },
              outputs: { after: 'float32', kept: 'float32' },
              nodes: [
                ['Add', ['before', 'slice'], ['after']],
                ['Identity', ['after'], ['kept']],
              ],
            },
          },
        ],
      ],
      constants: { zeros },
    })

  test('goes along the first axis', async () => {
    const results = await run(scanning({}), { x: tensor([3, 2], 1, 2, 3, 4, 5, 6) })
    expect(numbers(results['last'])).toEqual([9, 12])
    expect(numbers(results['all'])).toEqual([1, 2, 4, 6, 9, 12])
  })

  test('goes backward, and along other axes, where it is told to', async () => {
    const x = tensor([2, 3], 1, 2, 3, 4, 5, 6)
    const backward = await run(scanning({ scan_input_axes: [1], scan_input_directions: [1] }), { x })
    expect(numbers(backward['all'])).toEqual([3, 6, 5, 11, 6, 15])
    const columns = await run(scanning({ scan_input_axes: [-1], scan_output_axes: [1] }), { x })
    expect(columns['all']?.dims).toEqual([2, 3])
    expect(numbers(columns['all'])).toEqual([1, 3, 6, 4, 9, 15])
    const reversed = await run(scanning({ scan_input_axes: [1], scan_output_directions: [1] }), { x })
    expect(numbers(reversed['all'])).toEqual([6, 15, 3, 9, 1, 4])
  })

  test('of nothing gives what it was given', async () => {
    const results = await run(scanning({}), { x: tensor([0, 2]) })
    expect(numbers(results['last'])).toEqual([0, 0])
    expect(results['all']?.dims[0]).toBe(0)
  })
})

test('a quantized model keeps its branches, which still read the values around them', async () => {
  const weights = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) / 4)
  const model = modelOf({
    inputs: { use: ['bool', [1]], x: ['float32', [1, 8]] },
    outputs: { y: 'float32' },
    nodes: [
      ['MatMul', ['x', 'w'], ['h']],
      ['Relu', ['h'], ['r']],
      [
        'If',
        ['use'],
        ['s'],
        {
          then_branch: branch('t', [['Add', ['r', 'x'], ['t']]]),
          else_branch: branch('e', [['Identity', ['r'], ['e']]]),
        },
      ],
      ['MatMul', ['s', 'w'], ['y']],
    ],
    constants: { w: known('float32', [8, 8], weights) },
    opset: 11,
  })
  const feeds = [1, 2, 3, 4].map((seed) => ({
    use: flag(seed % 2 === 0),
    x: tensor([1, 8], ...Array.from({ length: 8 }, (_, i) => Math.cos(i * seed))),
  }))
  const { model: quantized, report } = await quantizeOnnx(model, { calibration: feeds, validation: feeds })
  expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(30)
  const session = await InferenceSession.create(quantized)
  expect(session.explainPlan()).toContain('qlinear')
})
