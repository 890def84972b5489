/** Protects the layers on codes: each computes what its op does, in both forms, on both types. */
import * as nn from '../../src/nn'
import type { Activation, Layer } from '../../src/nn'
import * as Q from '../../src/ops/quantized'
import type { QDType8 } from '../../src/tensor/dtype'
import { isQTensor, type QTensor } from '../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../src/tensor/quantize'
import type { Shape } from '../../src/tensor/shape'
import type { Tensor } from '../../src/tensor/tensor'
import { noise } from '../support/nn'

function codes<D extends QDType8>(shape: Shape, dtype: D, seed = 1): QTensor<D> {
  return quantizePerTensor(noise(shape, seed), 0.0078, dtype === 'quint8' ? 121 : -3, dtype)
}

function weight(shape: Shape): QTensor<'qint8'> {
  const channels = shape[0] ?? 1
  const scales = Array.from({ length: channels }, (_, c) => 0.004 + c / 1000)
  return quantizePerChannel(noise(shape, 7), scales, new Array<number>(channels).fill(0), 0, 'qint8')
}

const out = { scale: 0.02, zeroPoint: 11 }

/** All that two equal tensors agree in. */
function facts(q: Activation): object {
  if (!isQTensor(q)) throw new Error('a float tensor came out')
  return { dtype: q.dtype, shape: q.shape, qparams: q.qparams, codes: q.intRepr().data }
}

/** What a layer makes of codes, now and off the event loop. */
async function both(layer: Layer, x: QTensor): Promise<readonly [object, object]> {
  return [facts(layer.forward(x)), facts(await layer.forwardAsync(x))]
}

function twice(expected: QTensor): readonly [object, object] {
  return [facts(expected), facts(expected)]
}

function ready<L extends nn.quantized.PackedModule<nn.quantized.Packed>>(layer: L): L {
  layer.setWeightBias(weight(layer.weightShape), noise([layer.weightShape[0] ?? 0], 3))
  layer.scale = out.scale
  layer.zeroPoint = out.zeroPoint
  return layer
}

const { scale: s, zeroPoint: z } = out
const line = codes([2, 4, 9], 'quint8')
const image = codes([2, 4, 7, 6], 'quint8')
const volume = codes([1, 4, 5, 4, 3], 'quint8')
const signed = codes([2, 4, 7, 6], 'qint8')
const geometry = { stride: 2, padding: 1, groups: 2 }
const conv1 = ready(new nn.quantized.Conv1d(4, 6, 3, geometry))
const conv2 = ready(new nn.quantized.Conv2d(4, 6, 3, geometry))
const conv2s = ready(new nn.quantized.Conv2d(4, 6, 3, { dtype: 'qint8' }))
const conv3 = ready(new nn.quantized.Conv3d(4, 2, 2))
const relu1 = ready(new nn.quantized.ConvReLU1d(4, 6, 3))
const relu2 = ready(new nn.quantized.ConvReLU2d(4, 6, 3))
const relu3 = ready(new nn.quantized.ConvReLU3d(4, 2, 2))
const clip1 = ready(new nn.quantized.ConvClip1d(4, 6, 3, { min: -0.1, max: 0.1 }))
const clip2 = ready(new nn.quantized.ConvClip2d(4, 6, 3))
const clip3 = ready(new nn.quantized.ConvClip3d(4, 2, 2, { max: 0.5 }))
const linear = ready(new nn.quantized.Linear(6, 5))
const linearRelu = ready(new nn.quantized.LinearReLU(6, 5))
const type = { dtype: 'quint8' } as const

const packedRows: readonly (readonly [string, Layer, QTensor, QTensor])[] = [
  ['Conv1d', conv1, line, Q.conv1d(line, conv1.packedParams, s, z)],
  ['Conv2d', conv2, image, Q.conv2d(image, conv2.packedParams, s, z)],
  ['Conv2d to qint8', conv2s, image, Q.conv2d(image, conv2s.packedParams, s, z, { dtype: 'qint8' })],
  ['Conv2d from qint8', conv2, signed, Q.conv2d(signed, conv2.packedParams, s, z, type)],
  ['Conv3d', conv3, volume, Q.conv3d(volume, conv3.packedParams, s, z)],
  ['ConvReLU1d', relu1, line, Q.conv1dRelu(line, relu1.packedParams, s, z)],
  ['ConvReLU2d', relu2, image, Q.conv2dRelu(image, relu2.packedParams, s, z)],
  ['ConvReLU3d', relu3, volume, Q.conv3dRelu(volume, relu3.packedParams, s, z)],
  ['ConvClip1d', clip1, line, Q.conv1dClip(line, clip1.packedParams, s, z, { min: -0.1, max: 0.1 })],
  ['ConvClip2d', clip2, image, Q.conv2dClip(image, clip2.packedParams, s, z, { min: 0, max: 6 })],
  ['ConvClip3d', clip3, volume, Q.conv3dClip(volume, clip3.packedParams, s, z, { min: 0, max: 0.5 })],
  ['Linear', linear, image, Q.linear(image, linear.packedParams, s, z)],
  ['LinearReLU', linearRelu, image, Q.linearRelu(image, linearRelu.packedParams, s, z)],
]

