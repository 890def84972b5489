/** Protects: prepare, calibrate, convert: who is watched, who becomes what, who stays float, and what is refused. */
import { ArgumentError, DTypeError, FormatError, NotCalibratedError } from '../../src/errors'
import * as nn from '../../src/nn'
import type { Activation, Layer } from '../../src/nn'
import {
  calibrationState,
  convert,
  getDefaultDynamicQConfig,
  getDefaultQConfig,
  getMinMaxQConfig,
  getPerTensorQConfig,
  HistogramObserver,
  loadCalibration,
  mergeCalibration,
  MinMaxObserver,
  PerChannelMinMaxObserver,
  PlaceholderObserver,
  prepare,
  quantizeDynamic,
  QuantWrapper,
  type QConfig,
} from '../../src/quantization'
import { fromTensors, toTensors } from '../../src/io/safetensors'
import { isQTensor } from '../../src/tensor/qtensor'
import { equal, isTensor, type Tensor } from '../../src/tensor/tensor'
import { noise, randomise } from '../support/nn'

const qconfig = getMinMaxQConfig()

class Skip extends nn.Module<Activation, Activation> {
  conv: Layer = new nn.Conv2d(2, 2, 1)
  skip: Layer & nn.Functional = new nn.FloatFunctional()

  override forward(x: Activation): Activation {
    return this.skip.addRelu(this.conv.forward(x), x)
  }

  override async forwardAsync(x: Activation): Promise<Activation> {
    return this.skip.addReluAsync(await this.conv.forwardAsync(x), x)
  }
}

