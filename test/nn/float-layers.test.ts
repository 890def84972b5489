/** Protects the float layers: each computes what the functional op does, in both forms, and says what it lacks. */
import { ArgumentError, DTypeError, ShapeError } from '../../src/errors'
import * as nn from '../../src/nn'
import type { Layer } from '../../src/nn'
import * as F from '../../src/ops/float'
import { HistogramObserver, MinMaxObserver } from '../../src/quantization/observers'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { equal, tensor, zeros, type Tensor } from '../../src/tensor/tensor'
import { noise, randomise } from '../support/nn'

const line = noise([2, 4, 9])
const image = noise([2, 4, 9, 8])
const volume = noise([1, 4, 5, 6, 4])

function weightsOf(layer: nn.WeightedModule): [Tensor, Tensor | null] {
  const { weight, bias } = layer.requireWeights()
  return [weight, bias]
}

function normalise(layer: nn.BatchNormNd, x: Tensor): Tensor {
  const { mean, variance, weight, bias } = layer.requireStatistics()
  const affine = weight === null || bias === null ? {} : { weight, bias }
  return F.batchNorm(x, mean, variance, { ...affine, eps: layer.eps })
}

const conv1 = randomise(new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1, groups: 2 }))
const conv2 = randomise(
  new nn.Conv2d(4, 6, [3, 2], {
    stride: [2, 1],
    padding: [
      [0, 2],
      [1, 0],
    ],
    bias: false,
  }),
)
const conv3 = randomise(new nn.Conv3d(4, 2, 2, { padding: 'same' }))
const linear = randomise(new nn.Linear(8, 3))
const norm1 = randomise(new nn.BatchNorm1d(4))
const norm2 = randomise(new nn.BatchNorm2d(4, { eps: 0.5, affine: false }))
const norm3 = randomise(new nn.BatchNorm3d(4))
const convRelu1 = randomise(new nn.intrinsic.ConvReLU1d(4, 2, 3))
const convRelu2 = randomise(new nn.intrinsic.ConvReLU2d(4, 2, 3))
const convRelu3 = randomise(new nn.intrinsic.ConvReLU3d(4, 2, 2))
const convClip1 = randomise(new nn.intrinsic.ConvClip1d(4, 2, 3, { min: -0.25, max: 0.5 }))
const convClip2 = randomise(new nn.intrinsic.ConvClip2d(4, 2, 3))
const convClip3 = randomise(new nn.intrinsic.ConvClip3d(4, 2, 2, { max: 1 }))
const linearRelu = randomise(new nn.intrinsic.LinearReLU(8, 5))
const normRelu2 = randomise(new nn.intrinsic.BNReLU2d(4))
const normRelu3 = randomise(new nn.intrinsic.BNReLU3d(4))
const clip = (y: Tensor, min: number, max: number): Tensor => F.hardtanh(y, { min, max })

