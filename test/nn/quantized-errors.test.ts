/** Protects users of quantized layers from the mistakes that others made by hand: each is refused with the way out. */
import {
  ArgumentError,
  DTypeError,
  NotCalibratedError,
  OverflowError,
  QParamsError,
  ShapeError,
} from '../../src/errors'
import * as nn from '../../src/nn'
import { fromIntRepr, type QTensor } from '../../src/tensor/qtensor'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, zeros, type Tensor } from '../../src/tensor/tensor'
import { noise } from '../support/nn'

const x = quantizePerTensor(noise([1, 1, 3, 3]), 0.01, 100, 'quint8')
const weight = quantizePerTensor(noise([1, 1, 3, 3], 2), 0.01, 0, 'qint8')

function layerWithWeights(): nn.quantized.Conv2d {
  const layer = new nn.quantized.Conv2d(1, 1, 3)
  layer.setWeightBias(weight, null)
  return layer
}

test('assigning a weight or a bias is an error that names setWeightBias and fromFloat', () => {
  const layer = layerWithWeights()
  expect(() => {
    layer.weight = weight
  }).toThrow(
    'nn.quantized.Conv2d: weight cannot be assigned: the layer computes with packed weights, which an assignment would ' +
      'not reach. Use setWeightBias(weight, bias), or make the layer by fromFloat.',
  )
  expect(() => {
    layer.bias = null
  }).toThrow(ArgumentError)
  const dynamic = new nn.quantized.dynamic.Linear(1, 1)
  expect(() => {
    dynamic.weight = weight
  }).toThrow(ArgumentError)
  expect(() => {
    dynamic.bias = null
  }).toThrow(ArgumentError)
})

test('writing into the weight that a layer gives does not change the layer', () => {
  const layer = layerWithWeights()
  layer.weight.storage.fill(0)
  expect(layer.weight.intRepr().data).toEqual(weight.intRepr().data)
})

test('a layer whose scale or zero point is unset computes nothing', () => {
  const layer = layerWithWeights()
  expect(() => layer.forward(x)).toThrow(NotCalibratedError)
  expect(() => layer.forward(x)).toThrow(
    "nn.quantized.Conv2d: the output's scale is not set. Make the layer by fromFloat or quantization.convert from one " +
      'that calibration has watched, load a state dict, or set scale and zeroPoint.',
  )
  layer.scale = 0.1
  expect(() => layer.forward(x)).toThrow("the output's zero point is not set")
  expect(() => new nn.quantized.Quantize().forward(zeros([1]))).toThrow(NotCalibratedError)
  expect(() => new nn.quantized.QFunctional().add(x, x)).toThrow(NotCalibratedError)
})

test('a layer that was given no weights computes nothing', async () => {
  const layer = new nn.quantized.Conv2d(1, 1, 3)
  layer.scale = 0.1
  layer.zeroPoint = 0
  const message =
    'nn.quantized.Conv2d: this layer has no weights yet. Give it some by setWeightBias or loadStateDict, or make the layer by fromFloat.'
  expect(() => layer.forward(x)).toThrow(message)
  await expect(layer.forwardAsync(x)).rejects.toThrow(message)
  expect(() => layer.weight).toThrow(message)
  expect(() => layer.bias).toThrow(message)
  expect(() => new nn.quantized.dynamic.Linear(1, 1).forward(zeros([1, 1]))).toThrow('this layer has no weights yet')
})

test.each([0, -1, NaN, Infinity, 1e-40])('a scale of %p is refused when it is set', (scale) => {
  const layer = layerWithWeights()
  expect(() => {
    layer.scale = scale
  }).toThrow(QParamsError)
})

test.each([-14.11, -1, 256])('a zero point of %p is refused when it is set for quint8', (zeroPoint) => {
  const layer = layerWithWeights()
  expect(() => {
    layer.zeroPoint = zeroPoint
  }).toThrow(QParamsError)
})

