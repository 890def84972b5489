/**
 * Protects conversion against PyTorch's own: weights, scales and codes of single modules made by fromFloat, and whole nets
 * that were fused, calibrated and converted, each from the same float weights and data.
 */
import { ArgumentError, DTypeError, NotCalibratedError } from '../../src/errors'
import * as nn from '../../src/nn'
import type { Activation, Layer, StateDict } from '../../src/nn'
import { convert } from '../../src/quantization/convert'
import { quantizeDynamic } from '../../src/quantization/dynamic'
import { fuseModules } from '../../src/quantization/fuse'
import { HistogramObserver, MinMaxObserver, PerChannelMinMaxObserver } from '../../src/quantization/observers'
import { prepare } from '../../src/quantization/prepare'
import type { QConfig } from '../../src/quantization/qconfig'
import { isQTensor } from '../../src/tensor/qtensor'
import { isTensor, tensor, zeros, type Tensor } from '../../src/tensor/tensor'
import * as F from '../../src/ops/float'
import { closeness, difference, expectClose, expectQuantized, expectRefusal } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, toQTensor, Values, type GoldenCase, type Value } from '../support/goldens'

const channelWeights = (): PerChannelMinMaxObserver =>
  new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' })
const tensorWeights = (): MinMaxObserver => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })
const half = (): MinMaxObserver => new MinMaxObserver({ quantMin: 0, quantMax: 127 })

/** PyTorch 1.13's QConfigs by the names that the goldens give them. */
const qconfigs: Readonly<Record<string, QConfig>> = {
  default: { activation: half, weight: tensorWeights },
  per_channel: { activation: half, weight: channelWeights },
  'minmax full range': { activation: () => new MinMaxObserver(), weight: channelWeights },
  fbgemm: { activation: () => new HistogramObserver({ reduceRange: true }), weight: channelWeights },
  qnnpack: { activation: () => new HistogramObserver(), weight: tensorWeights },
  onednn: { activation: () => new HistogramObserver(), weight: channelWeights },
}

/** Float values of a golden's state dict, under other names. */
function floatDict(values: Values, rename: (key: string) => string = (key) => key): StateDict {
  return new Map(Object.keys(values.map).map((key) => [rename(key), values.plain(key)]))
}

/** A quantized state dict of PyTorch; linear layers keep weight and bias together in theirs. */
function quantizedDict(values: Values): StateDict {
  const dict: StateDict = new Map()
  const put = (key: string, value: Value | undefined): void => {
    if (isTensor(value)) dict.set(key, value)
    else if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'quantized')
      dict.set(key, toQTensor(value as Parameters<typeof toQTensor>[0]))
  }
  for (const [key, value] of Object.entries(values.map)) {
    if (!key.includes('_packed_params')) put(key, value)
    if (!key.endsWith('._packed_params._packed_params')) continue
    const [weight, bias] = values.list(key)
    const layer = key.replace('_packed_params._packed_params', '')
    put(`${layer}weight`, weight)
    put(`${layer}bias`, bias)
  }
  return dict
}

