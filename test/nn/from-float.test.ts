/** Protects conversion of single layers: what fromFloat takes over, and what it refuses. */
import { NotCalibratedError } from '../../src/errors'
import * as nn from '../../src/nn'
import { raiseScales } from '../../src/nn/quantized/weights'
import {
  HistogramObserver,
  MinMaxObserver,
  PerChannelMinMaxObserver,
  type Observer,
} from '../../src/quantization/observers'
import { getDefaultQConfig, getPerTensorQConfig, type QConfig } from '../../src/quantization/qconfig'
import type { QDType8 } from '../../src/tensor/dtype'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, zeros, type Tensor } from '../../src/tensor/tensor'
import { noise, randomise } from '../support/nn'

/** Gives a layer what prepare gives it, and shows it data. */
function calibrate<L extends nn.WeightedModule>(
  layer: L,
  x: Tensor,
  dtype: QDType8 = 'quint8',
  qconfig: QConfig = getDefaultQConfig(),
): L {
  layer.qconfig = qconfig
  layer.activationPostProcess = new MinMaxObserver({ dtype })
  layer.inputObserver = new MinMaxObserver()
  layer.forward(x)
  return layer
}

const image = noise([2, 4, 6, 5])

test.each(['quint8', 'qint8'] as const)('a converted convolution is the float one within a step, in %s', (dtype) => {
  const float = calibrate(randomise(new nn.Conv2d(4, 6, 3, { padding: 1, stride: 2 })), image, dtype)
  const quantized = nn.quantized.Conv2d.fromFloat(float)
  const { scale } = quantized.requireQParams()
  expect(quantized.dtype).toBe(dtype)
  expect(quantized.weight.qparams.kind).toBe('perChannel')
  const y = quantized.forward(quantizePerTensor(image, 1 / 127, 127, 'quint8')).dequantize()
  const expected = float.forward(image).data
  const worst = Math.max(...y.data.map((value, i) => Math.abs(value - (expected[i] ?? NaN))))
  expect(worst).toBeLessThan(4 * scale)
})

test('a converted layer has the parameters of the observers that watched it', () => {
  const float = calibrate(randomise(new nn.Linear(3, 2)), noise([5, 3]), 'quint8', getPerTensorQConfig())
  const quantized = nn.quantized.Linear.fromFloat(float)
  const observer = new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })
  observer.forward(float.requireWeights().weight)
  expect(quantized.weight.qparams).toEqual(observer.calculateQParams())
  expect(float.activationPostProcess?.calculateQParams()).toEqual({ kind: 'perTensor', ...quantized.requireQParams() })
  expect(quantized.bias?.data).toEqual(float.bias?.data)
})

test('a converted layer keeps the geometry, the bounds and the path', () => {
  const float = randomise(new nn.intrinsic.ConvClip2d(4, 6, [3, 1], { groups: 2, padding: [1, 0], max: 0.5 }))
  float.modulePath = 'features.0'
  const quantized = nn.quantized.ConvClip2d.fromFloat(calibrate(float, image))
  expect(quantized.weightShape).toEqual([6, 2, 3, 1])
  expect([quantized.min, quantized.max, quantized.modulePath]).toEqual([0, 0.5, 'features.0'])
  expect(quantized.forward(quantizePerTensor(image, 0.01, 99, 'quint8')).shape).toEqual(float.forward(image).shape)
})

test('every other kind of layer converts from its own float class', () => {
  const line = noise([2, 4, 6])
  const volume = noise([1, 4, 3, 3, 3])
  const made = [
    nn.quantized.Conv1d.fromFloat(calibrate(randomise(new nn.Conv1d(4, 2, 2)), line)),
    nn.quantized.Conv3d.fromFloat(calibrate(randomise(new nn.Conv3d(4, 2, 2)), volume)),
    nn.quantized.ConvReLU1d.fromFloat(calibrate(randomise(new nn.intrinsic.ConvReLU1d(4, 2, 2)), line)),
    nn.quantized.ConvReLU2d.fromFloat(calibrate(randomise(new nn.intrinsic.ConvReLU2d(4, 2, 2)), image)),
    nn.quantized.ConvReLU3d.fromFloat(calibrate(randomise(new nn.intrinsic.ConvReLU3d(4, 2, 2)), volume)),
    nn.quantized.ConvClip1d.fromFloat(calibrate(randomise(new nn.intrinsic.ConvClip1d(4, 2, 2)), line)),
    nn.quantized.ConvClip3d.fromFloat(calibrate(randomise(new nn.intrinsic.ConvClip3d(4, 2, 2)), volume)),
    nn.quantized.LinearReLU.fromFloat(calibrate(randomise(new nn.intrinsic.LinearReLU(6, 2)), line)),
  ]
  for (const layer of made) expect(layer.requireQParams().scale).toBeGreaterThan(0)
})

