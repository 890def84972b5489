/** Protects: diagnose finds each planted fault, at its layer, and says what to do; on a sound model it is silent. */
import * as nn from '../../src/nn'
import type { Layer } from '../../src/nn'
import {
  convert,
  diagnose,
  fuseModules,
  getMinMaxQConfig,
  getPerTensorQConfig,
  prepare,
  type DiagnoseReport,
  type LayerReport,
  type QConfig,
} from '../../src/quantization'
import { calibrationState } from '../../src/quantization/calibration'
import { fromStorage, tensor, type Tensor } from '../../src/tensor/tensor'
import { noise, randomise } from '../support/nn'

const qconfig = getMinMaxQConfig()

function net(): nn.Sequential<Tensor, Tensor> {
  return randomise(
    new nn.Sequential<Tensor, Tensor>(
      new nn.QuantStub() as Layer,
      new nn.Conv2d(2, 4, 3, { padding: 1 }),
      new nn.BatchNorm2d(4),
      new nn.ReLU(),
      new nn.AdaptiveAvgPool2d(1),
      new nn.Flatten(),
      new nn.Linear(4, 3),
      new nn.DeQuantStub(),
    ),
  )
}

const fuse = [['1', '2', '3']]
const inputs = [1, 2, 3, 4].map((seed) => noise([4, 2, 6, 6], seed))

function scaled(x: Tensor, factor: number): Tensor {
  return fromStorage(
    'float32',
    x.data.map((value) => value * factor),
    x.shape,
  )
}

function run(float: nn.Module, calibration: readonly Tensor[], chosen: QConfig = qconfig): DiagnoseReport {
  const prepared = prepare(float, { qconfig: chosen })
  for (const x of calibration) prepared.forward(x)
  return diagnose(prepared, convert(prepared), inputs)
}

