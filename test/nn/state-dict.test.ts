/** Protects state dicts: PyTorch's names, whole or not at all, everything wrong said at once. */
import { FormatError, Int8Error } from '../../src/errors'
import * as nn from '../../src/nn'
import type { StateDict } from '../../src/nn'
import { fromIntRepr } from '../../src/tensor/qtensor'
import { equal, tensor, zeros, type Tensor } from '../../src/tensor/tensor'
import { FashionMobileNet, MnistCNN } from '../support/networks'
import { noise, randomise } from '../support/nn'

const block = (): nn.Sequential => new nn.Sequential(new nn.Conv2d(2, 3, 1, { bias: false }), new nn.BatchNorm2d(3))

function loadError(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof Int8Error) return error.message
    throw error
  }
  return 'no error'
}

test('a state dict has PyTorch’s names, in the order of the modules', () => {
  expect([...randomise(block()).stateDict().keys()]).toEqual([
    '0.weight',
    '1.weight',
    '1.bias',
    '1.running_mean',
    '1.running_var',
  ])
})

test('a state dict shares the tensors and goes back into a new model', () => {
  const model = randomise(block())
  const dict = model.stateDict()
  const other = block()
  expect(other.loadStateDict(dict)).toEqual({ missing: [], unexpected: [] })
  expect((other[0] as nn.Conv2d).weight).toBe((model[0] as nn.Conv2d).weight)
  const x = noise([1, 2, 3, 3])
  expect(equal(other.forward(x) as Tensor, model.forward(x) as Tensor)).toBe(true)
})

test.each([
  ['MnistCNN', (): nn.Module => new MnistCNN(), 32],
  ['FashionMobileNet', (): nn.Module => new FashionMobileNet(), 112],
])('%s has all the tensors of its PyTorch class and takes them back', (_, make, count) => {
  const dict = randomise(make()).stateDict()
  expect(dict.size).toBe(count)
  expect(make().loadStateDict(dict).missing).toEqual([])
})

test('parameters and buffers are told apart', () => {
  const model = randomise(block())
  expect(model.namedParameters().map(([name]) => name)).toEqual(['0.weight', '1.weight', '1.bias'])
  expect(model.namedBuffers().map(([name]) => name)).toEqual(['1.running_mean', '1.running_var'])
})

test('PyTorch’s num_batches_tracked is taken, kept and not asked for', () => {
  const dict = randomise(block()).stateDict()
  const tracked = tensor(7, [], { dtype: 'int64' })
  dict.set('1.num_batches_tracked', tracked)
  const model = block()
  expect(model.loadStateDict(dict)).toEqual({ missing: [], unexpected: [] })
  expect(model.stateDict().get('1.num_batches_tracked')).toBe(tracked)
})

test('loading lists every missing name, unexpected name and tensor that does not fit, and loads nothing', () => {
  const dict: StateDict = randomise(block()).stateDict()
  dict.delete('1.bias')
  dict.delete('1.running_var')
  dict.set('2.weight', zeros([1]))
  dict.set('0.weight', zeros([3, 2, 3, 3]))
  dict.set('1.weight', zeros([3], { dtype: 'int32' }))
  dict.set('1.running_mean', fromIntRepr(new Int8Array(3), [3], 'qint8', { scale: 1, zeroPoint: 0 }))
  const model = block()
  expect(loadError(() => model.loadStateDict(dict))).toBe(
    'nn.Sequential.loadStateDict: the state dict does not fit this model: missing: 1.bias, 1.running_var; ' +
      'unexpected: 2.weight; 0.weight must be a Tensor of float32 of shape [3, 2, 1, 1], but got a Tensor of float32 ' +
      'of shape [3, 2, 3, 3]; 1.weight must be a Tensor of float32 of shape [3], but got a Tensor of int32 of shape [3]; ' +
      '1.running_mean must be a Tensor of float32 of shape [3], but got a QTensor of qint8 of shape [3]. ' +
      'Nothing was loaded. Pass { strict: false } to load what fits by name.',
  )
  expect(model.stateDict().size).toBe(0)
})

test('without strict, names may be missing or unknown, and are returned', () => {
  const model = block()
  const dict: StateDict = new Map([
    ['0.weight', zeros([3, 2, 1, 1])],
    ['head.weight', zeros([1])],
  ])
  expect(model.loadStateDict(dict, { strict: false })).toEqual({
    missing: ['1.weight', '1.bias', '1.running_mean', '1.running_var'],
    unexpected: ['head.weight'],
  })
  expect((model[0] as nn.Conv2d).weight).toBe(dict.get('0.weight'))
})

