/** What the options of `quantizeOnnx` do, and the dynamic form. */
import { parseModel } from '../../src/onnx/read'
import { quantizeOnnx, quantizeOnnxDynamic, type QuantizeOptions, type QuantizeProgress } from '../../src/onnx/quantize'
import { entropyRange, percentileRange } from '../../src/onnx/quantize/ranges'
import { adviceFor } from '../../src/onnx/quantize/report'
import { biasCorrection, quantizeBias, quantizeWeight } from '../../src/onnx/quantize/weights'
import { InferenceSession } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

/** Numbers between -1 and 1 that look random and are the same each time. */
function noise(length: number, seed: number): Float32Array {
  let state = seed * 2654435761 + 1
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  })
}

/** Three layers; the second one's weights have outliers that int8 takes badly. */
const network = modelOf({
  inputs: { x: ['float32', ['n', 8]] },
  outputs: { y: 'float32' },
  nodes: [
    ['Gemm', ['x', 'w1', 'b1'], ['h1'], { transB: 1 }],
    ['Relu', ['h1'], ['r1']],
    ['Gemm', ['r1', 'w2', 'b2'], ['h2'], { transB: 1 }],
    ['Relu', ['h2'], ['r2']],
    ['MatMul', ['r2', 'w3'], ['m']],
    ['Add', ['m', 'b3'], ['y']],
  ],
  constants: {
    w1: known('float32', [16, 8], noise(128, 1)),
    b1: known('float32', [16], noise(16, 2)),
    w2: known(
      'float32',
      [16, 16],
      noise(256, 3).map((w, i) => (i % 16 === 0 ? 40 * w : w)),
    ),
    b2: known('float32', [16], noise(16, 4)),
    w3: known('float32', [16, 4], noise(64, 5)),
    b3: known('float32', [4], noise(4, 6)),
  },
})
const feeds = (seed: number): Feeds => ({ x: new Tensor('float32', noise(64 * 8, seed), [64, 8]) })
const calibration = Array.from({ length: 8 }, (_, i) => feeds(10 + i))
const validation = Array.from({ length: 4 }, (_, i) => feeds(100 + i))
const quantize = (options: Partial<QuantizeOptions> = {}): ReturnType<typeof quantizeOnnx> =>
  quantizeOnnx(network, { calibration, validation, ...options })

describe('ranges', () => {
  test('of a percentile leave out as much below as above', () => {
    const counts = new Float64Array(100).fill(1)
    expect(percentileRange({ counts, width: 1, first: -50 }, 90)).toEqual({ min: -45, max: 45 })
    expect(percentileRange({ counts, width: 1, first: -50 }, 100)).toEqual({ min: -50, max: 50 })
  })

  test('of the least divergence cut off a far outlier, and keep a flat distribution whole', () => {
    const counts = new Float64Array(4096)
    for (let i = 0; i < 1024; i++) counts[i] = 1000 - i * 0.9
    counts[4095] = 1
    const { min, max } = entropyRange({ counts, width: 0.5, first: 0 })
    expect(min).toBe(0)
    expect(max).toBeLessThan(0.6 * 2048)
    expect(max).toBeGreaterThan(0.15 * 2048)
    expect(entropyRange({ counts: new Float64Array(4096).fill(7), width: 1, first: -2048 })).toEqual({
      min: -2048,
      max: 2048,
    })
  })

  test.each(['minmax', 'mse', 'grid', 'percentile', 'entropy'] as const)(
    'of method %s keep the network',
    async (method) => {
      const { report } = await quantize({ method })
      expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(25)
    },
  )

  test('of a lower percentile are narrower', async () => {
    const spanAt = async (percentile: number): Promise<number> => {
      const { report } = await quantize({ method: 'percentile', percentile })
      const { min, max } = report.layers[0]?.range ?? { min: 0, max: 0 }
      return max - min
    }
    expect(await spanAt(90)).toBeLessThan(0.9 * (await spanAt(100)))
  })

  test('of a percentile need that method', async () => {
    await expect(quantize({ percentile: 99 })).rejects.toThrow(
      /options\.percentile must be .* with method 'percentile'/,
    )
    await expect(quantize({ method: 'percentile', percentile: 50 })).rejects.toThrow(/above 50/)
  })
})

test('scales of weights are raised so far that no bias exceeds 2^30 steps, rounding included', () => {
  const channels = 500
  const bias = noise(channels, 3).map((value) => 1000 * value)
  const weight = known(
    'float32',
    [channels, 1],
    noise(channels, 4).map((value) => value * 2 ** -30),
  )
  const inputScale = Math.fround(0.0123)
  const { scales } = quantizeWeight(weight, 0, inputScale, bias)
  const steps = quantizeBias(bias, inputScale, scales).codes.map(Math.abs)
  expect(Math.max(...steps)).toBeLessThanOrEqual(2 ** 30)
  expect(Math.max(...steps)).toBeGreaterThan(2 ** 30 * (1 - 2 ** -20))
})