function net(): nn.Sequential<Tensor, Tensor> {
  return randomise(
    new nn.Sequential<Tensor, Tensor>(
      new nn.QuantStub() as Layer,
      new nn.Conv2d(1, 2, 3, { padding: 1 }),
      new nn.ReLU(),
      new Skip(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(8, 3),
      new nn.DeQuantStub(),
    ),
  )
}

const inputs = [1, 2, 3].map((seed) => noise([2, 1, 4, 4], seed))

function calibrated<M extends nn.Module>(prepared: M, batches: readonly Tensor[] = inputs): M {
  for (const x of batches) prepared.forward(x)
  return prepared
}

function types(model: Layer): Record<string, string> {
  return Object.fromEntries(model.namedModules().map(([path, { typeName }]) => [path, typeName]))
}

function maxDifference(a: Tensor, b: Tensor): number {
  return Math.max(...a.data.map((value, i) => Math.abs(value - (b.data[i] ?? NaN))))
}

describe('prepare and convert', () => {
  test('turn each layer into its quantized form and leave the others', () => {
    const float = net()
    const quantized = convert(calibrated(prepare(float, { qconfig })))
    expect(types(quantized)).toEqual({
      '': 'nn.Sequential',
      '0': 'nn.quantized.Quantize',
      '1': 'nn.quantized.Conv2d',
      '2': 'nn.ReLU',
      '3': 'Skip',
      '3.conv': 'nn.quantized.Conv2d',
      '3.skip': 'nn.quantized.QFunctional',
      '4': 'nn.MaxPool2d',
      '5': 'nn.Flatten',
      '6': 'nn.quantized.Linear',
      '7': 'nn.quantized.DeQuantize',
    })
    expect(types(float)['1']).toBe('nn.Conv2d')
    for (const x of inputs) expect(maxDifference(quantized.forward(x), float.forward(x))).toBeLessThan(0.06)
  })

  test('the prepared model computes what the float one does, and is not changed by convert', () => {
    const float = net()
    const prepared = calibrated(prepare(float, { qconfig }))
    const [x] = inputs
    if (x === undefined) throw new Error('no input')
    convert(prepared)
    expect(equal(prepared.forward(x), float.forward(x))).toBe(true)
    expect(types(prepared)['6']).toBe('nn.Linear')
  })

  test('forwardAsync gives the same bytes', async () => {
    const quantized = convert(calibrated(prepare(net(), { qconfig })))
    for (const x of inputs) expect(equal(await quantized.forwardAsync(x), quantized.forward(x))).toBe(true)
  })

  test.each([
    ['getDefaultQConfig', getDefaultQConfig()],
    ['getPerTensorQConfig', getPerTensorQConfig()],
    [
      'qint8 activations',
      { ...qconfig, activation: () => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' }) },
    ],
  ] as const)('%s converts and computes about the float result', (_, chosen: QConfig) => {
    const float = net()
    const quantized = convert(calibrated(prepare(float, { qconfig: chosen })))
    for (const x of inputs) expect(maxDifference(quantized.forward(x), float.forward(x))).toBeLessThan(0.12)
  })

  test('a layer used in two places is converted once and stays one', () => {
    const shared = new nn.Linear(3, 3)
    const model = randomise(
      new nn.Sequential<Tensor, Tensor>(new nn.QuantStub() as Layer, shared, shared, new nn.DeQuantStub()),
    )
    const quantized = convert(calibrated(prepare(model, { qconfig }), [noise([4, 3])]))
    expect(quantized[1]?.typeName).toBe('nn.quantized.Linear')
    expect(quantized[2]).toBe(quantized[1])
  })

  test('sigmoid and tanh have their known parameters, hardswish and leaky ReLU those of their data', () => {
    const model = new nn.Sequential<Tensor, Tensor>(
      new nn.QuantStub(),
      new nn.Hardswish(),
      new nn.LeakyReLU(),
      new nn.Tanh(),
      new nn.Sigmoid(),
      new nn.DeQuantStub(),
    )
    const x = noise([64])
    const quantized = convert(calibrated(prepare(model, { qconfig }), [x]))
    const state = quantized.stateDict()
    expect([state.get('3.scale')?.storage[0], state.get('3.zero_point')?.storage[0]]).toEqual([2 / 256, 128])
    expect([state.get('4.scale')?.storage[0], state.get('4.zero_point')?.storage[0]]).toEqual([1 / 256, 0])
    expect(maxDifference(quantized.forward(x), model.forward(x))).toBeLessThan(0.01)
  })

  test('QuantWrapper gives a model its doors', async () => {
    const model = randomise(new QuantWrapper(new nn.Linear(3, 2)))
    const x = noise([5, 3])
    const quantized = convert(calibrated(prepare(model, { qconfig }), [x]))
    expect([...quantized.stateDict().keys()]).toContain('module.weight')
    expect(maxDifference(quantized.forward(x), model.forward(x))).toBeLessThan(0.03)
    expect(equal(await quantized.forwardAsync(x), quantized.forward(x))).toBe(true)
    const stranger: unknown = {}
    expect(() => new QuantWrapper(stranger as Layer)).toThrow(ArgumentError)
  })
})

describe('state dicts', () => {
  test('a quantized model’s tensors load into one without calibration, and give the same bytes', () => {
    const quantized = convert(calibrated(prepare(net(), { qconfig })))
    const saved = fromTensors(toTensors(quantized.stateDict()))
    const loaded = convert(prepare(net(), { qconfig }), { stateDict: saved })
    for (const x of inputs) expect(equal(loaded.forward(x), quantized.forward(x))).toBe(true)
  })

  test('a dict that does not fit is refused with all its faults', () => {
    const { stateDict } = { stateDict: new Map([...net().stateDict()]) }
    expect(() => convert(prepare(net(), { qconfig }), { stateDict })).toThrow(FormatError)
  })
})

describe('layers that stay float', () => {
  test('null by name computes in float between codes, and keeps the names in the state dict', async () => {
    const float = net()
    const mapping = { default: qconfig, byName: { '3': null, '6': null } }
    const quantized = convert(calibrated(prepare(float, { mapping })))
    expect(types(quantized)).toMatchObject({
      '1': 'nn.quantized.Conv2d',
      '3': 'quantization.FloatIsland',
      '3.conv': 'nn.Conv2d',
      '6': 'quantization.FloatIsland',
    })
    const state = quantized.stateDict()
    for (const key of ['3.conv.weight', '3.scale', '6.weight', '6.bias', '6.zero_point'])
      expect(state.has(key)).toBe(true)
    expect(isTensor(state.get('6.weight'))).toBe(true)
    expect(isQTensor(state.get('1.weight'))).toBe(true)
    for (const x of inputs) {
      expect(maxDifference(quantized.forward(x), float.forward(x))).toBeLessThan(0.06)
      expect(equal(await quantized.forwardAsync(x), quantized.forward(x))).toBe(true)
    }
    const loaded = convert(prepare(net(), { mapping }), { stateDict: state })
    for (const x of inputs) expect(equal(loaded.forward(x), quantized.forward(x))).toBe(true)
  })

  test('null by class and a QConfig by name: the name decides', () => {
    const mapping = { default: qconfig, byType: { 'nn.Conv2d': null }, byName: { '3': qconfig } }
    const quantized = convert(calibrated(prepare(net(), { mapping })))
    expect(types(quantized)).toMatchObject({ '1': 'quantization.FloatIsland', '3.conv': 'nn.quantized.Conv2d' })
  })

  test('the qconfig field of a module decides for it and what is below it', () => {
    const model = net()
    model.qconfig = qconfig
    model.getSubmodule('3').qconfig = null
    const quantized = convert(calibrated(prepare(model)))
    expect(types(quantized)).toMatchObject({ '1': 'nn.quantized.Conv2d', '3': 'quantization.FloatIsland' })
  })

  test('a FloatFunctional may stay float alone', async () => {
    const mapping = { default: qconfig, byName: { '3.skip': null } }
    const float = net()
    const quantized = convert(calibrated(prepare(float, { mapping })))
    for (const x of inputs) {
      expect(maxDifference(quantized.forward(x), float.forward(x))).toBeLessThan(0.06)
      expect(equal(await quantized.forwardAsync(x), quantized.forward(x))).toBe(true)
    }
  })

  test('every method of a FloatFunctional that stays float works on codes and on floats', async () => {
    const { island, a, b, float } = functionalIsland()
    for (const [x, y] of [
      [a, b],
      [a.dequantize(), b.dequantize()],
    ] as const) {
      const pairs: [Activation, Activation][] = [
        [island.add<Activation>(x, y), await island.addAsync<Activation>(x, y)],
        [island.addRelu<Activation>(x, y), await island.addReluAsync<Activation>(x, y)],
        [island.mul<Activation>(x, y), await island.mulAsync<Activation>(x, y)],
        [island.cat<Activation>([x, y]), await island.catAsync<Activation>([x, y])],
        [island.addScalar<Activation>(x, 2), await island.addScalarAsync<Activation>(x, 2)],
        [island.mulScalar<Activation>(x, 2), await island.mulScalarAsync<Activation>(x, 2)],
      ]
      const floats = [a.dequantize(), b.dequantize()] as const
      const expected = [
        float.add(...floats),
        float.addRelu(...floats),
        float.mul(...floats),
        float.cat(floats),
        float.addScalar(floats[0], 2),
        float.mulScalar(floats[0], 2),
      ]
      for (const [i, [sync, async]] of pairs.entries()) {
        expect(isQTensor(sync)).toBe(isQTensor(x))
        expect(equal(real(sync), real(async))).toBe(true)
        expect(maxDifference(real(sync), expected[i] ?? real(sync))).toBeLessThan(0.05)
      }
    }
  })

  test('layers that compute on codes anyway need no island', () => {
    const mapping = { default: qconfig, byName: { '2': null, '4': null, '5': null } }
    expect(types(prepare(net(), { mapping }))).toMatchObject({ '2': 'nn.ReLU', '4': 'nn.MaxPool2d', '5': 'nn.Flatten' })
  })

  test('a softmax computes on codes, with the parameters of its range', () => {
    const model = randomise(
      new nn.Sequential<Tensor, Tensor>(
        new nn.QuantStub() as Layer,
        new nn.Linear(3, 3),
        new nn.Softmax(1),
        new nn.DeQuantStub(),
      ),
    )
    const x = noise([4, 3])
    const quantized = convert(calibrated(prepare(model, { qconfig }), [x]))
    expect(quantized[2]).toMatchObject({ typeName: 'nn.quantized.Softmax', dim: 1, scale: 1 / 256, zeroPoint: 0 })
    expect(maxDifference(quantized.forward(x), model.forward(x))).toBeLessThan(0.02)
  })

  test('a layer without a quantized form stays float by itself', () => {
    const model = randomise(
      new nn.Sequential<Tensor, Tensor>(
        new nn.QuantStub() as Layer,
        new nn.Linear(3, 3),
        new nn.BatchNorm1d(3),
        new nn.DeQuantStub(),
      ),
    )
    const x = noise([4, 3])
    const quantized = convert(calibrated(prepare(model, { qconfig }), [x]))
    expect(quantized[2]?.typeName).toBe('quantization.FloatIsland')
    expect(maxDifference(quantized.forward(x), model.forward(x))).toBeLessThan(0.01)
  })
})

function real(y: Activation): Tensor {
  return isQTensor(y) ? y.dequantize() : y
}

/** A FloatFunctional that has been left float, and operands for it. */
function functionalIsland() {
  class Sum extends nn.Module<Tensor, Activation> {
    quant: Layer = new nn.QuantStub()
    sum: Layer & nn.Functional = new nn.FloatFunctional()

    override forward(x: Tensor): Activation {
      const y = this.quant.forward(x)
      return this.sum.cat([this.sum.add(y, y), y])
    }
  }
  const prepared = prepare(new Sum(), { mapping: { default: qconfig, byName: { sum: null } } })
  const x = noise([1, 8], 3)
  prepared.forward(x)
  const quantized = convert(prepared)
  const quantize = (seed: number) => {
    const q = quantized.quant.forward(noise([1, 8], seed))
    if (!isQTensor(q)) throw new Error('not codes')
    return q
  }
  return { island: quantized.sum, a: quantize(3), b: quantize(3), float: new nn.FloatFunctional() }
}

describe('what is refused', () => {
  test('converting a model that saw no data names every layer', () => {
    const call = (): unknown => convert(prepare(net(), { qconfig }))
    expect(call).toThrow(NotCalibratedError)
    expect(call).toThrow("'0', '1', '3.conv', '6'")
    expect(call).toThrow('has seen no data')
  })

  test('converting a model of which a part did not run names that part', () => {
    const model = randomise(
      new nn.Sequential<Tensor, Tensor>(new nn.QuantStub() as Layer, new nn.Linear(3, 3), new nn.DeQuantStub()),
    )
    const prepared = prepare(model, { qconfig })
    prepared[0]?.forward(noise([1, 3]))
    expect(() => convert(prepared)).toThrow("the observers of '1' have seen no data")
  })

  test('preparing twice, without a QConfig, and converting what is not prepared', () => {
    expect(() => prepare(prepare(net(), { qconfig }), { qconfig })).toThrow('has one already')
    expect(() => prepare(net())).toThrow('no layer of this model has a QConfig')
    expect(() => prepare(new nn.ReLU(), { qconfig })).toThrow('nothing to quantize')
    expect(() => convert(net())).toThrow('without any')
    const leaf = prepare(randomise(new nn.Linear(2, 2)), { qconfig })
    leaf.forward(noise([1, 2]))
    expect(() => convert(leaf)).toThrow('fromFloat')
    expect(nn.quantized.Linear.fromFloat(leaf).typeName).toBe('nn.quantized.Linear')
  })

  test('names and classes that the model does not have', () => {
    expect(() => prepare(net(), { mapping: { default: qconfig, byName: { '3.conw': null } } })).toThrow('3.conw')
    expect(() => prepare(net(), { mapping: { default: qconfig, byType: { 'nn.conv2d': null } } })).toThrow('nn.Conv2d')
    const unknown: object = { qconfig, qconfigs: qconfig }
    expect(() => prepare(net(), unknown)).toThrow('qconfigs')
    expect(() => prepare(net(), { qconfig, mapping: {} })).toThrow('either')
  })

  test('an observer instance or class in a QConfig, with the right call', () => {
    const wrong = (activation: unknown): (() => unknown) => {
      const made: unknown = { ...qconfig, activation }
      return () => prepare(net(), { qconfig: made as QConfig })
    }
    expect(wrong(new HistogramObserver())).toThrow('activation: () => new HistogramObserver({ … })')
    expect(wrong(MinMaxObserver)).toThrow('activation: () => new MinMaxObserver({ … })')
    expect(wrong(() => 3)).toThrow('an observer')
    expect(wrong(() => new PerChannelMinMaxObserver())).toThrow('one scale')
    expect(wrong(() => new PlaceholderObserver())).toThrow('quantizeDynamic')
    const uncalled: unknown = getDefaultQConfig
    expect(() => prepare(net(), { qconfig: uncalled as QConfig })).toThrow('getDefaultQConfig()')
  })

  test('a float tensor handed to a quantized layer, whose hint names the QuantStub', () => {
    const model = randomise(new nn.Sequential(new nn.Linear(2, 2)))
    const prepared = prepare(model, { qconfig })
    prepared.forward(noise([1, 2]))
    const quantized = convert(prepared)
    expect(() => quantized.forward(noise([1, 2]))).toThrow(DTypeError)
    expect(() => quantized.forward(noise([1, 2]))).toThrow('QuantStub')
  })
})

describe('dynamic quantization', () => {
  test('replaces linear layers, wants no calibration, and computes about the float result', () => {
    const model = randomise(new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 8), new nn.ReLU(), new nn.Linear(8, 3)))
    const x = noise([5, 6])
    const quantized = quantizeDynamic(model)
    expect(types(quantized)).toMatchObject({ '0': 'nn.quantized.dynamic.Linear', '2': 'nn.quantized.dynamic.Linear' })
    expect(maxDifference(quantized.forward(x), model.forward(x))).toBeLessThan(0.03)
    const weight = quantized.stateDict().get('0.weight')
    expect(isQTensor(weight) && weight.qscheme).toBe('perTensorAffine')
  })

  test('takes other weight observers, and leaves layers whose qconfig is null', () => {
    const model = randomise(new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 8), new nn.Linear(8, 3)))
    const [first] = model
    if (first === undefined) throw new Error('no layer')
    first.qconfig = null
    const quantized = quantizeDynamic(model, {
      types: ['nn.Linear'],
      qconfig: { ...getDefaultDynamicQConfig(), weight: getDefaultQConfig().weight },
    })
    expect(quantized[0]?.typeName).toBe('nn.Linear')
    const weight = quantized.stateDict().get('1.weight')
    expect(isQTensor(weight) && weight.qscheme).toBe('perChannelAffine')
  })

  test('refuses a class that has no dynamic form and a model without such layers', () => {
    expect(() => quantizeDynamic(net(), { types: ['nn.Conv2d'] })).toThrow('nn.Linear')
    expect(() => quantizeDynamic(new nn.Sequential(new nn.ReLU()))).toThrow('without any')
  })
})

