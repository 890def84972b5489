/** `quantizeOnnx` on networks that were trained for this project: small files, float's classes, the same bytes everywhere. */
import { join } from 'node:path'
import { loadSafetensorsSync } from '../../src/io/safetensors'
import { quantizeOnnx, type QuantizeProgress, type QuantizeResult } from '../../src/onnx/quantize'
import { InferenceSession } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

const data = join(__dirname, '../../examples/data')

const networks = {
  mnist: { folder: 'mnist', prefix: 'mnist', file: 'mnist_cnn_fp32.onnx', mean: 0.1307, std: 0.3081 },
  'fashion-mnist': {
    folder: 'fashion-mnist',
    prefix: 'fashion',
    file: 'fashion_mbv2_fp32.onnx',
    mean: 0.286,
    std: 0.353,
  },
} as const
type Name = keyof typeof networks

function images(
  name: Name,
  file: string,
): { readonly feeds: (first: number, count: number) => Feeds; readonly labels: ArrayLike<number> } {
  const { folder, prefix, mean, std } = networks[name]
  const { tensors } = loadSafetensorsSync(join(data, folder, `${prefix}_${file}.safetensors`))
  const pixels = tensors.get('images')?.data as Uint8Array
  return {
    feeds: (first, count) => {
      const part = pixels.subarray(784 * first, 784 * (first + count))
      return {
        input: new Tensor(
          'float32',
          Float32Array.from(part, (p) => (p / 255 - mean) / std),
          [count, 1, 28, 28],
        ),
      }
    },
    labels: (tensors.get('labels')?.data ?? []) as ArrayLike<number>,
  }
}

function accuracy(session: InferenceSession, name: Name): number {
  const { feeds, labels } = images(name, 'test1000')
  const logits = session.runSync(feeds(0, 1000))['logits']?.data as Float32Array
  let right = 0
  for (let i = 0; i < 1000; i++) {
    const row = logits.subarray(10 * i, 10 * (i + 1))
    if (row.indexOf(row.reduce((a, b) => Math.max(a, b))) === labels[i]) right++
  }
  return right / 1000
}

describe.each(Object.keys(networks) as Name[])('%s', (name) => {
  const { folder, file } = networks[name]
  const path = join(data, folder, file)
  const { feeds } = images(name, 'calib256')
  let result: QuantizeResult
  const told: QuantizeProgress[] = []
  beforeAll(async () => {
    const samples = Array.from({ length: 4 }, (_, i) => feeds(32 * i, 32))
    result = await quantizeOnnx(path, {
      calibration: samples,
      validation: [feeds(128, 64)],
      onProgress: (progress) => told.push(progress),
    })
  }, 120_000)

  test('keeps the accuracy of the float network within half a point', () => {
    const float = accuracy(InferenceSession.createSync(path), name)
    const int8 = accuracy(InferenceSession.createSync(result.model), name)
    expect(float).toBeGreaterThan(0.85)
    expect(int8).toBeGreaterThanOrEqual(float - 0.005)
  })

  test('reports what it did', () => {
    const { samples, validationSamples, outputs, quantizedNodes, nodes, floatBytes, quantizedBytes } = result.report
    expect({ samples, validationSamples }).toEqual({ samples: 4, validationSamples: 1 })
    expect(told).toEqual([
      ...[1, 2, 3, 4].map((done) => ({ stage: 'calibration', done, total: 4 })),
      { stage: 'comparison', done: 1, total: 1 },
    ])
    expect(quantizedNodes).toBeGreaterThan(0.8 * nodes)
    expect(quantizedBytes).toBeLessThan(0.5 * floatBytes)
    expect(outputs).toHaveLength(1)
    expect(outputs[0]?.sqnrDb).toBeGreaterThan(25)
    expect(outputs[0]?.classAgreement).toBeGreaterThan(0.96)
  })

  test('leaves nothing but the last result in float, and nothing to JavaScript', () => {
    const plan = InferenceSession.createSync(result.model).explainPlan()
    expect(plan).toContain('0 of them in JavaScript')
    expect(plan).not.toMatch(/ fconv | flinear | fbinary | dequantize /)
  })

  test('gives the same bytes at every optimization level', () => {
    const input = feeds(200, 8)
    const logits = (['all', 'none'] as const).map(
      (optimize) => InferenceSession.createSync(result.model, { optimize }).runSync(input)['logits'],
    )
    expect(logits[1]).toEqual(logits[0])
  })
})