test('a subnormal input scale raises the scale of a weight at once', () => {
  const { scales } = quantizeWeight(known('float32', [1, 1], Float32Array.of(0)), 0, 1e-33, Float32Array.of(1e-45))
  expect(scales[0]).toBeGreaterThan(2 ** -23)
  expect(scales[0]).toBeLessThan(2 ** -16)
  const many = new Float32Array(10_000).fill(1e-37)
  const weight = known('float32', [many.length, 1], new Float32Array(many.length))
  expect(quantizeWeight(weight, 0, 1e-33, many).scales).toHaveLength(many.length)
})

describe('bias correction', () => {
  test('adds what rounding takes from the mean of each channel, with groups and taps', () => {
    const weight = known('float32', [4, 2, 3], noise(24, 7))
    const quantized = quantizeWeight(weight, 0, 1, undefined)
    const means = Float64Array.of(1, -2, 3, 0.5)
    const got = biasCorrection(weight, quantized, 0, means)
    const wanted = Array.from({ length: 4 }, (_, out) => {
      let sum = 0
      for (let i = 0; i < 2; i++)
        for (let tap = 0; tap < 3; tap++) {
          const at = (out * 2 + i) * 3 + tap
          const lost = (weight.data[at] ?? 0) - (quantized.codes.data[at] ?? 0) * (quantized.scales[out] ?? 0)
          sum += lost * (means[Math.floor(out / 2) * 2 + i] ?? 0)
        }
      return sum
    })
    wanted.forEach((value, out) => {
      expect(got[out]).toBeCloseTo(value, 6)
    })
  })

  test('brings the mean of the results nearer to that of float', async () => {
    const offset = async (biasCorrection: boolean): Promise<number> => {
      const { model } = await quantize({ biasCorrection, excludeTypes: ['MatMul'] })
      const [float, int8] = [InferenceSession.createSync(network), InferenceSession.createSync(model)]
      const sums = new Float64Array(4)
      for (const sample of calibration) {
        const [a, b] = [float.runSync(sample)['y']?.data, int8.runSync(sample)['y']?.data] as Float32Array[]
        a?.forEach((value, i) => (sums[i % 4] = (sums[i % 4] ?? 0) + (b?.[i] ?? 0) - value))
      }
      return Math.hypot(...sums)
    }
    expect(await offset(true)).toBeLessThan(await offset(false))
  })

  test('gives a bias to layers that have none', async () => {
    const bare = modelOf({
      inputs: { x: ['float32', [1, 4, 5, 5]] },
      outputs: { y: 'float32' },
      nodes: [
        ['Conv', ['x', 'w'], ['h'], { kernel_shape: [3, 3] }],
        ['GlobalAveragePool', ['h'], ['y']],
      ],
      constants: { w: known('float32', [2, 4, 3, 3], noise(72, 8)) },
    })
    const samples = [{ x: new Tensor('float32', noise(100, 9).map(Math.abs), [1, 4, 5, 5]) }]
    const { model } = await quantizeOnnx(bare, { calibration: samples, biasCorrection: true })
    const conv = parseModel(model).graph.nodes.find(({ op }) => op === 'Conv')
    expect(conv?.inputs).toHaveLength(3)
    expect(() => InferenceSession.createSync(model).runSync(samples[0] ?? {})).not.toThrow()
  })
})