test.each(packedRows)('%s gives the bytes of its op, now and off the event loop', async (_, layer, x, expected) => {
  expect(await both(layer, x)).toEqual(twice(expected))
})

const hardswish = new nn.quantized.Hardswish(s, z)
const leaky = new nn.quantized.LeakyReLU(s, z, { negativeSlope: 0.3 })
const otherRows: readonly (readonly [string, Layer, QTensor, QTensor])[] = [
  ['Hardswish', hardswish, image, Q.hardswish(image, s, z)],
  ['LeakyReLU', leaky, image, Q.leakyRelu(image, s, z, { negativeSlope: 0.3 })],
  ['Sigmoid', new nn.quantized.Sigmoid(), image, Q.sigmoid(image)],
  ['Sigmoid of qint8', new nn.quantized.Sigmoid(undefined, undefined, { dtype: 'qint8' }), signed, Q.sigmoid(signed)],
  ['Tanh', new nn.quantized.Tanh(), image, Q.tanh(image)],
  ['Tanh of qint8', new nn.quantized.Tanh(undefined, undefined, { dtype: 'qint8' }), signed, Q.tanh(signed)],
  ['quantized ReLU6', new nn.quantized.ReLU6(), image, Q.relu6(image)],
  ['ReLU', new nn.ReLU(), signed, Q.relu(signed)],
  ['ReLU6', new nn.ReLU6(), image, Q.relu6(image)],
  ['Hardtanh', new nn.Hardtanh({ max: 0.5 }), image, Q.hardtanh(image, { min: -1, max: 0.5 })],
  ['Flatten', new nn.Flatten(), image, Q.flatten(image, { startDim: 1 })],
  ['Dropout', new nn.Dropout(), image, image],
  ['Identity', new nn.Identity(), image, image],
  ['MaxPool1d', new nn.MaxPool1d(2), line, Q.maxPool1d(line, 2)],
  ['MaxPool2d', new nn.MaxPool2d(3, { padding: 1 }), image, Q.maxPool2d(image, 3, { padding: 1 })],
  ['MaxPool3d', new nn.MaxPool3d(2), volume, Q.maxPool3d(volume, 2)],
  ['AvgPool1d', new nn.AvgPool1d(2), line, Q.avgPool1d(line, 2)],
  ['AvgPool2d', new nn.AvgPool2d(2, { ceilMode: true }), signed, Q.avgPool2d(signed, 2, { ceilMode: true })],
  ['AvgPool3d', new nn.AvgPool3d(2), volume, Q.avgPool3d(volume, 2)],
  ['AdaptiveAvgPool1d', new nn.AdaptiveAvgPool1d(2), line, Q.adaptiveAvgPool1d(line, 2)],
  ['AdaptiveAvgPool2d', new nn.AdaptiveAvgPool2d(1), image, Q.adaptiveAvgPool2d(image, 1)],
  ['AdaptiveAvgPool3d', new nn.AdaptiveAvgPool3d(2), volume, Q.adaptiveAvgPool3d(volume, 2)],
  ['AdaptiveMaxPool1d', new nn.AdaptiveMaxPool1d(2), line, Q.adaptiveMaxPool1d(line, 2)],
  ['AdaptiveMaxPool2d', new nn.AdaptiveMaxPool2d(2), image, Q.adaptiveMaxPool2d(image, 2)],
  ['AdaptiveMaxPool3d', new nn.AdaptiveMaxPool3d(2), volume, Q.adaptiveMaxPool3d(volume, 2)],
]

test.each(otherRows)(
  '%s on codes gives the bytes of its op, now and off the event loop',
  async (_, layer, x, expected) => {
    expect(await both(layer, x)).toEqual(twice(expected))
  },
)