const rows: readonly (readonly [Layer, Tensor, () => Tensor])[] = [
  [conv1, line, () => F.conv1d(line, ...weightsOf(conv1), { stride: 2, padding: 1, groups: 2 })],
  [
    conv2,
    image,
    () =>
      F.conv2d(image, ...weightsOf(conv2), {
        stride: [2, 1],
        padding: [
          [0, 2],
          [1, 0],
        ],
      }),
  ],
  [conv3, volume, () => F.conv3d(volume, ...weightsOf(conv3), { padding: 'same' })],
  [linear, image, () => F.linear(image, ...weightsOf(linear))],
  [norm1, line, () => normalise(norm1, line)],
  [norm2, image, () => normalise(norm2, image)],
  [norm3, volume, () => normalise(norm3, volume)],
  [convRelu1, line, () => F.relu(F.conv1d(line, ...weightsOf(convRelu1)))],
  [convRelu2, image, () => F.relu(F.conv2d(image, ...weightsOf(convRelu2)))],
  [convRelu3, volume, () => F.relu(F.conv3d(volume, ...weightsOf(convRelu3)))],
  [convClip1, line, () => clip(F.conv1d(line, ...weightsOf(convClip1)), -0.25, 0.5)],
  [convClip2, image, () => clip(F.conv2d(image, ...weightsOf(convClip2)), 0, 6)],
  [convClip3, volume, () => clip(F.conv3d(volume, ...weightsOf(convClip3)), 0, 1)],
  [linearRelu, image, () => F.relu(F.linear(image, ...weightsOf(linearRelu)))],
  [normRelu2, image, () => F.relu(normalise(normRelu2, image))],
  [normRelu3, volume, () => F.relu(normalise(normRelu3, volume))],
  [new nn.ReLU(), image, () => F.relu(image)],
  [new nn.ReLU6(), image, () => F.relu6(image)],
  [new nn.Hardtanh({ max: 0.5 }), image, () => clip(image, -1, 0.5)],
  [new nn.Sigmoid(), image, () => F.sigmoid(image)],
  [new nn.Tanh(), image, () => F.tanh(image)],
  [new nn.Hardswish(), image, () => F.hardswish(image)],
  [new nn.LeakyReLU({ negativeSlope: 0.2 }), image, () => F.leakyRelu(image, { negativeSlope: 0.2 })],
  [new nn.Softmax(1), image, () => F.softmax(image, 1)],
  [new nn.MaxPool1d(3, { stride: 1, padding: 1 }), line, () => F.maxPool1d(line, 3, { stride: 1, padding: 1 })],
  [new nn.MaxPool2d(2, { dilation: 2 }), image, () => F.maxPool2d(image, 2, { dilation: 2 })],
  [new nn.MaxPool3d(2, { ceilMode: true }), volume, () => F.maxPool3d(volume, 2, { ceilMode: true })],
  [new nn.AvgPool1d(2), line, () => F.avgPool1d(line, 2)],
  [new nn.AvgPool2d([3, 2], { padding: 1 }), image, () => F.avgPool2d(image, [3, 2], { padding: 1 })],
  [new nn.AvgPool3d(2, { divisorOverride: 3 }), volume, () => F.avgPool3d(volume, 2, { divisorOverride: 3 })],
  [new nn.AdaptiveAvgPool1d(4), line, () => F.adaptiveAvgPool1d(line, 4)],
  [new nn.AdaptiveAvgPool2d([null, 3]), image, () => F.adaptiveAvgPool2d(image, [null, 3])],
  [new nn.AdaptiveAvgPool3d(1), volume, () => F.adaptiveAvgPool3d(volume, 1)],
  [new nn.AdaptiveMaxPool1d(2), line, () => F.adaptiveMaxPool1d(line, 2)],
  [new nn.AdaptiveMaxPool2d(3), image, () => F.adaptiveMaxPool2d(image, 3)],
  [new nn.AdaptiveMaxPool3d([1, 2, null]), volume, () => F.adaptiveMaxPool3d(volume, [1, 2, null])],
  [new nn.Flatten(), image, () => F.flatten(image, { startDim: 1 })],
  [new nn.Dropout(), image, () => image],
  [new nn.Identity(), image, () => image],
  [new nn.QuantStub(), image, () => image],
  [new nn.DeQuantStub(), image, () => image],
]

test.each(rows.map(([layer, ...rest]) => [layer.typeName, layer, ...rest] as const))(
  '%s gives the bytes of its functional op, now and off the event loop',
  async (_, layer, x, expected) => {
    const now = layer.forward(x) as Tensor
    const later = (await layer.forwardAsync(x)) as Tensor
    expect(equal(now, expected())).toBe(true)
    expect(equal(later, now)).toBe(true)
  },
)

test('FloatFunctional gives the bytes of the functional ops, now and off the event loop', async () => {
  const f = new nn.FloatFunctional()
  const [a, b] = [noise([2, 3], 5), noise([2, 3], 6)]
  const pairs: readonly (readonly [Tensor, () => Promise<Tensor>, Tensor])[] = [
    [f.add(a, b), () => f.addAsync(a, b), F.add(a, b)],
    [f.addRelu(a, b), () => f.addReluAsync(a, b), F.relu(F.add(a, b))],
    [f.addScalar(a, 2), () => f.addScalarAsync(a, 2), F.add(a, tensor(2))],
    [f.mul(a, b), () => f.mulAsync(a, b), F.mul(a, b)],
    [f.mulScalar(a, -3), () => f.mulScalarAsync(a, -3), F.mul(a, tensor(-3))],
    [f.cat([a, b], 1), () => f.catAsync([a, b], 1), F.cat([a, b], 1)],
  ]
  for (const [now, later, expected] of pairs) {
    expect(equal(now, expected)).toBe(true)
    expect(equal(await later(), expected)).toBe(true)
  }
  expect(() => f.forward(a)).toThrow(
    'nn.FloatFunctional.forward: this module has no forward. Call its add, addRelu, addScalar, mul, mulScalar or cat.',
  )
})

test('an observer sees every output, and a weighted layer’s input, in both forms', async () => {
  const layer = randomise(new nn.Linear(2, 2))
  const output = new MinMaxObserver()
  const input = new MinMaxObserver()
  layer.activationPostProcess = output
  layer.inputObserver = input
  const y = layer.forward(tensor([1, -2], [1, 2]))
  const later = await layer.forwardAsync(tensor([8, 0], [1, 2]))
  expect([input.minVal, input.maxVal]).toEqual([-2, 8])
  expect(output.minVal).toBe(Math.min(...y.data, ...later.data))
  expect(output.maxVal).toBe(Math.max(...y.data, ...later.data))
})