describe('refuses with words', () => {
  const network = modelOf({
    inputs: { x: ['float32', [1, 4]] },
    outputs: { y: 'float32' },
    nodes: [['Gemm', ['x', 'w'], ['y']]],
    constants: { w: known('float32', [4, 4], new Float32Array(16).fill(0.5)) },
  })
  const samples = [{ x: new Tensor('float32', new Float32Array(4).fill(1), [1, 4]) }]

  test.each([
    ['no samples', { calibration: [] }, /calibration must be at least one sample, but got none/],
    [
      'an unknown method',
      { calibration: samples, method: 'magic' },
      /options\.method must be one of minmax, mse, grid/,
    ],
    ['an unknown node', { calibration: samples, exclude: ['nowhere'] }, /options\.exclude must be names of nodes/],
    ['an unknown option', { calibration: samples, perChannel: true }, /perChannel/],
  ])('%s', async (_, options, wanted) => {
    await expect(quantizeOnnx(network, options as never)).rejects.toThrow(wanted)
  })

  test('a node that is excluded stays float', async () => {
    const { report, model } = await quantizeOnnx(network, { calibration: samples, exclude: ['n0'] })
    expect(report.quantizedNodes).toBe(0)
    expect(InferenceSession.createSync(model).explainPlan()).toContain('flinear')
  })
})

test('a model of operator set 11 is brought to 13, with the same results before quantizing', async () => {
  const old = modelOf({
    opset: 11,
    inputs: { x: ['float32', [2, 3, 4]] },
    outputs: { y: 'float32' },
    nodes: [
      ['Softmax', ['x'], ['s'], { axis: 1 }],
      ['ReduceSum', ['s'], ['r'], { axes: [2], keepdims: 1 }],
      ['Squeeze', ['r'], ['y'], { axes: [2] }],
    ],
  })
  const x = new Tensor(
    'float32',
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    [2, 3, 4],
  )
  const { model } = await quantizeOnnx(old, { calibration: [{ x }] })
  const result = (bytes: Uint8Array): unknown => InferenceSession.createSync(bytes).runSync({ x })['y']
  expect(result(model)).toEqual(result(old))
})

test('a bias too large for its scale raises the scale of its channel', async () => {
  const network = modelOf({
    inputs: { x: ['float32', [1, 2]] },
    outputs: { z: 'float32' },
    nodes: [
      ['Gemm', ['x', 'w', 'b'], ['y']],
      ['Relu', ['y'], ['r']],
      ['Gemm', ['r', 'v'], ['z']],
    ],
    constants: {
      w: known('float32', [2, 2], Float32Array.of(1e-6, 1, 1e-6, -1)),
      b: known('float32', [2], Float32Array.of(1000, 0.5)),
      v: known('float32', [2, 1], Float32Array.of(1, 1)),
    },
  })
  const x = new Tensor('float32', Float32Array.of(0.5, -0.25), [1, 2])
  const { model } = await quantizeOnnx(network, { calibration: [{ x }], method: 'minmax' })
  const [z = 0] = InferenceSession.createSync(model).runSync({ x })['z']?.data as Float32Array
  expect(Math.abs(z - 1001.25)).toBeLessThan(6)
})

test('pads before convolutions are folded, and pads of channels stay codes', async () => {
  const wave = (length: number, seed: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => Math.sin(i * 1.1 + seed))
  const model = modelOf({
    inputs: { x: ['float32', [1, 2, 6, 6]] },
    outputs: { y: 'float32' },
    nodes: [
      ['Pad', ['x', 'around'], ['p1']],
      ['Conv', ['p1', 'w1'], ['c1'], { kernel_shape: [3, 3] }],
      ['Relu', ['c1'], ['r1']],
      ['Pad', ['r1', 'channels'], ['p2']],
      ['Conv', ['r1', 'w2'], ['c2'], { kernel_shape: [1, 1] }],
      ['Add', ['p2', 'c2'], ['s']],
      ['Conv', ['s', 'w3'], ['y'], { kernel_shape: [1, 1] }],
    ],
    constants: {
      around: known('int64', [8], BigInt64Array.of(0n, 0n, 1n, 1n, 0n, 0n, 1n, 1n)),
      channels: known('int64', [8], BigInt64Array.of(0n, 0n, 0n, 0n, 0n, 2n, 0n, 0n)),
      w1: known('float32', [3, 2, 3, 3], wave(54, 1)),
      w2: known('float32', [5, 3, 1, 1], wave(15, 2)),
      w3: known('float32', [2, 5, 1, 1], wave(10, 3)),
    },
  })
  const feeds = (seed: number): Feeds => ({ x: new Tensor('float32', wave(72, seed), [1, 2, 6, 6]) })
  const { model: quantized, report } = await quantizeOnnx(model, {
    calibration: [1, 2, 3, 4, 5, 6, 7, 8].map(feeds),
    validation: [9, 10].map(feeds),
  })
  expect(report.quantizedNodes).toBe(report.nodes)
  expect(report.outputs[0]?.sqnrDb).toBeGreaterThan(25)
  const plan = (await InferenceSession.create(quantized)).explainPlan()
  expect(plan.match(/dequantize|fconv|host/g)).toBeNull()
})