describe('calibration over several workers', () => {
  test('two halves, saved, loaded and merged, give the parameters of the whole', () => {
    const whole = calibrated(prepare(net(), { qconfig }))
    const first = calibrated(prepare(net(), { qconfig }), inputs.slice(0, 1))
    const second = prepare(net(), { qconfig })
    loadCalibration(second, calibrationState(calibrated(prepare(net(), { qconfig }), inputs.slice(1))))
    mergeCalibration(first, second)
    expect(calibrationState(first)).toEqual(calibrationState(whole))
    expect([...calibrationState(first).keys()]).toContain('3.conv.activation_post_process.min_val')
  })

  test('merging refuses observers that cannot, other models, and models without observers', () => {
    const histograms = (): nn.Sequential<Tensor, Tensor> => calibrated(prepare(net(), { qconfig: getDefaultQConfig() }))
    expect(() => {
      mergeCalibration(histograms(), histograms())
    }).toThrow('PowerOfTwoHistogramObserver')
    expect(() => {
      mergeCalibration(prepare(net(), { qconfig }), prepare(new QuantWrapper(net()), { qconfig }))
    }).toThrow('only one of the two')
    expect(() => calibrationState(net())).toThrow('without any')
    expect(() => {
      loadCalibration(prepare(net(), { qconfig }), new Map([['9.scale', noise([1])]]))
    }).toThrow('9.scale')
  })
})
