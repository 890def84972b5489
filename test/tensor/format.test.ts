/** Protects how tensors are shown: as PyTorch prints them, character by character. */
import { inspect } from 'node:util'
import { fromIntRepr } from '../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, zeros } from '../../src/tensor/tensor'

describe('a float tensor prints as in PyTorch', () => {
  test.each([
    ['whole numbers with a point', tensor([1, 2, 3]), 'tensor([1., 2., 3.])'],
    ['fractions with four decimals', tensor([1, 2.5]), 'tensor([1.0000, 2.5000])'],
    ['a scalar', tensor(5), 'tensor(5.)'],
    [
      'a matrix, rows below each other',
      tensor([
        [1, 2],
        [3, 4],
      ]),
      'tensor([[1., 2.],\n        [3., 4.]])',
    ],
    ['columns aligned', tensor([1, -10, 100]), 'tensor([  1., -10., 100.])'],
    ['a blank line between matrices', zeros([2, 1, 1]), 'tensor([[[0.]],\n\n        [[0.]]])'],
    ['NaN and infinities', tensor([1.5, NaN, Infinity, -Infinity]), 'tensor([1.5000,    nan,    inf,   -inf])'],
    ['a wide range with exponents', tensor([1e-5, 1]), 'tensor([1.0000e-05, 1.0000e+00])'],
    ['large whole numbers with exponents', tensor([1e9]), 'tensor([1.0000e+09])'],
    ['small numbers with exponents', tensor([0.00005]), 'tensor([5.0000e-05])'],
    ['exact ties to the even digit', tensor([0.03125, 0.09375]), 'tensor([0.0312, 0.0938])'],
    ['negative zero', tensor([-0, 1]), 'tensor([-0., 1.])'],
    ['nothing but zeros', tensor([0, 0]), 'tensor([0., 0.])'],
    ['an empty vector', zeros([0]), 'tensor([])'],
    ['an empty matrix with its size', zeros([0, 3]), 'tensor([], size=(0, 3))'],
  ])('%s', (_, x, text) => {
    expect(x.toString()).toBe(text)
  })
})

describe('a tensor of another dtype prints as in PyTorch', () => {
  test.each([
    ['int32 names its dtype', tensor([1, -2], [2], { dtype: 'int32' }), 'tensor([ 1, -2], dtype=torch.int32)'],
    ['int64 does not', tensor([1, 20], [2], { dtype: 'int64' }), 'tensor([ 1, 20])'],
    ['bool does not', tensor([true, false], [2], { dtype: 'bool' }), 'tensor([ True, False])'],
    ['an empty int64 does', zeros([0], { dtype: 'int64' }), 'tensor([], dtype=torch.int64)'],
  ])('%s', (_, x, text) => {
    expect(x.toString()).toBe(text)
  })
})

test('long vectors break into lines of 80 characters', () => {
  const text = tensor(Float32Array.from({ length: 30 }, (_, i) => i)).toString()
  expect(text).toBe(
    'tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n' +
      '        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n' +
      '        28., 29.])',
  )
})

test('more than 1000 elements are summarised to three at each end', () => {
  expect(tensor(Float32Array.from({ length: 1001 }, (_, i) => i)).toString()).toBe(
    'tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])',
  )
  expect(zeros([2, 600]).toString()).toBe(
    'tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])',
  )
  expect(zeros([600, 2]).toString()).toBe(
    'tensor([[0., 0.],\n        [0., 0.],\n        [0., 0.],\n        ...,\n        [0., 0.],\n        [0., 0.],\n        [0., 0.]])',
  )
})

test('a quantized tensor shows its real values, size, dtype, scheme, scale and zero point', () => {
  const q = quantizePerTensor(tensor([0, 1, 2, 3], [1, 1, 2, 2]), 0.0748, 0, 'quint8')
  expect(q.toString()).toBe(
    'tensor([[[[0.0000, 0.9724],\n' +
      '          [2.0196, 2.9920]]]], size=(1, 1, 2, 2), dtype=torch.quint8,\n' +
      '       quantization_scheme=torch.per_tensor_affine, scale=0.0748, zero_point=0)',
  )
})

test('a tensor quantized per channel shows scales, zero points and axis', () => {
  const q = quantizePerChannel(
    tensor([
      [1, 2],
      [3, 4],
    ]),
    [0.5, 1],
    [0, 10],
    0,
    'qint8',
  )
  expect(q.toString()).toBe(
    'tensor([[1., 2.],\n' +
      '        [3., 4.]], size=(2, 2), dtype=torch.qint8,\n' +
      '       quantization_scheme=torch.per_channel_affine,\n' +
      '       scale=tensor([0.5000, 1.0000]), zero_point=tensor([ 0, 10]), axis=0)',
  )
})

test('scales are written as Python writes them', () => {
  const scaleOf = (scale: number): string | undefined =>
    /scale=([^,]*)/.exec(fromIntRepr(new Uint8Array(1), [1], 'quint8', { scale, zeroPoint: 0 }).toString())?.[1]
  expect([1, 0.1, 1e-5, 0.0001, 123456, 1e20].map(scaleOf)).toEqual([
    '1.0',
    '0.1',
    '1e-05',
    '0.0001',
    '123456.0',
    '1e+20',
  ])
})

test('channels-last tensors print in logical order', () => {
  const x = tensor(Float32Array.from({ length: 12 }, (_, i) => i)).reshape([1, 3, 2, 2])
  expect(x.contiguous('channelsLast').toString()).toBe(x.toString())
  const channel = quantizePerChannel(x, [1, 2, 0.5], [0, 1, 2], 1, 'quint8')
  expect(channel.contiguous('channelsLast').toString()).toBe(channel.toString())
})

test("Node's inspect shows the same text", () => {
  expect(inspect({ x: tensor([1.5]) })).toBe('{ x: tensor([1.5000]) }')
  const q = quantizePerTensor(tensor([1]), 1, 0, 'quint8')
  expect(inspect(q)).toBe(q.toString())
})
