/** Each pass does what it says, leaves alone what it must, and changes no byte of a result. */
import { createJsBackend } from '../../src/backend/js'
import type { Graph } from '../../src/graph/graph'
import { readConstants } from '../../src/graph/passes/constants'
import { foldBatchNorm } from '../../src/graph/passes/foldBatchNorm'
import { foldConstants } from '../../src/graph/passes/foldConstants'
import { foldPads } from '../../src/graph/passes/foldPads'
import { fuseActivations } from '../../src/graph/passes/fuseActivations'
import { fuseResiduals } from '../../src/graph/passes/fuseResiduals'
import { passNames, prepareGraph, readPasses } from '../../src/graph/passes'
import { finish } from '../../src/runtime/slices'
import { parseModel } from '../../src/onnx/read'
import { InferenceSession } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf, type ModelSpec, type NodeSpec } from '../support/onnx-models'

const backend = createJsBackend()
const f = (dims: readonly number[], ...values: number[]): Value => known('float32', dims, Float32Array.from(values))
const image: ModelSpec['inputs'] = { x: ['float32', [1, 2, 3, 3]] }
const pixels: Feeds = {
  x: new Tensor(
    'float32',
    Float32Array.from({ length: 18 }, (_, i) => Math.sin(i)),
    [1, 2, 3, 3],
  ),
}
const conv = { w: f([2, 2, 1, 1], 1, -2, 0.5, 3), b: f([2], 0.25, -1) }
const norm = { gamma: f([2], 2, -0.5), beta: f([2], 1, 0), mean: f([2], 0.3, -0.1), variance: f([2], 4, 0.25) }

function graphOf(nodes: readonly NodeSpec[], constants: Record<string, Value>, more: Partial<ModelSpec> = {}): Graph {
  return parseModel(modelOf({ inputs: image, outputs: { y: 'float32' }, nodes, constants, ...more })).graph
}
const opsOf = ({ nodes }: Graph): string[] => nodes.map(({ title }) => title)

describe('constants', () => {
  test('of Constant nodes become the graph’s', () => {
    const graph = graphOf(
      [
        ['Constant', [], ['k'], { value_ints: [3, 4] }],
        ['Relu', ['x'], ['y']],
      ],
      {},
    )
    readConstants(backend, graph)
    expect(opsOf(graph)).toEqual(['Relu'])
    expect(graph.constants.get('k')).toMatchObject({ type: 'int64', data: BigInt64Array.of(3n, 4n), known: true })
  })

  test('that QuantizeLinear reads become codes, at every optimization level; data does not', () => {
    const parameters = { s: f([], 0.5), z: known('int8', [], Int8Array.of(1)) }
    const graph = graphOf(
      [
        ['QuantizeLinear', ['w', 's', 'z'], ['q']],
        ['QuantizeLinear', ['x', 's', 'z'], ['y']],
      ],
      { ...conv, ...parameters },
      { outputs: { y: 'int8' } },
    )
    finish(prepareGraph(backend, graph, readPasses('test', { optimize: 'none' })))
    readConstants(backend, graph)
    expect(opsOf(graph)).toEqual(['QuantizeLinear'])
  })
})