test('without strict, a tensor of another shape is an error still', () => {
  const dict: StateDict = new Map([['0.weight', zeros([1])]])
  expect(() => block().loadStateDict(dict, { strict: false })).toThrow(FormatError)
})

test('a dict that repeats a shared module under its second name, as PyTorch’s do, is taken', () => {
  const shared = randomise(new nn.Linear(2, 2, { bias: false }))
  const model = new nn.Sequential(shared, new nn.ReLU(), shared)
  const dict = model.stateDict()
  expect([...dict.keys()]).toEqual(['0.weight'])
  dict.set('2.weight', noise([2, 2]))
  expect(model.loadStateDict(dict)).toEqual({ missing: [], unexpected: [] })
})

test('a dict that is no Map, and a value that is no tensor, are named', () => {
  const wrong: unknown = { '0.weight': 1 }
  expect(() => block().loadStateDict(wrong as StateDict)).toThrow(
    'dict must be a Map of tensors by name, but got an object',
  )
  const holding: unknown = new Map([['0.weight', 5]])
  expect(() => block().loadStateDict(holding as StateDict)).toThrow('0.weight must be a tensor, but got 5')
})

test('a quantized layer’s state is its weight codes, bias, scale and zero point', () => {
  const layer = new nn.quantized.Linear(2, 1)
  const weight = fromIntRepr(new Int8Array([3, -4]), [1, 2], 'qint8', { scale: 0.5, zeroPoint: 0 })
  const bias: Tensor = tensor([1.5])
  layer.setWeightBias(weight, bias)
  layer.scale = 0.25
  layer.zeroPoint = 3
  const dict = layer.stateDict()
  expect([...dict.keys()]).toEqual(['weight', 'bias', 'scale', 'zero_point'])
  const other = new nn.quantized.Linear(2, 1)
  other.loadStateDict(dict)
  expect(other.weight.intRepr().toArray()).toEqual([[3, -4]])
  expect(other.bias?.toArray()).toEqual([1.5])
  expect({ scale: other.scale, zeroPoint: other.zeroPoint }).toEqual({ scale: 0.25, zeroPoint: 3 })
})

test('a dynamic layer’s state is its weight codes and bias', () => {
  const layer = new nn.quantized.dynamic.Linear(2, 1)
  const weight = fromIntRepr(new Int8Array([3, -4]), [1, 2], 'qint8', { scale: 0.5, zeroPoint: 0 })
  layer.setWeightBias(weight, tensor([1.5]))
  const other = new nn.quantized.dynamic.Linear(2, 1)
  expect(other.loadStateDict(layer.stateDict())).toEqual({ missing: [], unexpected: [] })
  const x = tensor([1, 1], [1, 2])
  expect(other.bias?.toArray()).toEqual([1.5])
  expect(other.forward(x).data).toEqual(layer.forward(x).data)
})

test('scale and zero point load as PyTorch writes them: of shape [] or [1], the zero point int64', () => {
  const door = new nn.quantized.Quantize()
  door.loadStateDict(
    new Map<string, nn.StateValue>([
      ['scale', tensor([0.5])],
      ['zero_point', tensor([9n], [1], { dtype: 'int64' })],
    ]),
  )
  expect(door.requireQParams()).toEqual({ scale: 0.5, zeroPoint: 9 })
})

test('a scale of 0 and a zero point outside the type are named by their keys', () => {
  const model = new nn.Sequential(new nn.quantized.Quantize())
  const dict: StateDict = new Map<string, nn.StateValue>([
    ['0.scale', tensor(0)],
    ['0.zero_point', tensor(256, [], { dtype: 'int32' })],
  ])
  const message = loadError(() => model.loadStateDict(dict))
  expect(message).toContain('0.scale must be a finite, positive float32 of at least 2^-126, but got 0')
  expect(message).toContain('0.zero_point must be a whole number from 0 to 255 (quint8), but got 256')
})

test('a weight without a bias means none: a bias from before is dropped', () => {
  const layer = new nn.quantized.Linear(1, 1)
  const weight = fromIntRepr(new Int8Array([1]), [1, 1], 'qint8', { scale: 1, zeroPoint: 0 })
  const bias: Tensor = tensor([2])
  layer.setWeightBias(weight, bias)
  layer.loadStateDict(new Map([['weight', weight]]), { strict: false })
  expect(layer.bias).toBeNull()
})

test('a bias without a weight is an error', () => {
  const dict: StateDict = new Map([['bias', tensor([1])]])
  expect(() => new nn.quantized.Linear(1, 1).loadStateDict(dict, { strict: false })).toThrow(
    'nn.quantized.Linear.loadStateDict: the state dict has a bias, but no weight to go with it',
  )
})