test('a FloatFunctional’s observer sees sums, products and joined tensors, not scalars’', () => {
  const f = new nn.FloatFunctional()
  f.activationPostProcess = new HistogramObserver()
  f.addScalar(tensor([1]), 2)
  f.mulScalar(tensor([1]), 2)
  expect(f.activationPostProcess.observed).toBe(false)
  f.add(tensor([1]), tensor([2]))
  expect(f.activationPostProcess.observed).toBe(true)
})

test('setting a weight drops what was packed of the old one', () => {
  const layer = new nn.Linear(1, 1, { bias: false })
  layer.weight = tensor([2], [1, 1])
  expect(layer.forward(tensor([3], [1, 1])).item()).toBe(6)
  layer.weight = tensor([5], [1, 1])
  expect(layer.forward(tensor([3], [1, 1])).item()).toBe(15)
})

test('statistics can be set one by one, and taken away', () => {
  const layer = new nn.BatchNorm1d(1, { eps: 0 })
  layer.weight = tensor([3])
  layer.bias = tensor([1])
  layer.runningMean = tensor([2])
  layer.runningVar = tensor([4])
  expect(layer.forward(tensor([6], [1, 1])).item()).toBe(7)
  expect([layer.weight, layer.bias, layer.runningMean, layer.runningVar].map((value) => value.item())).toEqual([
    3, 1, 2, 4,
  ])
  layer.runningVar = undefined
  expect(() => layer.forward(tensor([6], [1, 1]))).toThrow('this layer has no statistics yet')
  expect(() => {
    layer.runningMean = zeros([2])
  }).toThrow(ShapeError)
  expect(() => {
    new nn.BatchNorm1d(1, { affine: false }).weight = tensor([1])
  }).toThrow('A layer made with { affine: false } has no weight and no bias.')
})

test('a layer without weights, without a bias or without statistics says how to get them', () => {
  const layer = new nn.Linear(1, 1)
  expect(() => layer.forward(zeros([1, 1]))).toThrow(
    'nn.Linear: this layer has no weights yet. Load them by loadStateDict, or set its weight.',
  )
  layer.weight = zeros([1, 1])
  expect(() => layer.forward(zeros([1, 1]))).toThrow('this layer has no bias yet')
  expect(() => new nn.BatchNorm2d(1).forward(zeros([1, 1, 1, 1]))).toThrow(
    'Load weight, bias, running_mean, running_var by loadStateDict',
  )
})

test('a weight of another shape or dtype, and a bias that was not planned, are refused', () => {
  const layer = new nn.Conv2d(2, 4, 3, { groups: 2, bias: false })
  expect(() => {
    layer.weight = zeros([4, 2, 3, 3])
  }).toThrow(
    'nn.Conv2d: weight must be a Tensor of float32 of shape [4, 1, 3, 3], but got a Tensor of float32 of shape [4, 2, 3, 3]',
  )
  expect(() => Reflect.set(layer, 'weight', zeros([4, 1, 3, 3], { dtype: 'int32' }))).toThrow(DTypeError)
  expect(() => {
    layer.bias = zeros([4])
  }).toThrow('Whether a layer has a bias is decided when it is made: { bias: true }')
})

test('arguments that no layer can have are refused when it is made', () => {
  expect(() => new nn.Conv2d(3, 4, 3, { groups: 2 })).toThrow('inChannels must be a multiple of groups (2), but got 3')
  expect(() => new nn.Conv2d(0, 4, 3)).toThrow(ShapeError)
  expect(() => new nn.Conv2d(1, 4, [3, 3, 3])).toThrow(ShapeError)
  expect(() => new nn.Conv2d(1, 4, 3, { stride: 0 })).toThrow(ShapeError)
  expect(() => new nn.Conv2d(1, 1, 3, { stride: 2, padding: 'same' })).toThrow(ArgumentError)
  const options: object = { dilatation: 2 }
  expect(() => new nn.Conv2d(1, 4, 3, options)).toThrow('options has an unknown key, "dilatation"')
  expect(() => new nn.Hardtanh({ min: 2, max: 1 })).toThrow(ArgumentError)
  expect(() => new nn.Dropout(2)).toThrow('p must be a number from 0 to 1, but got 2')
  expect(() => new nn.MaxPool2d(0)).toThrow(ShapeError)
  expect(() => new nn.BatchNorm2d(4, { eps: -1 })).toThrow(ArgumentError)
})

test('an input of the wrong rank or kind is refused in the layer’s name', () => {
  expect(() => norm3.forward(image)).toThrow('nn.BatchNorm3d: x must be of rank 5, but got [2, 4, 9, 8]')
  const codes = quantizePerTensor(image, 0.1, 0, 'quint8')
  const wrong: unknown = codes
  for (const layer of [conv2, linear, new nn.Sigmoid(), new nn.QuantStub()] as const)
    expect(() => layer.forward(wrong as Tensor)).toThrow(DTypeError)
  expect(() => new nn.FloatFunctional().add(codes, codes)).toThrow('nn.FloatFunctional.add: a must be a Tensor')
})