test('stubs, functionals, tables and batch norms take over their observers', () => {
  const watched = <L extends { activationPostProcess: Observer | undefined }>(layer: L): L => {
    layer.activationPostProcess = new HistogramObserver()
    layer.activationPostProcess.forward(image)
    return layer
  }
  const norm = watched(randomise(new nn.BatchNorm2d(4)))
  const made = [
    nn.quantized.Quantize.fromFloat(watched(new nn.QuantStub())),
    nn.quantized.QFunctional.fromFloat(watched(new nn.FloatFunctional())),
    nn.quantized.Hardswish.fromFloat(watched(new nn.Hardswish())),
    nn.quantized.LeakyReLU.fromFloat(watched(new nn.LeakyReLU({ negativeSlope: 0.5 }))),
    nn.quantized.BatchNorm2d.fromFloat(norm),
    nn.quantized.BatchNorm3d.fromFloat(watched(randomise(new nn.BatchNorm3d(4)))),
    nn.quantized.BNReLU2d.fromFloat(watched(randomise(new nn.intrinsic.BNReLU2d(4)))),
    nn.quantized.BNReLU3d.fromFloat(watched(randomise(new nn.intrinsic.BNReLU3d(4)))),
    nn.quantized.Sigmoid.fromFloat(watched(new nn.Sigmoid())),
    nn.quantized.Tanh.fromFloat(watched(new nn.Tanh())),
  ]
  const { scale, zeroPoint } = watched(new nn.QuantStub()).activationPostProcess?.calculateQParams() as {
    scale: number
    zeroPoint: number
  }
  for (const layer of made) expect(layer.requireQParams()).toEqual({ scale, zeroPoint })
  expect(made[4]?.stateDict().get('running_mean')).toBe(norm.runningMean)
})

test('sigmoid and tanh need no observer: their range is known', () => {
  expect(nn.quantized.Sigmoid.fromFloat(new nn.Sigmoid()).requireQParams()).toEqual({ scale: 1 / 256, zeroPoint: 0 })
  expect(nn.quantized.Tanh.fromFloat(new nn.Tanh()).requireQParams()).toEqual({ scale: 1 / 128, zeroPoint: 128 })
})

test('fromFloat refuses a layer without an observer, and one whose observer has seen nothing, by path', () => {
  const layer = randomise(new nn.Conv2d(1, 1, 1))
  layer.modulePath = 'stem.0'
  layer.qconfig = getDefaultQConfig()
  expect(() => nn.quantized.Conv2d.fromFloat(layer)).toThrow(
    "nn.Conv2d 'stem.0': this layer has no observer, so its output range is unknown. Run quantization.prepare on the model",
  )
  layer.activationPostProcess = new HistogramObserver()
  expect(() => nn.quantized.Conv2d.fromFloat(layer)).toThrow(NotCalibratedError)
  expect(() => nn.quantized.Conv2d.fromFloat(layer)).toThrow("this layer's observer has seen no data")
})

test('fromFloat refuses every class but its own, and says what it got', () => {
  const conv: unknown = new nn.intrinsic.ConvReLU2d(1, 1, 1)
  expect(() => nn.quantized.Conv2d.fromFloat(conv as nn.Conv2d)).toThrow(
    'nn.quantized.Conv2d.fromFloat: module must be an nn.Conv2d that calibration has watched, but got an nn.intrinsic.ConvReLU2d',
  )
  const nothing: unknown = 5
  expect(() => nn.quantized.Linear.fromFloat(nothing as nn.Linear)).toThrow('but got 5')
})