/** The layers that the goldens convert one by one. */
const layers: Readonly<Record<string, () => Layer>> = {
  Conv1d: () => new nn.Conv1d(3, 5, 3, { padding: 1 }),
  Conv2d: () => new nn.Conv2d(3, 5, 3),
  'Conv2d per tensor': () => new nn.Conv2d(3, 5, 3),
  'Conv2d no bias': () => new nn.Conv2d(3, 5, 3, { bias: false }),
  'Conv2d stride padding dilation groups': () =>
    new nn.Conv2d(3, 6, [3, 2], { stride: [1, 2], padding: [2, 1], dilation: [2, 1], groups: 3 }),
  Conv3d: () => new nn.Conv3d(2, 3, 2, { padding: 1 }),
  Linear: () => new nn.Linear(9, 4),
  'Linear per tensor': () => new nn.Linear(9, 4),
  'Linear no bias': () => new nn.Linear(9, 4, { bias: false }),
  ConvReLU1d: () => new nn.intrinsic.ConvReLU1d(3, 5, 3, { padding: 1 }),
  ConvReLU2d: () => new nn.intrinsic.ConvReLU2d(3, 5, 3, { padding: 1 }),
  ConvReLU3d: () => new nn.intrinsic.ConvReLU3d(2, 3, 2),
  LinearReLU: () => new nn.intrinsic.LinearReLU(9, 4),
  BatchNorm2d: () => new nn.BatchNorm2d(3),
  BatchNorm3d: () => new nn.BatchNorm3d(2),
  BNReLU2d: () => new nn.intrinsic.BNReLU2d(3),
  Hardswish: () => new nn.Hardswish(),
  LeakyReLU: () => new nn.LeakyReLU({ negativeSlope: 0.1 }),
  ReLU: () => new nn.ReLU(),
  ReLU6: () => new nn.ReLU6(),
  Sigmoid: () => new nn.Sigmoid(),
  Tanh: () => new nn.Tanh(),
  Dropout: () => new nn.Dropout(),
  MaxPool2d: () => new nn.MaxPool2d(2),
  AvgPool2d: () => new nn.AvgPool2d(2),
  Identity: () => new nn.Identity(),
}

/** Scales that follow from float sums may differ in their last bit. */
function expectScale(actual: number | undefined, expected: number): void {
  expect(Math.abs((actual ?? NaN) / expected - 1)).toBeLessThan(2e-6)
}

function fromFloat(golden: GoldenCase): void {
  const { id, inputs } = golden
  const outputs = outputsOf(golden)
  const layer = layers[id]
  if (layer === undefined) throw new Error(`no layer ${id}`)
  const net = new nn.Sequential<Tensor, Tensor>(new nn.QuantStub(), layer(), new nn.DeQuantStub())
  net.loadStateDict(floatDict(outputs.values('float_state_dict'), (key) => `1.${key.replace(/^0\./, '')}`))
  const x = inputs.tensor('x')
  expectClose(net.forward(x), outputs.tensor('float_y'), { abs: 1e-5, rel: 1e-5 })
  const prepared = prepare(net, {
    qconfig: {
      activation: () => new MinMaxObserver(),
      weight: id.includes('per tensor') ? tensorWeights : channelWeights,
    },
  })
  prepared.forward(x)
  const converted = convert(prepared)
  const qx = converted.getSubmodule('0').forward(x)
  if (!isQTensor(qx)) throw new Error('the stub did not quantize')
  expectQuantized(qx, outputs.codes('qx'))
  const module = converted.getSubmodule('1')
  const qy = module.forward(qx)
  if (!isQTensor(qy)) throw new Error('the module did not quantize')
  const expected = outputs.codes('qy')
  if ('scales' in expected.params) throw new Error('an output per channel')
  expectScale(qy.scale, expected.params.scale)
  expectQuantized(qy, { ...expected, params: { scale: qy.scale, zeroPoint: expected.params.zeroPoint } }, 1)
  const dict = quantizedDict(outputs.values('state_dict'))
  const own = module.stateDict()
  for (const key of ['weight', 'bias']) {
    const [ours, theirs] = [own.get(key), dict.get(key)]
    if (!isQTensor(theirs) || !isQTensor(ours)) continue
    expect(ours.qparams).toEqual(theirs.qparams)
    expect(difference(ours.storage, theirs.storage)).toMatchObject({ count: 0 })
  }
}