describe('a target', () => {
  test('that holds leaves nothing in float', async () => {
    const { report } = await quantize({ target: { drop: 50 } })
    expect(report.keptFloat).toEqual([])
    expect(report.search).toHaveLength(1)
  })

  test('that needs it keeps the costliest nodes in float, the fewest that do', async () => {
    const metric = (session: InferenceSession): number => {
      const float = InferenceSession.createSync(network)
      let worst = 0
      for (const sample of validation) {
        const [a, b] = [float.runSync(sample)['y']?.data, session.runSync(sample)['y']?.data] as Float32Array[]
        a?.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - (b?.[i] ?? 0)))))
      }
      return -worst
    }
    const plain = await quantize()
    const loss = plain.report.outputs[0]?.largestError ?? 0
    const { report } = await quantize({ target: { drop: 0.7 * loss, metric } })
    expect(report.keptFloat.length).toBeGreaterThan(0)
    expect(report.keptFloat.length).toBeLessThan(3)
    const kept = report.keptFloat.length
    for (const point of report.search) expect(point.drop <= 0.7 * loss).toBe(point.keptFloat >= kept)
    const again = await quantize({ target: { drop: 0.7 * loss, metric } })
    expect(again.report.search).toEqual(report.search)
  })

  test('that nothing but float meets leaves all in float', async () => {
    const { model, report } = await quantize({ target: { drop: 0, metric: exact } })
    expect(report.quantizedNodes).toBe(0)
    const [sample = {}] = validation
    expect(InferenceSession.createSync(model).runSync(sample)['y']).toEqual(
      InferenceSession.createSync(network).runSync(sample)['y'],
    )
  })

  test.each([
    ['that holds', 50, 2],
    ['that nothing but float meets', 0, 8],
  ])('%s tells how far the search is, and never more than its total', async (_, drop, least) => {
    const told: QuantizeProgress[] = []
    const metric = drop === 0 ? exact : 'agreement'
    await quantize({ target: { drop, metric }, onProgress: (progress) => told.push(progress) })
    expect([...new Set(told.map(({ stage }) => stage))]).toEqual(['calibration', 'search', 'comparison'])
    const search = told.filter(({ stage }) => stage === 'search')
    expect(search.map(({ done }) => done)).toEqual(search.map((_, i) => i + 1))
    expect(search.length).toBeGreaterThanOrEqual(least)
    for (const { total } of search) expect(total).toBeGreaterThanOrEqual(search.length)
  })

  test('of samples that are read one at a time has no total', async () => {
    const told: QuantizeProgress[] = []
    await quantize({ calibration: calibration.values(), onProgress: (progress) => told.push(progress) })
    expect(told[7]).toEqual({ stage: 'calibration', done: 8, total: undefined })
  })

  /** 1 for float's very bytes, 0 for any others. */
  function exact(session: InferenceSession): number {
    const [sample = {}] = validation
    const wanted = InferenceSession.createSync(network).runSync(sample)['y']?.data as Float32Array
    const got = session.runSync(sample)['y']?.data as Float32Array
    return Number(wanted.every((value, i) => value === got[i]))
  }

  test.each([
    [{ target: { drop: -1 } }, /options\.target\.drop must be a number of at least 0/],
    [{ target: { drop: 1, metric: 'magic' } }, /options\.target\.metric must be 'agreement' or a function/],
    [{ onProgress: 'loud' }, /options\.onProgress must be a function/],
    [{ target: { drop: 1 }, validation: undefined }, /options\.validation must be samples/],
    [{ target: { drop: 1, metric: () => NaN } }, /options\.target\.metric must be a function that gives a number/],
  ])('%j is refused', async (options, wanted) => {
    await expect(quantize(options as Partial<QuantizeOptions>)).rejects.toThrow(wanted)
  })
})

