/** Modules one by one: made from float by fromFloat, and fused. */
import * as nn from '../../../src/nn'
import type { Layer } from '../../../src/nn'
import { convert } from '../../../src/quantization/convert'
import { fuseModules } from '../../../src/quantization/fuse'
import { MinMaxObserver } from '../../../src/quantization/observers'
import { prepare } from '../../../src/quantization/prepare'
import { isQTensor } from '../../../src/tensor/qtensor'
import { isTensor, type Tensor } from '../../../src/tensor/tensor'
import { closeness, expectClose, expectQuantized, expectRefusal } from '../../support/compare'
import { outputsOf, type GoldenCase } from '../../support/goldens'
import { channelWeights, expectScale, expectState, floatDict, quantizedDict, tensorWeights } from './shared'

/** The layers that the goldens convert one by one. */
const layers: Readonly<Record<string, () => Layer>> = {
  Conv1d: () => new nn.Conv1d(3, 5, 3, { padding: 1 }),
  Conv2d: () => new nn.Conv2d(3, 5, 3),
  'Conv2d per tensor': () => new nn.Conv2d(3, 5, 3),
  'Conv2d no bias': () => new nn.Conv2d(3, 5, 3, { bias: false }),
  'Conv2d stride padding dilation groups': () =>
    new nn.Conv2d(3, 6, [3, 2], { stride: [1, 2], padding: [2, 1], dilation: [2, 1], groups: 3 }),
  Conv3d: () => new nn.Conv3d(2, 3, 2, { padding: 1 }),
  'ConvTranspose1d per tensor': () => new nn.ConvTranspose1d(3, 5, 3, { stride: 2 }),
  'ConvTranspose2d per tensor': () => new nn.ConvTranspose2d(3, 5, 3, { stride: 2 }),
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

export function fromFloat(golden: GoldenCase): void {
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
  expectState(module.stateDict(), quantizedDict(outputs.values('state_dict')), () => true)
}

/** What `fuse_modules` made of a layer and its batch norm. */
export function fuse(golden: GoldenCase): void {
  const { id, params } = golden
  if (golden.main.error !== undefined) {
    const [first, second] = [new nn.ReLU(), new nn.Conv2d(3, 4, 3)]
    const groups = id.includes('one module') ? [['1']] : [['0', '1']]
    expectRefusal(() => fuseModules(new nn.Sequential(first, second), groups))
    return
  }
  const outputs = outputsOf(golden)
  const dict = floatDict(outputs.values('float_state_dict'))
  const transposed = id.includes('conv_transpose')
  const [first = 0, second = 0, ...kernel] = dict.get('0.weight')?.shape ?? []
  const [out, inputs] = transposed ? [second, first] : [first, second]
  const options = { eps: params.optionalNumber('eps') ?? 1e-5, affine: dict.has('1.weight') }
  const bias = dict.has('0.bias')
  const Conv = transposed ? nn.ConvTranspose2d : nn.Conv2d
  const model =
    kernel.length === 0
      ? new nn.Sequential(new nn.Linear(inputs, out, { bias }), new nn.BatchNorm1d(out, options), new nn.ReLU())
      : new nn.Sequential(new Conv(inputs, out, kernel, { bias }), new nn.BatchNorm2d(out, options), new nn.ReLU())
  model.loadStateDict(dict)
  const fused = fuseModules(model, [id.includes('relu') ? ['0', '1', '2'] : ['0', '1']])
  const own = fused.stateDict()
  for (const key of ['weight', 'bias']) {
    const ours = own.get(`0.${key}`)
    if (!isTensor(ours)) throw new Error(`no ${key}`)
    expectClose(ours as Tensor, outputs.tensor(key), closeness(golden))
  }
  const types = outputs.has('types')
    ? outputs.list('types')
    : [outputs.map['type'] ?? (transposed ? 'ConvTranspose2d' : 'Linear'), 'Identity']
  const names = types.map((_, i) => fused.getSubmodule(String(i)).typeName.split('.').at(-1))
  expect(names).toEqual(types)
}