/** What `fuse_modules` made of a layer and its batch norm. */
function fuse(golden: GoldenCase): void {
  const { id, params } = golden
  if (golden.main.error !== undefined) {
    const [first, second] = [new nn.ReLU(), new nn.Conv2d(3, 4, 3)]
    const groups = id.includes('one module') ? [['1']] : [['0', '1']]
    expectRefusal(() => fuseModules(new nn.Sequential(first, second), groups))
    return
  }
  const outputs = outputsOf(golden)
  const dict = floatDict(outputs.values('float_state_dict'))
  const [out = 0, inputs = 0, ...kernel] = dict.get('0.weight')?.shape ?? []
  const options = { eps: params.optionalNumber('eps') ?? 1e-5, affine: dict.has('1.weight') }
  const bias = dict.has('0.bias')
  const model =
    kernel.length === 0
      ? new nn.Sequential(new nn.Linear(inputs, out, { bias }), new nn.BatchNorm1d(out, options), new nn.ReLU())
      : new nn.Sequential(new nn.Conv2d(inputs, out, kernel, { bias }), new nn.BatchNorm2d(out, options), new nn.ReLU())
  model.loadStateDict(dict)
  const fused = fuseModules(model, [id.includes('relu') ? ['0', '1', '2'] : ['0', '1']])
  const own = fused.stateDict()
  for (const key of ['weight', 'bias']) {
    const ours = own.get(`0.${key}`)
    if (!isTensor(ours)) throw new Error(`no ${key}`)
    expectClose(ours as Tensor, outputs.tensor(key), closeness(golden))
  }
  const types = outputs.has('types') ? outputs.list('types') : [outputs.map['type'] ?? 'Linear', 'Identity']
  const names = types.map((_, i) => fused.getSubmodule(String(i)).typeName.split('.').at(-1))
  expect(names).toEqual(types)
}

class Residual extends nn.Module {
  quant: Layer = new nn.QuantStub()
  dequant: nn.Module<Activation> = new nn.DeQuantStub()
  conv1: Layer = new nn.Conv2d(3, 4, 3, { padding: 1, bias: false })
  bn1: Layer = new nn.BatchNorm2d(4)
  relu1: Layer = new nn.ReLU()
  conv2: Layer = new nn.Conv2d(4, 4, 3, { padding: 1 })
  bn2: Layer = new nn.BatchNorm2d(4)
  skip: Layer = new nn.Conv2d(3, 4, 1)
  add: nn.Functional & Layer = new nn.FloatFunctional()
  cat: nn.Functional & Layer = new nn.FloatFunctional()
  pool: Layer = new nn.AvgPool2d(2)
  flatten: Layer = new nn.Flatten()
  fc: Layer = new nn.Linear(72, 5)

  override forward(x: Tensor): Tensor {
    const q = this.quant.forward(x)
    const y = this.bn2.forward(this.conv2.forward(this.relu1.forward(this.bn1.forward(this.conv1.forward(q)))))
    const sum = this.add.addRelu(y, this.skip.forward(q))
    const both = this.cat.cat([sum, this.skip.forward(q)], 1)
    return this.dequant.forward(this.fc.forward(this.flatten.forward(this.pool.forward(both))))
  }
}

function sequential(): nn.Sequential<Tensor, Tensor> {
  return new nn.Sequential<Tensor, Tensor>(
    new nn.QuantStub(),
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 6, 3),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(24, 5),
    new nn.ReLU(),
    new nn.Linear(5, 3),
    new nn.DeQuantStub(),
  )
}

/** Largest difference of two logits, in steps of the last layer. */
function stepsApart(actual: Tensor, expected: Tensor, scale: number): number {
  return difference(actual.data, expected.data).max / scale
}

/**
 * Fuses, calibrates and converts a net as PyTorch did. Observers of ranges must arrive at PyTorch's parameters; those of
 * histograms need not, since 1.13 truncates their bounds. Then PyTorch's converted state dict is loaded: the sequential net
 * must give qnnpack's results exactly, the one with an addition within two steps of its output, as far as PyTorch's own
 * engines are apart.
 */
