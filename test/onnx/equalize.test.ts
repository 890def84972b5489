/** Cross-layer equalization: the float model stays as it is to the bit, and int8 gains where channels differ in range. */
import { parseModel } from '../../src/onnx/read'
import { quantizeOnnx } from '../../src/onnx/quantize'
import { equalize } from '../../src/onnx/quantize/equalize'
import { InferenceSession } from '../../src/runtime/session'
import type { Feeds } from '../../src/runtime/feeds'
import { Tensor } from '../../src/runtime/tensor'
import { known } from '../../src/runtime/value'
import { modelOf, type NodeSpec } from '../support/onnx-models'

const channels = 8
function wave(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + seed) + 0.3 * Math.cos(i * 0.61 * seed))
}

/** Conv 1x1, an activation, a second convolution; the first one's channels range over seven powers of ten. */
function network(
  between: readonly NodeSpec[],
  second: { readonly group?: number; readonly kernel?: number } = {},
): Uint8Array {
  const { group = channels, kernel = 3 } = second
  const rows = wave(channels * 4, 1).map((w, i) => w * 10 ** -(Math.floor(i / 4) % 4))
  return modelOf({
    inputs: { x: ['float32', [1, 4, 6, 6]] },
    outputs: { y: 'float32' },
    nodes: [
      ['Conv', ['x', 'w1', 'b1'], ['a'], { kernel_shape: [1, 1] }],
      ...between,
      ['Conv', ['b', 'w2'], ['c'], { group, kernel_shape: [kernel, kernel] }],
      ['Conv', ['c', 'w3'], ['y'], { kernel_shape: [1, 1] }],
    ],
    constants: {
      w1: known('float32', [channels, 4, 1, 1], rows),
      b1: known(
        'float32',
        [channels],
        wave(channels, 2).map((b, i) => b * 10 ** -(i % 4)),
      ),
      // What the first makes small, the second makes large: every channel counts in the result.
      w2: known(
        'float32',
        [channels, channels / group, kernel, kernel],
        wave((channels * channels * kernel * kernel) / group, 3).map(
          (w, i) => w * 10 ** (group === 1 ? 0 : Math.floor(i / ((channels / group) * kernel * kernel)) % 4),
        ),
      ),
      w3: known('float32', [3, channels, 1, 1], wave(3 * channels, 4)),
      zero: known('float32', [], Float32Array.of(0)),
      one: known('float32', [], Float32Array.of(1)),
    },
  })
}
const relu: readonly NodeSpec[] = [['Relu', ['a'], ['b']]]
const feeds = (seed: number): Feeds => ({ x: new Tensor('float32', wave(144, seed), [1, 4, 6, 6]) })
const samples = Array.from({ length: 12 }, (_, i) => feeds(10 + i))

async function results(model: Uint8Array): Promise<readonly [before: unknown, after: unknown, pairs: number]> {
  const equalized = parseModel(model)
  const pairs = await equalize(equalized, samples.slice(0, 4))
  const [a, b] = [await InferenceSession.create(model), InferenceSession.fromModel(equalized)]
  return [a.runSync(feeds(99))['y']?.data, b.runSync(feeds(99))['y']?.data, pairs]
}

describe('the float model stays as it is', () => {
  test.each<[string, readonly NodeSpec[], { group?: number; kernel?: number }]>([
    ['a Relu before a depthwise layer', relu, {}],
    ['a LeakyRelu', [['LeakyRelu', ['a'], ['b']]], {}],
    ['nothing between', [['Identity', ['a'], ['b']]], { group: 1 }],
    ['a layer of one group', relu, { group: 1 }],
    ['a layer of two groups', relu, { group: 2, kernel: 1 }],
    ['a Clip that some channels reach', [['Clip', ['a', 'zero', 'one'], ['b']]], {}],
  ])('with %s', async (_, between, second) => {
    const [before, after] = await results(network(between, second))
    expect(after).toEqual(before)
  })
})

test('layers take part where one reads the other alone, by weights of its own', async () => {
  expect((await results(network(relu)))[2]).toBe(1)
  // A value that is read twice takes no part; behind a function that scales with nothing only the last two layers do.
  expect((await results(network([...relu, ['Relu', ['a'], ['other']]])))[2]).toBe(0)
  expect((await results(network([['Sigmoid', ['a'], ['b']]])))[2]).toBe(1)
  const shared = modelOf({
    inputs: { x: ['float32', [1, 2, 3, 3]] },
    outputs: { y: 'float32' },
    nodes: [
      ['Conv', ['x', 'w'], ['a'], { kernel_shape: [1, 1] }],
      ['Relu', ['a'], ['b']],
      ['Conv', ['b', 'w'], ['y'], { kernel_shape: [1, 1] }],
    ],
    constants: { w: known('float32', [2, 2, 1, 1], Float32Array.of(1, 2, 0.1, 0.2)) },
  })
  const model = parseModel(shared)
  expect(await equalize(model, [{ x: new Tensor('float32', wave(18, 1), [1, 2, 3, 3]) }])).toBe(0)
})

test('int8 gains where channels differ, and samples that come once are all calibrated on', async () => {
  const model = network(relu)
  const validation = samples.slice(8)
  let read = 0
  async function* once(): AsyncGenerator<Feeds> {
    for (const sample of samples) {
      read++
      yield await Promise.resolve(sample)
    }
  }
  const plain = await quantizeOnnx(model, { calibration: samples, validation, method: 'minmax' })
  const { report } = await quantizeOnnx(model, { calibration: once(), validation, method: 'minmax', equalize: true })
  expect([read, report.samples]).toEqual([12, 12])
  const gain = (report.outputs[0]?.sqnrDb ?? 0) - (plain.report.outputs[0]?.sqnrDb ?? 0)
  expect(gain).toBeGreaterThan(6)
})

test('samples are closed where calibration ends early', async () => {
  let closed = false
  function* broken(): Generator<Feeds> {
    try {
      yield* samples
      yield { x: new Tensor('float32', wave(1, 1), [1, 1, 1, 1]) }
      yield feeds(1)
    } finally {
      closed = true
    }
  }
  await expect(quantizeOnnx(network(relu), { calibration: broken(), equalize: true })).rejects.toThrow('feeds.x')
  expect(closed).toBe(true)
})

test('an option that is no truth value is refused', async () => {
  await expect(quantizeOnnx(network(relu), { calibration: samples, equalize: 1 as never })).rejects.toThrow(
    'options.equalize',
  )
})