describe('the report', () => {
  test('has each int8 node with its range and ratio', async () => {
    const { report } = await quantize()
    expect(report.layers.map(({ op, output }) => [op, output])).toEqual([
      ['Gemm', 'r1'],
      ['Gemm', 'r2'],
      ['MatMul', 'y'],
    ])
    for (const { seen, range, sqnrDb, output } of report.layers) {
      expect(sqnrDb).toBeGreaterThan(20)
      if (output === 'y') continue
      expect(seen?.min).toBe(0)
      expect(range?.max).toBeLessThanOrEqual((seen?.max ?? 0) * 1.001)
    }
    expect(report.advice).toEqual([])
  })

  test('advises where there is something to mend', () => {
    const range = { min: 0, max: 1 }
    const layer = { node: 'conv7', op: 'Conv', output: 'o', sqnrDb: 4, seen: { min: 0, max: 9 }, range }
    const base = {
      samples: 64,
      nodes: 10,
      quantizedNodes: 9,
      floatBytes: 1,
      quantizedBytes: 1,
      validationSamples: 4,
      outputs: [{ name: 'y', sqnrDb: 9, largestError: 1, classAgreement: undefined, otherSizes: 0 }],
      layers: [layer],
      keptFloat: [],
      search: [],
    }
    const text = adviceFor(base, 'mse').join('\n')
    expect(text).toContain('"y" has 9.0 dB')
    expect(text).toMatch(/cut off at "conv7"/)
    expect(text).toMatch(/exclude`: "conv7"/)
    expect(adviceFor({ ...base, samples: 2, validationSamples: 0 }, 'mse').join('\n')).toMatch(
      /Only 2 samples[^]*Nothing was compared/,
    )
    expect(adviceFor({ ...base, layers: [{ ...layer, seen: range }] }, 'minmax').join('\n')).toMatch(/try method "mse"/)
  })
})

describe('the dynamic form', () => {
  test('needs no samples, keeps the network, and runs as fused layers', async () => {
    const { model, report } = await quantizeOnnxDynamic(network, { validation })
    expect(report.quantizedNodes).toBe(3)
    expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(25)
    const session = InferenceSession.createSync(model)
    expect(session.explainPlan()).toContain('DynamicMatMul')
    expect(session.explainPlan()).not.toMatch(/ flinear | fmatmul /)
  })

  test('of a convolution is one too', async () => {
    const convolution = modelOf({
      inputs: { x: ['float32', [1, 4, 8, 8]] },
      outputs: { y: 'float32' },
      nodes: [['Conv', ['x', 'w', 'b'], ['y'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], group: 2 }]],
      constants: { w: known('float32', [6, 2, 3, 3], noise(108, 8)), b: known('float32', [6], noise(6, 9)) },
    })
    const samples = [{ x: new Tensor('float32', noise(256, 10), [1, 4, 8, 8]) }]
    const { model, report } = await quantizeOnnxDynamic(convolution, { validation: samples })
    expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(30)
    expect(InferenceSession.createSync(model).explainPlan()).toContain('DynamicConv')
  })

  test('leaves in float what is excluded', async () => {
    const { model, report } = await quantizeOnnxDynamic(network, { excludeTypes: ['MatMul'] })
    expect(report.quantizedNodes).toBe(2)
    expect(parseModel(model).graph.nodes.some(({ op }) => op === 'MatMul')).toBe(true)
  })
})

describe('a network that selects boxes', () => {
  const wave = (length: number, step = 1): Float32Array =>
    Float32Array.from({ length }, (_, i) => Math.sin(i * step) * 0.4)
  const ints = (...list: number[]): Value => known('int64', [list.length], BigInt64Array.from(list, BigInt))
  const floatsOf = (dims: readonly number[], data: Float32Array): Value => known('float32', dims, data)
  const detector = modelOf({
    opset: 16,
    inputs: { x: ['float32', ['n', 3, 8, 8]] },
    outputs: { best: 'float32', scores: 'float32' },
    nodes: [
      ['Conv', ['x', 'w1'], ['c'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }],
      ['Relu', ['c'], ['f']],
      ['Conv', ['f', 'w2'], ['b'], { kernel_shape: [1, 1] }],
      ['Reshape', ['b', 'four'], ['flat']],
      ['Transpose', ['flat'], ['boxes'], { perm: [0, 2, 1] }],
      ['Conv', ['f', 'w3'], ['s'], { kernel_shape: [1, 1] }],
      ['Reshape', ['s', 'two'], ['logits']],
      ['Sigmoid', ['logits'], ['scores']],
      ['NonMaxSuppression', ['boxes', 'scores', 'most', 'overlap', 'least'], ['picked'], { center_point_box: 1 }],
      ['Squeeze', ['boxes', 'first'], ['rows']],
      ['Gather', ['picked', 'third'], ['index'], { axis: 1 }],
      ['Squeeze', ['index', 'one'], ['at']],
      ['Gather', ['rows', 'at'], ['best']],
    ],
    constants: {
      w1: floatsOf([8, 3, 3, 3], wave(216)),
      w2: floatsOf([4, 8, 1, 1], wave(32, 0.7)),
      w3: floatsOf([2, 8, 1, 1], wave(16, 0.3)),
      ...{ four: ints(0, 4, -1), two: ints(0, 2, -1), most: ints(20), first: ints(0), third: ints(2), one: ints(1) },
      overlap: floatsOf([1], Float32Array.of(0.5)),
      least: floatsOf([1], Float32Array.of(0.5)),
    },
  })
  const samples = Array.from({ length: 30 }, (_, k) => ({
    x: new Tensor(
      'float32',
      Float32Array.from({ length: 192 }, (__, i) => Math.sin(i * k + i)),
      [1, 3, 8, 8],
    ),
  }))

  test('is quantized, runs, and is told apart where it selects another number of them', async () => {
    const { model, report } = await quantizeOnnx(detector, { calibration: samples, validation: samples })
    expect(report.quantizedNodes).toBeGreaterThan(3)
    const [best, scores] = report.outputs
    expect(scores).toMatchObject({ name: 'scores', otherSizes: 0 })
    expect(scores?.sqnrDb).toBeGreaterThan(25)
    expect(Number.isFinite(best?.sqnrDb)).toBe(true)
    expect(best?.otherSizes).toBeGreaterThan(0)
    expect(report.advice.join(' ')).toContain('Output "best" has other sizes than in float in')
    const session = InferenceSession.createSync(model)
    expect(session.explainPlan()).toContain('qconv')
    expect(session.explainPlan()).toMatch(
      /then \d nodes, run node by node because input 0 of node .* \(NonMaxSuppression\)/,
    )
    expect(session.runSync(samples[3] ?? {})['best']?.dims[1]).toBe(4)
  })
})