test.each([
  ['BatchNorm2d', new nn.quantized.BatchNorm2d(4), image, Q.batchNorm],
  ['BatchNorm3d', new nn.quantized.BatchNorm3d(4, { eps: 0.1 }), volume, Q.batchNorm],
  ['BNReLU2d', new nn.quantized.BNReLU2d(4), image, Q.batchNormRelu],
  ['BNReLU3d', new nn.quantized.BNReLU3d(4), volume, Q.batchNormRelu],
] as const)('quantized %s gives the bytes of its op, now and off the event loop', async (name, layer, x, op) => {
  const [weights, bias, mean] = [noise([4], 2), noise([4], 3), noise([4], 4)]
  const variance = Q.requantize(codes([4], 'quint8'), 0.01, 0).dequantize()
  layer.scale = s
  layer.zeroPoint = z
  layer.loadStateDict(
    new Map<string, Tensor>([
      ['weight', weights],
      ['bias', bias],
      ['running_mean', mean],
      ['running_var', variance],
    ]),
    { strict: false },
  )
  const eps = name === 'BatchNorm3d' ? 0.1 : 1e-5
  expect(await both(layer, x)).toEqual(twice(op(x, mean, variance, { weight: weights, bias, eps, ...out })))
  expect([...layer.stateDict().keys()]).toEqual([
    'weight',
    'bias',
    'running_mean',
    'running_var',
    'scale',
    'zero_point',
  ])
})

test('QFunctional gives the bytes of the ops, now and off the event loop', async () => {
  const f = new nn.quantized.QFunctional()
  f.scale = s
  f.zeroPoint = z
  const [a, b] = [codes([2, 3], 'quint8', 5), codes([2, 3], 'quint8', 6)]
  const pairs: readonly (readonly [QTensor, () => Promise<QTensor>, QTensor])[] = [
    [f.add(a, b), () => f.addAsync(a, b), Q.add(a, b, s, z)],
    [f.addRelu(a, b), () => f.addReluAsync(a, b), Q.addRelu(a, b, s, z)],
    [f.addScalar(a, 0.3), () => f.addScalarAsync(a, 0.3), Q.addScalar(a, 0.3)],
    [f.mul(a, b), () => f.mulAsync(a, b), Q.mul(a, b, s, z)],
    [f.mulScalar(a, -3), () => f.mulScalarAsync(a, -3), Q.mulScalar(a, -3)],
    [f.cat([a, b], 1), () => f.catAsync([a, b], 1), Q.cat([a, b], 1, out)],
  ]
  for (const [now, later, expected] of pairs) {
    expect([facts(now), facts(await later())]).toEqual(twice(expected))
  }
})

test('Quantize and DeQuantize are the doors between floats and codes', async () => {
  const x = noise([2, 3])
  const door = new nn.quantized.Quantize(0.02, -5, { dtype: 'qint8' })
  const q = door.forward(x)
  const expected = quantizePerTensor(x, 0.02, -5, 'qint8')
  expect([facts(q), facts(await door.forwardAsync(x))]).toEqual(twice(expected))
  const back = new nn.quantized.DeQuantize()
  expect(back.forward(q).data).toEqual(q.dequantize().data)
  expect((await back.forwardAsync(q)).data).toEqual(q.dequantize().data)
  expect((await new nn.DeQuantStub().forwardAsync(q)).data).toEqual(q.dequantize().data)
})

test('dynamic linear layers give the bytes of their op, now and off the event loop', async () => {
  const x = noise([3, 6])
  for (const reduceRange of [false, true]) {
    const plain = new nn.quantized.dynamic.Linear(6, 5, { reduceRange })
    const fused = new nn.quantized.dynamic.LinearReLU(6, 5, { reduceRange })
    for (const layer of [plain, fused]) layer.setWeightBias(weight([5, 6]), noise([5], 2))
    const expected = Q.linearDynamic(x, plain.packedParams, { reduceRange })
    expect(plain.forward(x).data).toEqual(expected.data)
    expect((await plain.forwardAsync(x)).data).toEqual(expected.data)
    expect(fused.forward(x).data).toEqual(Q.linearReluDynamic(x, fused.packedParams, { reduceRange }).data)
    expect((await fused.forwardAsync(x)).data).toEqual(fused.forward(x).data)
  }
})

test('a clone shares packed weights until it is given others', () => {
  const copy = linear.clone()
  expect(copy.packedParams).toBe(linear.packedParams)
  copy.setWeightBias(weight([5, 6]), null)
  expect(linear.bias).not.toBeNull()
  expect(copy.bias).toBeNull()
})