test('a float tensor does not compile where codes are wanted, and is told its way', () => {
  const layer = layerWithWeights()
  layer.scale = 0.1
  layer.zeroPoint = 0
  const floats = zeros([1, 1, 3, 3])
  expect(() => {
    // @ts-expect-error Codes are wanted.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- what is tested
    layer.forward(floats)
  }).toThrow(
    'nn.quantized.Conv2d: x must be a QTensor of quint8 or qint8, but got a Tensor of float32. It is not quantized: call quantizePerTensor on it, or put an nn.QuantStub before this layer.',
  )
  expect(() => new nn.quantized.QFunctional().add(floats, floats)).toThrow(DTypeError)
})

test('codes of 32 bits are refused by layers on codes', () => {
  const wide: unknown = fromIntRepr(new Int32Array(9), [1, 1, 3, 3], 'qint32', { scale: 1, zeroPoint: 0 })
  expect(() => new nn.MaxPool2d(2).forward(wide as QTensor)).toThrow(
    'nn.MaxPool2d: x must be a QTensor of quint8 or qint8, but got a QTensor of qint32',
  )
})

test('a weight of another shape, a float weight and a bias of another length are refused', () => {
  const layer = new nn.quantized.Conv2d(1, 1, 3)
  const narrow = quantizePerTensor(zeros([1, 1, 1, 1]), 1, 0, 'qint8')
  expect(() => {
    layer.setWeightBias(narrow, null)
  }).toThrow(ShapeError)
  const floats: unknown = zeros([1, 1, 3, 3])
  expect(() => {
    layer.setWeightBias(floats as QTensor, null)
  }).toThrow('nn.quantized.Conv2d.setWeightBias: weight must be a QTensor of qint8 or quint8')
  const bias: Tensor = zeros([2])
  expect(() => {
    layer.setWeightBias(weight, bias)
  }).toThrow('bias must be a Tensor of float32 of shape [1], but got a Tensor of float32 of shape [2]')
})

test('weights that could overflow int32 are refused in the layer’s name, and a load of them changes nothing', () => {
  const layer = new nn.quantized.Linear(70000, 1)
  layer.modulePath = 'fc'
  const codes = new Int8Array(70000).fill(127)
  const huge = fromIntRepr(codes, [1, 70000], 'qint8', { scale: 1, zeroPoint: -128 })
  expect(() => {
    layer.setWeightBias(huge, null)
  }).toThrow(OverflowError)
  expect(() => {
    layer.setWeightBias(huge, null)
  }).toThrow('layer fc')
  expect(() => layer.loadStateDict(new Map([['weight', huge]]), { strict: false })).toThrow(OverflowError)
  expect(() => layer.weight).toThrow('this layer has no weights yet')
})

test('operands of another type than the module’s output are refused', () => {
  const f = new nn.quantized.QFunctional()
  f.scale = 1
  f.zeroPoint = 0
  const signed = quantizePerTensor(tensor([1]), 1, 0, 'qint8')
  expect(() => f.add(signed, signed)).toThrow(
    "nn.quantized.QFunctional.add: a must be a QTensor of quint8, as this module's output, but got one of qint8",
  )
  expect(() => new nn.quantized.Tanh().forward(signed)).toThrow(DTypeError)
})

test('a QFunctional has no forward, only its methods', () => {
  expect(() => new nn.quantized.QFunctional().forward()).toThrow(
    'nn.quantized.QFunctional.forward: this module has no forward. Call its add, addRelu, addScalar, mul, mulScalar or cat.',
  )
})

test('options that mean nothing are refused', () => {
  const options: object = { bias: false }
  expect(() => new nn.quantized.Conv2d(1, 1, 1, options)).toThrow('options has an unknown key, "bias"')
  expect(() => new nn.quantized.Linear(1, 1, options)).toThrow('options has an unknown key, "bias"')
  const dtype: object = { dtype: 'qint32' }
  expect(() => new nn.quantized.Quantize(1, 0, dtype)).toThrow(DTypeError)
})