describe('batch norms', () => {
  const nodes: NodeSpec[] = [
    ['Conv', ['x', 'w', 'b'], ['c']],
    ['BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['y'], { epsilon: '0.001f' }],
  ]

  test('fold into the convolution before: its weights and bias are computed in float64 and rounded once', () => {
    const graph = graphOf(nodes, { ...conv, ...norm })
    foldBatchNorm(backend, graph)
    expect(opsOf(graph)).toEqual(['Conv'])
    const [, weight = '', bias = ''] = graph.nodes[0]?.inputs ?? []
    const factors = [2 / Math.sqrt(4 + Math.fround(0.001)), -0.5 / Math.sqrt(0.25 + Math.fround(0.001))]
    const scaled = [1, -2, 0.5, 3].map((w, i) => w * (factors[i >> 1] ?? 0))
    expect(graph.constants.get(weight)?.data).toEqual(Float32Array.from(scaled))
    const [m0, m1] = [Math.fround(0.3), Math.fround(-0.1)]
    const shifts = [(0.25 - m0) * (factors[0] ?? 0) + 1, (-1 - m1) * (factors[1] ?? 0)]
    expect(graph.constants.get(bias)?.data).toEqual(Float32Array.from(shifts))
  })

  test('fold into one without a bias', () => {
    const graph = graphOf([['Conv', ['x', 'w'], ['c']], nodes[1] ?? ['', [], []]], { ...conv, ...norm })
    foldBatchNorm(backend, graph)
    expect(graph.nodes[0]?.inputs).toHaveLength(3)
  })

  test.each<[string, readonly NodeSpec[], Partial<ModelSpec>]>([
    [
      'whose input somebody else reads',
      [...nodes, ['Relu', ['c'], ['z']]],
      { outputs: { y: 'float32', z: 'float32' } },
    ],
    ['whose input is a result', nodes, { outputs: { y: 'float32', c: 'float32' } }],
    ['behind something else', [['Relu', ['x'], ['c']], ...nodes.slice(1)], {}],
  ])('stay where they stand %s', (_, given, more) => {
    const graph = graphOf(given, { ...conv, ...norm }, more)
    foldBatchNorm(backend, graph)
    expect(opsOf(graph)).toContain('BatchNormalization')
  })
})

describe('pads', () => {
  const wide = { w: f([2, 2, 2, 2], ...Array.from({ length: 16 }, (_, i) => Math.cos(i))) }
  const border = (...pads: number[]): Value => known('int64', [pads.length], BigInt64Array.from(pads, BigInt))
  const nodes = (pad: NodeSpec, attributes: Record<string, string | number[]> = {}): NodeSpec[] => [
    pad,
    ['Conv', ['p', 'w'], ['y'], { kernel_shape: [2, 2], ...attributes }],
  ]
  const plain: NodeSpec = ['Pad', ['x', 'pads'], ['p']]
  const pads = border(0, 0, 1, 2, 0, 0, 3, 0)

  test('of zeros around an image become the convolution’s own, with the same bytes', () => {
    const graph = graphOf(nodes(plain, { pads: [1, 0, 0, 1] }), { ...wide, pads })
    foldPads(backend, graph)
    expect(opsOf(graph)).toEqual(['Conv'])
    expect(graph.nodes[0]?.attributes.ints('pads')).toEqual([2, 2, 3, 1])
    const spec = { inputs: image, nodes: nodes(plain, { pads: [1, 0, 0, 1] }), constants: { ...wide, pads } }
    const folded = InferenceSession.createSync(modelOf({ ...spec, outputs: { y: 'float32' } }))
    // A result of the graph stays.
    const apart = InferenceSession.createSync(modelOf({ ...spec, outputs: { y: 'float32', p: 'float32' } }))
    expect(folded.explainPlan()).not.toContain('"n0"')
    expect(apart.explainPlan()).toContain('"n0"')
    expect(folded.runSync(pixels)['y']).toEqual(apart.runSync(pixels)['y'])
  })

  test.each<[string, NodeSpec, Record<string, Value>, Record<string, string | number[]>, number[]]>([
    ['by axes', ['Pad', ['x', 'pads', '', 'axes'], ['p']], { pads: border(1, 2), axes: border(-1) }, {}, [0, 1, 0, 2]],
    ['with a zero that is given', ['Pad', ['x', 'pads', 'zero'], ['p']], { pads, zero: f([], 0) }, {}, [1, 2, 3, 0]],
    ['before VALID', plain, { pads }, { auto_pad: 'VALID' }, [1, 2, 3, 0]],
  ])('fold %s', (_, pad, constants, attributes, expected) => {
    const graph = graphOf(nodes(pad, attributes), { ...wide, ...constants })
    foldPads(backend, graph)
    expect(opsOf(graph)).toEqual(['Conv'])
    expect(graph.nodes[0]?.attributes.ints('pads')).toEqual(expected)
    expect(graph.nodes[0]?.attributes.has('auto_pad')).toBe(false)
  })

  test.each<[string, NodeSpec, Record<string, Value>, Record<string, string | number[]>]>([
    ['with another value', ['Pad', ['x', 'pads', 'one'], ['p']], { pads, one: f([], 1) }, {}],
    ['that repeat the edge', ['Pad', ['x', 'pads'], ['p'], { mode: 'edge' }], { pads }, {}],
    ['that cut off', plain, { pads: border(0, 0, -1, 0, 0, 0, 0, 0) }, {}],
    ['of channels', plain, { pads: border(0, 1, 0, 0, 0, -1, 0, 0) }, {}],
    ['before SAME_UPPER', plain, { pads }, { auto_pad: 'SAME_UPPER' }],
  ])('%s stay', (_, pad, constants, attributes) => {
    const graph = graphOf(nodes(pad, attributes), { ...wide, ...constants })
    foldPads(backend, graph)
    expect(opsOf(graph)).toEqual(['Pad', 'Conv'])
  })
})

describe('constant folding', () => {
  test('computes what depends on no data, in one go', () => {
    const graph = graphOf(
      [
        ['Add', ['w', 'w'], ['w2']],
        ['Mul', ['w2', 'w'], ['w3']],
        ['Conv', ['x', 'w3'], ['y']],
      ],
      conv,
    )
    foldConstants(backend, graph)
    expect(opsOf(graph)).toEqual(['Conv'])
    expect(graph.constants.get('w3')?.data).toEqual(Float32Array.of(2, 8, 0.5, 18))
  })

  test('leaves random numbers, and results that are far larger than what makes them', () => {
    const graph = graphOf(
      [
        ['RandomUniform', [], ['r'], { shape: [1, 2, 3, 3] }],
        ['ConstantOfShape', ['large'], ['l']],
        ['ReduceMax', ['l'], ['m'], { keepdims: 0 }],
        ['Add', ['x', 'r'], ['a']],
        ['Add', ['a', 'm'], ['y']],
      ],
      { large: known('int64', [2], BigInt64Array.of(2048n, 2048n)) },
    )
    foldConstants(backend, graph)
    expect(opsOf(graph)).toEqual(expect.arrayContaining(['RandomUniform', 'ConstantOfShape']))
  })
})

describe('activations', () => {
  const clip: NodeSpec = ['Clip', ['r', 'low', 'high'], ['y']]
  const bounds = { low: f([], -1), high: f([], 0.75) }

  test('fuse into what computes their input, one after the other', () => {
    const graph = graphOf([['Conv', ['x', 'w', 'b'], ['c']], ['Relu', ['c'], ['r']], clip], { ...conv, ...bounds })
    fuseActivations(backend, graph)
    expect(opsOf(graph)).toEqual(['int8.Conv'])
    const attributes = graph.nodes[0]?.attributes
    expect([attributes?.float('lo'), attributes?.float('hi')]).toEqual([0, 0.75])
  })

  test.each<[string, readonly NodeSpec[], Record<string, Value>, Partial<ModelSpec>]>([
    [
      'a value that is read twice',
      [
        ['Conv', ['x', 'w'], ['c']],
        ['Relu', ['c'], ['r']],
        ['Add', ['r', 'c'], ['y']],
      ],
      conv,
      {},
    ],
    [
      'bounds that are computed',
      [['Conv', ['x', 'w'], ['r']], ['ReduceMin', ['x'], ['low'], { keepdims: 0 }], clip],
      { ...conv, high: bounds.high },
      {},
    ],
    [
      'a Gemm whose bias is no row',
      [
        ['Gemm', ['x', 'm', 'column'], ['g']],
        ['Relu', ['g'], ['y']],
      ],
      { m: f([2, 2], 1, 2, 3, 4), column: f([2, 1], 5, -60) },
      { inputs: { x: ['float32', [2, 2]] } },
    ],
    [
      'a Gemm with alpha',
      [
        ['Gemm', ['x', 'm'], ['g'], { alpha: '2.5f' }],
        ['Relu', ['g'], ['y']],
      ],
      { m: f([2, 2], 1, 2, 3, 4) },
      { inputs: { x: ['float32', [2, 2]] } },
    ],
  ])('stay where they stand behind %s', (_, nodes, constants, more) => {
    const graph = graphOf(nodes, constants, more)
    fuseActivations(backend, graph)
    expect(opsOf(graph)).toEqual(
      expect.arrayContaining([nodes.at(-1)?.[0] === 'Add' ? 'Relu' : (nodes.at(-1)?.[0] ?? '')]),
    )
  })
})

/** All passes have something to do in it. */
const everything = modelOf({
  inputs: image,
  outputs: { y: 'float32', z: 'uint8', u: 'float32', v: 'float32' },
  nodes: [
    ['Mul', ['w', 'two'], ['u']],
    ['Conv', ['x', 'w', 'b'], ['c']],
    ['BatchNormalization', ['c', 'gamma', 'beta', 'mean', 'variance'], ['n']],
    ['Relu', ['n'], ['r']],
    ['DynamicQuantizeLinear', ['r'], ['q', 's', 'zp']],
    ['ConvInteger', ['q', 'k', 'zp'], ['i']],
    ['Cast', ['i'], ['if'], { to: 1 }],
    ['Mul', ['s', 'ks'], ['scale']],
    ['Mul', ['if', 'scale'], ['y']],
    ['QuantizeLinear', ['r', 'ys', 'yz'], ['rq']],
    ['DequantizeLinear', ['rq', 'ys', 'yz'], ['rd']],
    ['Tanh', ['rd'], ['t']],
    ['QuantizeLinear', ['t', 'ys', 'yz'], ['z']],
    ['Conv', ['r', 'w'], ['c2']],
    ['Add', ['c2', 'r'], ['v']],
  ],
  constants: {
    ...conv,
    ...norm,
    two: f([], 2),
    k: known('int8', [2, 2, 1, 1], Int8Array.of(3, -4, 5, 6)),
    ks: f([2, 1, 1], 0.5, 0.25),
    ys: f([], 0.02),
    yz: known('uint8', [], Uint8Array.of(9)),
  },
})

test.each([undefined, ...passNames])('without the pass %s the results are the same bytes', (name) => {
  const none = InferenceSession.createSync(everything, { optimize: 'none' })
  const session = InferenceSession.createSync(everything, name === undefined ? {} : { passes: { [name]: false } })
  expect(session.runSync(pixels)).toEqual(none.runSync(pixels))
  // Each has something to do here: without it the plan is another one.
  const all = InferenceSession.createSync(everything)
  expect(all.explainPlan() === session.explainPlan()).toBe(name === undefined)
})

describe('residuals', () => {
  const residual: ModelSpec = {
    inputs: { ...image, r: ['float32', ['a', 'b', 'c', 'd']] },
    outputs: { y: 'float32' },
    nodes: [
      ['Conv', ['x', 'w', 'b'], ['c']],
      ['Add', ['r', 'c'], ['s']],
      ['Relu', ['s'], ['y']],
    ],
    constants: conv,
  }
  const given = (...dims: number[]): Feeds => ({
    ...pixels,
    r: new Tensor(
      'float32',
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.cos(3 * i)),
      dims,
    ),
  })

  test('are added in the convolution, with the bytes of two steps, and the Relu behind them along', () => {
    const fused = InferenceSession.createSync(modelOf(residual))
    const plain = InferenceSession.createSync(modelOf(residual), { optimize: 'none' })
    const feeds = given(1, 2, 3, 3)
    expect(fused.runSync(feeds)).toEqual(plain.runSync(feeds))
    const shapes = { x: [1, 2, 3, 3], r: [1, 2, 3, 3] }
    expect(fused.explainPlan(shapes)).not.toMatch(/fbinary|fclamp/)
    expect(plain.explainPlan(shapes)).toMatch(/fbinary[^]*fclamp/)
  })

  test.each([[[1, 2, 1, 1]], [[4, 2, 3, 3]], [[1, 1, 3, 3]]])(
    'of the sizes %j are broadcast in a step of their own, with the same bytes',
    (dims) => {
      const fused = InferenceSession.createSync(modelOf(residual))
      const plain = InferenceSession.createSync(modelOf(residual), { optimize: 'none' })
      expect(fused.runSync(given(...dims))).toEqual(plain.runSync(given(...dims)))
    },
  )

  test.each<[string, readonly NodeSpec[], Partial<ModelSpec>]>([
    [
      'of itself',
      [
        ['Conv', ['x', 'w'], ['c']],
        ['Add', ['c', 'c'], ['y']],
      ],
      {},
    ],
    [
      'that is a result',
      [
        ['Conv', ['x', 'w'], ['c']],
        ['Add', ['c', 'x'], ['y']],
      ],
      { outputs: { y: 'float32', c: 'float32' } },
    ],
    [
      'of a depthwise layer',
      [
        ['Conv', ['x', 'd'], ['c'], { group: 2 }],
        ['Add', ['c', 'x'], ['y']],
      ],
      {},
    ],
  ])('stay beside a convolution %s', (_, nodes, more) => {
    const graph = graphOf(nodes, { ...conv, d: f([2, 1, 1, 1], 1, 2) }, more)
    fuseResiduals(backend, graph)
    expect(opsOf(graph)).toEqual(['Conv', 'Add'])
  })
})
