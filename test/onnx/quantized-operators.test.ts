/** Forms of the quantized operators that ONNX's own tests lack. */
import { UnsupportedOperatorError } from '../../src/errors'
import { InferenceSession } from '../../src/runtime/session'
import { Tensor } from '../../src/runtime/tensor'
import { known, type Value } from '../../src/runtime/value'
import { modelOf } from '../support/onnx-models'

const f = (value: number): Value => known('float32', [], Float32Array.of(value))
const u8 = (value: number): Value => known('uint8', [], Uint8Array.of(value))
const codes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 37) % 251)

test('QLinearConv with channels_last is the one on turned axes', () => {
  const [height, width, channels] = [4, 5, 3]
  const last = codes(height * width * channels)
  const first = Uint8Array.from(
    last,
    (_, i) => last[(i % (height * width)) * channels + Math.floor(i / (height * width))] ?? 0,
  )
  const constants = {
    xs: f(0.02),
    xz: u8(120),
    w: known(
      'int8',
      [2, 3, 3, 3],
      Int8Array.from({ length: 54 }, (_, i) => ((i * 29) % 200) - 100),
    ),
    ws: f(0.01),
    wz: known('int8', [], Int8Array.of(0)),
    ys: f(0.05),
    yz: u8(128),
  }
  const inputs = ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz']
  const attributes = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 2] }
  const run = (x: Tensor, op: string, more: Record<string, number>): Tensor | undefined =>
    InferenceSession.createSync(
      modelOf({
        inputs: { x: ['uint8', x.dims] },
        outputs: { y: 'uint8' },
        nodes: [[op, inputs, ['y'], { ...attributes, ...more }]],
        constants,
      }),
    ).runSync({ x })['y']
  const wanted = run(new Tensor('uint8', first, [1, channels, height, width]), 'QLinearConv', {})
  const got = run(new Tensor('uint8', last, [1, height, width, channels]), 'com.microsoft:QLinearConv', {
    channels_last: 1,
  })
  expect(got?.dims).toEqual([1, 4, 3, 2])
  const turned = Uint8Array.from(
    { length: 24 },
    (_, i) => (wanted?.data as Uint8Array)[(i % 2) * 12 + Math.floor(i / 2)] ?? 0,
  )
  expect(got?.data).toEqual(turned)
})

test('a quantized mean over two of three spatial axes leaves the third', () => {
  const model = modelOf({
    inputs: { q: ['uint8', [1, 2, 3, 4, 5]] },
    outputs: { y: 'uint8' },
    nodes: [
      ['DequantizeLinear', ['q', 's', 'z'], ['x']],
      ['ReduceMean', ['x'], ['m'], { axes: [2, 3] }],
      ['QuantizeLinear', ['m', 's', 'z'], ['y']],
    ],
    constants: { s: f(0.1), z: u8(100) },
  })
  const q = codes(120)
  const y = InferenceSession.createSync(model).runSync({ q: new Tensor('uint8', q, [1, 2, 3, 4, 5]) })['y']
  expect(y?.dims).toEqual([1, 2, 1, 1, 5])
  const means = Array.from({ length: 10 }, (_, i) => {
    const [channel, column] = [Math.floor(i / 5), i % 5]
    return Array.from({ length: 12 }, (_p, p) => q[channel * 60 + p * 5 + column] ?? 0).reduce((a, b) => a + b) / 12
  })
  means.forEach((mean, i) => {
    expect(Math.abs((y?.data[i] as number) - mean)).toBeLessThanOrEqual(0.501)
  })
})

test('DequantizeLinear to a type that it does not have is refused', () => {
  const session = InferenceSession.createSync(
    modelOf({
      opset: 23,
      inputs: { q: ['uint8', [3]] },
      outputs: { x: 'float16' },
      nodes: [['DequantizeLinear', ['q', 's', 'z'], ['x'], { output_dtype: 10 }]],
      constants: { s: f(0.1), z: u8(100) },
    }),
  )
  expect(() => session.runSync({ q: new Tensor('uint8', codes(3), [3]) })).toThrow(UnsupportedOperatorError)
})
