/**
 * Protects transposed convolutions as layers: their shapes, their way through prepare, convert, fuse and diagnose, scales
 * per tensor or along axis 1, and their state dicts.
 */
import { fromTensors, parseSafetensors, serializeSafetensors, toTensors } from '../../src/io/safetensors'
import * as nn from '../../src/nn'
import { convert } from '../../src/quantization/convert'
import { diagnose } from '../../src/quantization/diagnose/diagnose'
import { fuseModules } from '../../src/quantization/fuse'
import { MinMaxObserver, PerChannelMinMaxObserver, type Observer } from '../../src/quantization/observers'
import { prepare } from '../../src/quantization/prepare'
import { isQTensor } from '../../src/tensor/qtensor'
import { tensor, type Tensor } from '../../src/tensor/tensor'

const random = (shape: readonly number[], seed: number): Tensor => {
  const length = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Array.from({ length }, (_, i) => (((i + seed) * 7919) % 199) / 100 - 1),
    shape,
  )
}

function network(groups: number): nn.Sequential<Tensor, Tensor> {
  const up = new nn.ConvTranspose2d(4, 6, [3, 2], { stride: 2, padding: 1, outputPadding: 1, groups })
  up.weight = random([4, 6 / groups, 3, 2], 3)
  up.bias = random([6], 50)
  return new nn.Sequential<Tensor, Tensor>(new nn.QuantStub(), up, new nn.DeQuantStub())
}

const qconfigs: Readonly<Record<string, () => Observer>> = {
  'per tensor': () => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' }),
  'along axis 0, which becomes one scale': () =>
    new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' }),
  'along axis 1': () => new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric', chAxis: 1 }),
}
const x = random([2, 4, 3, 5], 9)

describe.each(Object.entries(qconfigs))('a network with a transposed convolution, weights %s', (name, weight) => {
  test.each([1, 2])('converts with %i groups, close to the float one', (groups) => {
    const prepared = prepare(network(groups), { qconfig: { activation: () => new MinMaxObserver(), weight } })
    const expected = prepared.forward(x)
    const quantized = convert(prepared)
    const layer = quantized.getSubmodule('1')
    expect(layer.typeName).toBe('nn.quantized.ConvTranspose2d')
    const stored = layer.state()['weight']?.value
    const kind = isQTensor(stored) ? stored.qparams.kind : 'none'
    expect(kind).toBe(name === 'along axis 1' ? 'perChannel' : 'perTensor')
    expect(quantized.forward(x).shape).toEqual([2, 6, 6, 9])
    expect(diagnose(prepared, quantized, x).outputSqnrDb).toBeGreaterThan(30)
    expect(expected.shape).toEqual([2, 6, 6, 9])
  })

  test('keeps its bytes through a state dict', () => {
    const prepared = prepare(network(2), { qconfig: { activation: () => new MinMaxObserver(), weight } })
    prepared.forward(x)
    const quantized = convert(prepared)
    const loaded = convert(prepare(network(2), { qconfig: { activation: () => new MinMaxObserver(), weight } }), {
      stateDict: fromTensors(parseSafetensors(serializeSafetensors(toTensors(quantized.stateDict()))).tensors),
    })
    expect(loaded.forward(x).data).toEqual(quantized.forward(x).data)
  })
})

test('a transposed convolution takes in the batch norm behind it, in groups too', () => {
  const up = new nn.ConvTranspose1d(4, 6, 3, { stride: 2, groups: 2 })
  up.weight = random([4, 3, 3], 3)
  up.bias = random([6], 8)
  const norm = new nn.BatchNorm1d(6)
  norm.runningMean = random([6], 70)
  norm.runningVar = tensor([1, 0.5, 2, 1, 3, 0.25])
  norm.weight = random([6], 30)
  norm.bias = random([6], 20)
  const model = new nn.Sequential<Tensor, Tensor>(up, norm)
  const fused = fuseModules(model, [['0', '1']])
  const input = random([1, 4, 5], 2)
  const [expected, got] = [model.forward(input).data, fused.forward(input).data]
  expect(Math.max(...got.map((value, i) => Math.abs(value - (expected[i] ?? NaN))))).toBeLessThan(1e-5)
  expect(() => fuseModules(new nn.Sequential(up, new nn.ReLU()), [['0', '1']])).toThrow(/cannot be fused/)
})

test('arguments that fit no transposed convolution are refused by name', () => {
  expect(() => new nn.ConvTranspose2d(4, 6, 3, { outputPadding: 1 })).toThrow(/options\.outputPadding/)
  expect(() => new nn.ConvTranspose2d(4, 5, 3, { groups: 2 })).toThrow(/outChannels/)
  expect(() => new nn.ConvTranspose2d(5, 4, 3, { groups: 2 })).toThrow(/groups/)
  const layer = new nn.ConvTranspose1d(4, 6, 3)
  expect(() => {
    layer.weight = random([6, 4, 3], 1)
  }).toThrow(/\[4, 6, 3\]/)
  expect(() => {
    layer.bias = random([4], 1)
  }).toThrow(/\[6\]/)
})