function workflow(golden: GoldenCase): void {
  const { inputs, params } = golden
  const outputs = outputsOf(golden, 'qnnpack')
  const qconfig = qconfigs[params.text('qconfig')]
  if (qconfig === undefined) throw new Error('no such QConfig')
  const net: nn.Module = golden.id.includes('residual') ? new Residual() : sequential()
  net.loadStateDict(floatDict(outputs.values('float_state_dict')))
  const batches = inputs.list('calibration').filter((batch) => isTensor(batch)) as Tensor[]
  const [x = zeros([])] = batches
  expectClose(net.forward(x), outputs.tensor('float_y'), { abs: 1e-5, rel: 1e-5 })
  const fused = fuseModules(net, params.list('fuse') as readonly (readonly string[])[])
  expectClose(fused.forward(x), outputs.tensor('fused_y'), { abs: 1e-5, rel: 1e-5 })
  const prepared = prepare(fused, { qconfig })
  for (const batch of batches) prepared.forward(batch)
  if (qconfig.activation() instanceof MinMaxObserver) checkObservers(prepared, outputs.values('observers'))
  const converted = convert(prepared)
  expect(stepsApart(converted.forward(x), outputs.tensor('float_y'), outputScale(converted))).toBeLessThan(12)
  converted.loadStateDict(quantizedDict(outputs.values('state_dict')))
  expect(stepsApart(converted.forward(x), outputs.tensor('y'), outputScale(converted))).toBeLessThan(
    golden.id.includes('residual') ? 2.01 : 0.01,
  )
}

/** Scale of the last quantized layer. */
function outputScale(net: nn.Module): number {
  const scale = [...net.stateDict()].filter(([key]) => key.endsWith('.scale')).at(-1)?.[1]
  return isTensor(scale) ? Number(scale.item()) : NaN
}

function checkObservers(prepared: nn.Module, expected: Values): void {
  for (const key of Object.keys(expected.map)) {
    const observer = expected.values(key)
    const module = prepared.getSubmodule(key.replace(/\.activation_post_process$/, ''))
    if (!nn.isObservable(module)) throw new Error(`${key} does not observe`)
    const qparams = module.activationPostProcess?.calculateQParams()
    if (qparams?.kind !== 'perTensor') throw new Error(`${key} observes channels`)
    expectScale(qparams.scale, Number(observer.plain('scale').item()))
    expect(qparams.zeroPoint).toBe(Number(observer.plain('zero_point').item()))
  }
}

function mistakes(golden: GoldenCase): void {
  const conv = new nn.Conv2d(1, 1, 1)
  conv.weight = tensor([1], [1, 1, 1, 1])
  conv.bias = tensor([0])
  const qconfig = qconfigs['default']
  if (qconfig === undefined) throw new Error('no such QConfig')
  const prepared = prepare(new nn.Sequential(new nn.QuantStub(), conv, new nn.DeQuantStub()), { qconfig })
  if (golden.id.startsWith('convert without calibration')) {
    expect(() => convert(prepared)).toThrow(NotCalibratedError)
    return
  }
  prepared.forward(tensor([1], [1, 1, 1, 1]))
  const layer = convert(prepared).getSubmodule('1')
  expect(() => layer.forward(tensor([1], [1, 1, 1, 1]))).toThrow(DTypeError)
}

class Arithmetic extends nn.Module {
  q: Layer = new nn.QuantStub()
  q2: Layer = new nn.QuantStub()
  f: nn.Functional & Layer = new nn.FloatFunctional()
  d: nn.Module<Activation> = new nn.DeQuantStub()
  op = 'add'

  override forward(a: Tensor, ...more: Tensor[]): Tensor {
    const [x, y] = [this.q.forward(a), this.q2.forward(more[0] ?? a)]
    switch (this.op) {
      case 'add':
        return this.d.forward(this.f.add(x, y))
      case 'mul':
        return this.d.forward(this.f.mul(x, y))
      case 'add_relu':
        return this.d.forward(this.f.addRelu(x, y))
      case 'cat':
        return this.d.forward(this.f.cat([x, y], 1))
      case 'add_scalar':
        return this.d.forward(this.f.addScalar(x, 1.7))
      case 'mul_scalar':
        return this.d.forward(this.f.mulScalar(x, 1.7))
      default:
        throw new ArgumentError({ op: 'test', message: `no op ${this.op}` })
    }
  }
}