function layer(report: DiagnoseReport, name: string): LayerReport {
  const found = report.layers.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no layer ${name}`)
  return found
}

describe('diagnose', () => {
  test('a sound model: high SQNR everywhere, no advice, and a table that says so', () => {
    const report = run(fuseModules(net(), fuse), inputs)
    expect(report.layers.map(({ name }) => name)).toEqual(['0', '1', '4', '5', '6'])
    expect(Math.min(...report.layers.map(({ sqnrDb }) => sqnrDb))).toBeGreaterThan(30)
    expect(report.outputSqnrDb).toBeGreaterThan(30)
    expect(report.advice).toEqual([])
    expect(String(report)).toContain('nn.quantized.ConvReLU2d')
    expect(String(report)).toContain('Nothing stands out.')
  })

  test('an unfused float model is compared with the last layer of each fused group', () => {
    const float = net()
    const prepared = prepare(fuseModules(float, fuse), { qconfig })
    for (const x of inputs) prepared.forward(x)
    const quantized = convert(prepared)
    const unfused = diagnose(float, quantized, inputs)
    const fused = diagnose(prepared, quantized, inputs)
    expect(layer(unfused, '1').sqnrDb).toBeCloseTo(layer(fused, '1').sqnrDb, 3)
  })

  test('calibration on data that are too small: saturated values, and the advice to calibrate on such data', () => {
    const report = run(
      fuseModules(net(), fuse),
      inputs.map((x) => scaled(x, 0.2)),
    )
    const { saturatedHigh, saturatedLow, advice } = layer(report, '0')
    expect(saturatedHigh).toBeGreaterThan(0.2)
    expect(saturatedLow).toBeGreaterThan(0.2)
    expect(advice.join(' ')).toContain('above the range')
    expect(report.advice[0]).toMatch(/^0: /)
    expect(String(report)).toContain('- 0: ')
  })

  test('calibration with an outlier: unused range, and the advice to take a histogram', () => {
    const report = run(fuseModules(net(), fuse), [...inputs, tensor(new Array<number>(72).fill(50), [1, 2, 6, 6])])
    expect(layer(report, '0').unusedRange).toBeGreaterThan(0.9)
    expect(layer(report, '0').advice.join(' ')).toContain('HistogramObserver')
  })

  test('channels of very different size: dead ones, which per-channel activations do not exist for', () => {
    const model = fuseModules(net(), fuse)
    const conv = model.getSubmodule('1') as nn.Layer & { weight: Tensor; bias: Tensor }
    conv.weight = fromStorage(
      'float32',
      conv.weight.data.map((value, i) => (i < 18 ? value * 1e-4 : value)),
      conv.weight.shape,
    )
    conv.bias = fromStorage(
      'float32',
      conv.bias.data.map((value, c) => (c === 0 ? 0 : value)),
      [4],
    )
    const { deadChannels, channels, advice } = layer(run(model, inputs), '1')
    expect([deadChannels, channels]).toEqual([1, 4])
    expect(advice.join(' ')).toContain('1 of 4 channels')
  })

  test('a weight with one scale for unlike channels: the small ones are dead, and the advice says so', () => {
    const model = fuseModules(net(), fuse)
    const linear = model.getSubmodule('6') as nn.Layer & { weight: Tensor; bias: Tensor }
    linear.weight = tensor([1000, -1000, 900, -950, 0.4, 0.1, -0.3, 0.2, 0.3, 0.2, 0.1, 0.4], [3, 4])
    linear.bias = tensor([0, 0, 0])
    const perTensor = layer(run(model, inputs, getPerTensorQConfig()), '6')
    expect(perTensor.deadChannels).toBe(2)
    expect(perTensor.advice.join(' ')).toContain('2 of 3 channels')
  })

  test('NaN in calibration: counted at the layers that met it', () => {
    const poisoned = noise([4, 2, 6, 6], 9)
    poisoned.storage[0] = NaN
    poisoned.storage[1] = Infinity
    const report = run(fuseModules(net(), fuse), [...inputs, poisoned])
    expect(layer(report, '0').skipped).toEqual({ nan: 1, inf: 1 })
    expect(layer(report, '0').advice.join(' ')).toContain('NaN 1 times')
  })

  test('a bias far beyond its weights, which only a hand-made layer has: it is reported', () => {
    const quantized = new nn.Sequential<Tensor, Tensor>(
      new nn.quantized.Quantize(1e-4, 0),
      new nn.quantized.Linear(1, 1),
      new nn.DeQuantStub(),
    )
    const linear = quantized[1] as nn.quantized.Linear
    const float = randomise(
      new nn.Sequential<Tensor, Tensor>(new nn.QuantStub() as Layer, new nn.Linear(1, 1), new nn.DeQuantStub()),
    )
    const prepared = prepare(float, { qconfig })
    prepared.forward(tensor([0.01], [1, 1]))
    const fixed = convert(prepared)[1] as nn.quantized.Linear
    const step = Math.fround(1e-4) * (fixed.weight.scales[0] ?? NaN)
    linear.setWeightBias(fixed.weight, tensor([1.5 * 2 ** 30 * step]))
    linear.scale = 1
    linear.zeroPoint = 0
    const report = diagnose(float, quantized, tensor([0.01], [1, 1]))
    expect(layer(report, '1').clippedBias).toBe(1)
    expect(layer(report, '1').advice.join(' ')).toContain('exceeds 2^30 steps')
  })

  test('calibrates nothing and changes neither model', () => {
    const prepared = prepare(fuseModules(net(), fuse), { qconfig })
    for (const x of inputs) prepared.forward(x)
    const quantized = convert(prepared)
    const before = calibrationState(prepared)
    diagnose(
      prepared,
      quantized,
      inputs.map((x) => scaled(x, 100)),
    )
    expect(calibrationState(prepared)).toEqual(before)
    expect(Object.keys(quantized)).not.toContain('forward')
  })

  test('refuses no batch, a model without codes, and what is no model', () => {
    const float = net()
    expect(() => diagnose(float, float, [])).toThrow('at least one batch')
    expect(() => diagnose(float, float, inputs)).toThrow('converted model')
    const stranger: unknown = {}
    expect(() => diagnose(float, stranger as Layer, inputs)).toThrow('quantized must be a Module')
  })
})
