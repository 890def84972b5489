/**
 * Protects quantized transposed convolutions: a plain sum of contributions gives their accumulators, channels along axis 1
 * have scales of their own in every group, and what does not fit is refused.
 */
import * as F from '../../../src/ops/float'
import * as Q from '../../../src/ops/quantized'
import { fromIntRepr } from '../../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor, type Tensor } from '../../../src/tensor/tensor'

const values = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (((i + seed) * 7919) % 201) / 50 - 2)

const random = (shape: readonly number[], seed: number): Tensor =>
  tensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  )

describe.each([
  { stride: 1 },
  { stride: 2, padding: 1, outputPadding: 1 },
  { stride: [3, 2], padding: [[0, 2] as const, [1, 0] as const] },
  { stride: 4, outputPadding: 3 },
  { stride: 2, dilation: 3, groups: 2 },
])('a transposed convolution with %j', (options) => {
  const x = random([2, 4, 3, 5], 1)
  const weight = random([4, 3, 3, 2], 5)
  const qx = quantizePerTensor(x, 0.02, 120, 'quint8')
  const groups = 'groups' in options ? options.groups : 1

  test('gives the float one of its dequantized operands, to half a step', () => {
    const bias = random([3 * groups], 9)
    const qw = quantizePerChannel(weight, [0.01, 0.02, 0.04], [0, 3, -5], 1, 'qint8')
    const packed = Q.convTranspose2dPrepack(qw, bias, options)
    const y = Q.convTranspose2d(qx, packed, 0.25, 100).dequantize()
    const expected = F.convTranspose2d(qx.dequantize(), qw.dequantize(), bias, options)
    expect(y.shape).toEqual(expected.shape)
    const worst = Math.max(...y.data.map((value, i) => Math.abs(value - (expected.data[i] ?? NaN))))
    expect(worst).toBeLessThan(0.126)
    expect(packed.unpack().weight.intRepr().data).toEqual(qw.intRepr().data)
    expect(packed.unpack().weight.qparams).toEqual(qw.qparams)
  })

  test('returns its accumulators, and clamps below zero with ReLU', async () => {
    const qw = quantizePerTensor(weight, 0.02, 0, 'qint8')
    const packed = Q.convTranspose2dPrepack(qw, null, options)
    const sums = Q.convTranspose2dInt32(qx, packed)
    const exact = F.convTranspose2d(
      tensor(
        [...qx.intRepr().data].map((code) => code - 120),
        [2, 4, 3, 5],
      ),
      tensor([...qw.intRepr().data], [4, 3, 3, 2]),
      null,
      options,
    )
    expect([...sums.data]).toEqual([...exact.data].map((sum) => sum + 0))
    const relu = await Q.convTranspose2dReluAsync(qx, packed, 0.1, 10)
    expect(Math.min(...relu.intRepr().data)).toBeGreaterThanOrEqual(10)
  })
})

test('an output that no input reaches is its bias, edge 7 and edge 8', () => {
  const qx = fromIntRepr(Uint8Array.of(10, 250), [1, 1, 2], 'quint8', { scale: 1, zeroPoint: 128 })
  const qw = quantizePerTensor(tensor([1], [1, 1, 1]), 1, 0, 'qint8')
  const packed = Q.convTranspose1dPrepack(qw, tensor([5]), { stride: 3 })
  expect([...Q.convTranspose1dInt32(qx, packed).data]).toEqual([-113, 5, 5, 127])
})

test('a weight without input channels gives the bias', () => {
  const qx = fromIntRepr(new Uint8Array(0), [1, 0, 2], 'quint8', { scale: 1, zeroPoint: 3 })
  const qw = fromIntRepr(new Int8Array(0), [0, 2, 2], 'qint8', { scale: 1, zeroPoint: 0 })
  const packed = Q.convTranspose1dPrepack(qw, tensor([4, 6]))
  expect([...Q.convTranspose1dInt32(qx, packed).data]).toEqual([4, 4, 4, 6, 6, 6])
  expect(packed.unpack().weight.shape).toEqual([0, 2, 2])
})

describe('what does not fit is refused by name', () => {
  const weight = quantizePerTensor(random([2, 3, 2, 2], 1), 0.02, 0, 'qint8')
  const x = quantizePerTensor(random([1, 2, 3, 3], 1), 0.02, 0, 'quint8')

  test('scales along another axis than 1', () => {
    const along0 = quantizePerChannel(random([2, 3, 2, 2], 1), [1, 1], [0, 0], 0, 'qint8')
    expect(() => Q.convTranspose2dPrepack(along0)).toThrow(/axis 1/)
  })

  test('an output padding of at least stride and dilation', () => {
    expect(() => Q.convTranspose2dPrepack(weight, null, { outputPadding: 1 })).toThrow(/options\.outputPadding/)
  })

  test('groups that do not divide the input channels, and channels that the weight does not have', () => {
    expect(() => Q.convTranspose2dPrepack(weight, null, { groups: 3 })).toThrow(/options\.groups/)
    const other = quantizePerTensor(random([1, 3, 3, 3], 1), 0.02, 0, 'quint8')
    expect(() => Q.convTranspose2d(other, Q.convTranspose2dPrepack(weight), 1, 0)).toThrow(/3 channels/)
  })

  test('padding that leaves no output, and packed weights of another op', () => {
    expect(() => Q.convTranspose2d(x, Q.convTranspose2dPrepack(weight, null, { padding: 9 }), 1, 0)).toThrow(/padding/)
    const packed = Q.conv2dPrepack(weight)
    expect(() => Q.convTranspose2d(x, packed as never, 1, 0)).toThrow(/convTranspose2dPrepack/)
    expect(() => Q.conv2d(x, Q.convTranspose2dPrepack(weight) as never, 1, 0)).toThrow(/conv2dPrepack/)
  })

  test('weights whose sum could leave int32', () => {
    const big = fromIntRepr(new Uint8Array(33026).fill(255), [33026, 1, 1], 'quint8', { scale: 1, zeroPoint: 0 })
    expect(() => Q.convTranspose1dPrepack(big)).toThrow(/accumulator/)
  })
})