function functional(golden: GoldenCase): void {
  const { inputs, params } = golden
  const outputs = outputsOf(golden)
  const [a, b] = [inputs.tensor('a'), inputs.tensor('b')]
  const net = new Arithmetic()
  net.op = params.text('op')
  expectClose(net.forward(a, b), outputs.tensor('float_y'), { abs: 1e-6, rel: 1e-6 })
  const qconfig = qconfigs['minmax full range']
  const prepared = prepare(net, qconfig === undefined ? {} : { qconfig })
  for (const factor of params.numbers('calibration_factors'))
    prepared.forward(F.mul(a, tensor(factor)), F.mul(b, tensor(factor)))
  // Sums and products with a number need no observer, so ours has seen nothing: PyTorch converts it to scale 1.
  const scalar = net.op.endsWith('scalar')
  const converted = convert(prepared)
  const dict = converted.stateDict()
  const read = (key: string): number => {
    const value = dict.get(key)
    return isTensor(value) ? Number(value.item()) : NaN
  }
  expectScale(read('q.scale'), outputs.number('q_scale'))
  expect(read('q.zero_point')).toBe(outputs.number('q_zero_point'))
  if (!scalar) {
    expectScale(read('f.scale'), outputs.number('scale'))
    expect(read('f.zero_point')).toBe(outputs.number('zero_point'))
  }
  const step = scalar ? 1.7 * outputs.number('q_scale') : outputs.number('scale')
  expect(stepsApart(converted.forward(a, b), outputs.tensor('y'), step)).toBeLessThan(1.01)
}

/** Modules of PyTorch ask for 7 bits; qnnpack ignores it, as the modules here do by default. */
function dynamic(golden: GoldenCase): void {
  const outputs = outputsOf(golden, 'qnnpack')
  const dict = floatDict(outputs.values('float_state_dict'))
  const net = dict.has('2.weight')
    ? new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 8), new nn.ReLU(), new nn.Linear(8, 3))
    : new nn.Sequential<Tensor, Tensor>(new nn.Linear(6, 4))
  net.loadStateDict(dict)
  const [x] = golden.inputs.list('args')
  if (!isTensor(x) || x.dtype !== 'float32') throw new Error('no input')
  expectClose(net.forward(x as Tensor), outputs.tensor('float_y'), { abs: 1e-5, rel: 1e-5 })
  expectClose(quantizeDynamic(net).forward(x as Tensor), outputs.tensor('y'), closeness(golden))
}

goldenSuite({
  family: 'modules',
  checks: {
    from_float: fromFloat,
    fuse_modules: fuse,
    workflow: (golden) => {
      ;(golden.params.has('qconfig') ? workflow : mistakes)(golden)
    },
    QFunctional: functional,
    quantize_dynamic: dynamic,
  },
  listed: [
    { ids: /padding_mode/, reason: 'padding is with zeros only, so far' },
    {
      ops: ['from_float'],
      ids: ['Conv2d padding same'],
      reason: "refused by PyTorch; here a quantized convolution takes 'same' as the float one does",
    },
    { ids: /^ConvTranspose|conv_transpose/, reason: 'transposed convolution is not in this library yet' },
    {
      ops: ['from_float'],
      ids: ['LayerNorm', 'GroupNorm', 'InstanceNorm2d', 'ELU', 'PReLU', 'Hardsigmoid'],
      reason: 'this layer is not in this library yet',
    },
    {
      ops: ['from_float'],
      ids: ['Softmax'],
      reason: 'refused by PyTorch; softmax on codes is not in this library yet either, conversion leaves it float',
    },
    {
      ops: ['construct'],
      reason:
        "a fresh layer of PyTorch has scale 1 and zero point 0; here it has none until it is given (nn's own tests)",
    },
    {
      ids: ['fuse_modules in training mode: fuse_modules refuses, fuse_modules_qat keeps bn'],
      reason: 'this library infers: modules have no training mode',
    },
    {
      ids: ['refused: the + operator on quantized tensors (FloatFunctional needed)'],
      reason: 'JavaScript has no operators on objects',
    },
    { ids: /LSTM|GRU|RNN/, reason: 'recurrent layers are not in this library yet' },
    { ids: /^Embedding/, reason: 'embeddings are not in this library yet' },
  ],
  counts: { run: 53, listed: 42 },
})