test('fromFloat refuses an observer of 32-bit codes', () => {
  const stub = new nn.QuantStub()
  stub.activationPostProcess = new MinMaxObserver({ dtype: 'qint32' })
  stub.forward(image)
  expect(() => nn.quantized.Quantize.fromFloat(stub)).toThrow(
    'activationPostProcess must be an observer of quint8 or qint8, but got one of qint32',
  )
})

test('ReLU6 and DeQuantStub convert without an observer', () => {
  expect(nn.quantized.ReLU6.fromFloat(new nn.ReLU6()).typeName).toBe('nn.quantized.ReLU6')
  expect(nn.quantized.DeQuantize.fromFloat(new nn.DeQuantStub()).typeName).toBe('nn.quantized.DeQuantize')
})

test('fromFloat refuses a layer without a qconfig, and an activation observer per channel', () => {
  const layer = calibrate(randomise(new nn.Conv2d(4, 2, 1)), image)
  layer.qconfig = null
  expect(() => nn.quantized.Conv2d.fromFloat(layer)).toThrow('this layer has no qconfig')
  const perChannel = calibrate(randomise(new nn.Conv2d(4, 2, 1)), image)
  perChannel.activationPostProcess = new PerChannelMinMaxObserver()
  perChannel.forward(image)
  expect(() => nn.quantized.Conv2d.fromFloat(perChannel)).toThrow('an activation needs one scale')
})

test('a weight scale is raised just so far that the bias stays within 2^30 steps', () => {
  const qparams = {
    kind: 'perChannel',
    axis: 0,
    scales: Float32Array.of(2 ** -23, 0.5, 2 ** -23),
    zeroPoints: Int32Array.of(0, 0, 0),
  } as const
  const bias: Tensor = tensor([1000, 1000, -3])
  const raised = raiseScales(qparams, bias, 2 ** -10)
  const scales = raised.kind === 'perChannel' ? [...raised.scales] : []
  expect(scales[1]).toBe(0.5)
  for (const [c, value] of [
    [0, 1000],
    [2, 3],
  ] as const) {
    const steps = value / ((scales[c] ?? 0) * 2 ** -10)
    expect(steps).toBeLessThanOrEqual(2 ** 30)
    expect(steps).toBeGreaterThan(2 ** 30 * (1 - 2 ** -20))
  }
})

test('without a bias or a watched input no weight scale changes', () => {
  const qparams = { kind: 'perTensor', scale: 2 ** -23, zeroPoint: 0 } as const
  expect(raiseScales(qparams, null, 2 ** -10)).toBe(qparams)
  expect(raiseScales(qparams, tensor([1e6]), undefined)).toBe(qparams)
  expect(raiseScales(qparams, tensor([1e6]), 2 ** -10)).not.toEqual(qparams)
})

test('a channel of tiny weights keeps its bias when it is converted', () => {
  const layer = new nn.Conv2d(1, 2, 1)
  layer.weight = tensor([1, 1e-9], [2, 1, 1, 1])
  layer.bias = tensor([0.5, 3])
  const quantized = nn.quantized.Conv2d.fromFloat(calibrate(layer, tensor([0, 1e-4], [2, 1, 1, 1])))
  const y = quantized.forward(quantizePerTensor(zeros([1, 1, 1, 1]), 1e-4 / 255, 0, 'quint8')).dequantize()
  expect(y.data[1]).toBeCloseTo(3, 2)
})

test('a dynamic linear layer takes its qconfig’s weight observer, or one symmetric scale', () => {
  const float = randomise(new nn.Linear(6, 3))
  expect(nn.quantized.dynamic.Linear.fromFloat(float).weight.qscheme).toBe('perTensorAffine')
  float.qconfig = getDefaultQConfig()
  const quantized = nn.quantized.dynamic.Linear.fromFloat(float)
  expect(quantized.weight.qscheme).toBe('perChannelAffine')
  const x = noise([4, 6])
  const expected = float.forward(x).data
  const worst = Math.max(...quantized.forward(x).data.map((value, i) => Math.abs(value - (expected[i] ?? NaN))))
  expect(worst).toBeLessThan(0.03)
  const fused = nn.quantized.dynamic.LinearReLU.fromFloat(randomise(new nn.intrinsic.LinearReLU(6, 3)))
  expect(Math.min(...fused.forward(x).data)).toBeGreaterThanOrEqual(0)
})
