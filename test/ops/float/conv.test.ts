/** Protects float convolutions and linear layers: to the bit against the definition (numerics.md 7), and their refusals. */
import fc from 'fast-check'
import { fma } from '../../../src/backend/js/math'
import { DTypeError, ShapeError } from '../../../src/errors'
import * as F from '../../../src/ops/float'
import { quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor, zeros, type Tensor } from '../../../src/tensor/tensor'
import { randomReals } from '../naive'

function random(shape: readonly number[], seed: number): Tensor {
  return tensor(
    randomReals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  )
}

/** One fused multiply-add per kernel row, kernel column and input channel, from the bias. */
function naive(x: Tensor, w: Tensor, bias: Tensor | null, stride: number, padding: number, groups: number): number[] {
  const [N = 0, C = 0, H = 0, W = 0] = x.shape
  const [O = 0, I = 0, KH = 0, KW = 0] = w.shape
  const out: number[] = []
  for (let n = 0; n < N; n++)
    for (let o = 0; o < O; o++)
      for (let top = -padding; top + KH <= H + padding; top += stride)
        for (let left = -padding; left + KW <= W + padding; left += stride) {
          let acc = bias?.data[o] ?? 0
          for (let kh = 0; kh < KH; kh++)
            for (let kw = 0; kw < KW; kw++)
              for (let i = 0; i < I; i++) {
                const h = top + kh
                const v = left + kw
                const channel = Math.floor(o / (O / groups)) * I + i
                const inside = h >= 0 && h < H && v >= 0 && v < W
                const value = inside ? (x.data[((n * C + channel) * H + h) * W + v] ?? NaN) : 0
                acc = fma(value, w.data[((o * I + i) * KH + kh) * KW + kw] ?? NaN, acc)
              }
          out.push(acc)
        }
  return out
}

test('conv2d is the definition to the bit, for any geometry and memory format', () => {
  const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
  const model = fc.record({
    groups: small(1, 3),
    inPerGroup: small(1, 4),
    outPerGroup: small(1, 4),
    size: small(1, 6),
    kernel: small(1, 3),
    stride: small(1, 2),
    padding: small(0, 2),
    last: fc.boolean(),
    bias: fc.boolean(),
    seed: small(0, 1e6),
  })
  fc.assert(
    fc.property(model, ({ groups, inPerGroup, outPerGroup, size, kernel, stride, padding, last, bias, seed }) => {
      fc.pre(kernel <= size + 2 * padding)
      const x = random([2, groups * inPerGroup, size, size], seed)
      const w = random([groups * outPerGroup, inPerGroup, kernel, kernel], seed + 1)
      const b = bias ? random([groups * outPerGroup], seed + 2) : null
      const y = F.conv2d(last ? x.contiguous('channelsLast') : x, w, b, { stride, padding, groups })
      expect(y.memoryFormat).toBe('channelsLast')
      expect([...y.data]).toEqual(naive(x, w, b, stride, padding, groups))
    }),
    { numRuns: 60 },
  )
})

test('edge 11: conv1d and conv3d are conv2d with axes of one', () => {
  const x = random([2, 3, 9], 1)
  const w = random([4, 3, 3], 2)
  const expected = F.conv2d(x.reshape([2, 3, 1, 9]), w.reshape([4, 3, 1, 3]), null, { stride: [1, 2], padding: [0, 1] })
  expect(F.conv1d(x, w, null, { stride: 2, padding: 1 }).data).toEqual(expected.data)
  const deep = { stride: [2, 1, 1], padding: [1, 0, 0] }
  expect(F.conv3d(x.reshape([2, 3, 9, 1, 1]), w.reshape([4, 3, 3, 1, 1]), null, deep).data).toEqual(expected.data)
})

test('an input without a batch axis gives a result without one', () => {
  const x = random([3, 5, 4], 1)
  const w = random([2, 3, 3, 3], 2)
  const y = F.conv2d(x, w)
  expect(y).toMatchObject({ shape: [2, 3, 2], memoryFormat: 'contiguous' })
  expect(y.data).toEqual(F.conv2d(x.reshape([1, 3, 5, 4]), w).data)
  expect(F.conv2d(x.contiguous('channelsLast'), w).data).toEqual(y.data)
})

test('edge 18: without input channels the result is the bias, sign of zero included', () => {
  const y = F.conv2d(zeros([1, 0, 3, 3]), zeros([2, 0, 1, 1]), tensor([1.5, -0]))
  expect(y.shape).toEqual([1, 2, 3, 3])
  expect([...y.data]).toEqual([...new Array<number>(9).fill(1.5), ...new Array<number>(9).fill(-0)])
  expect(F.linear(zeros([2, 0]), zeros([3, 0]), tensor([1, 2, 3])).toArray()).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
})

test('edges 12 and 18: empty batches and no outputs give empty results', () => {
  expect(F.conv2d(zeros([0, 3, 4, 4]), zeros([2, 3, 3, 3])).shape).toEqual([0, 2, 2, 2])
  expect(F.conv2d(zeros([1, 3, 4, 4]), zeros([0, 3, 3, 3])).shape).toEqual([1, 0, 2, 2])
  expect(F.linear(zeros([0, 3]), zeros([2, 3])).shape).toEqual([0, 2])
  expect(F.linear(zeros([4, 3]), zeros([0, 3])).shape).toEqual([4, 0])
})

test('NaN and infinities go through', () => {
  const w = tensor([1], [1, 1, 1, 1])
  expect([...F.conv2d(tensor([NaN, Infinity, -Infinity, 1], [1, 1, 2, 2]), w).data]).toEqual([
    NaN,
    Infinity,
    -Infinity,
    1,
  ])
})

test.each([1, 2, 3, 4, 15, 16, 17, 33, 64, 129])('edge 16: linear is the definition to the bit for K of %i', (K) => {
  const x = random([3, K], K)
  const w = random([5, K], K + 1)
  const b = random([5], 2)
  const expected: number[] = []
  for (let m = 0; m < 3; m++)
    for (let n = 0; n < 5; n++) {
      let acc = b.data[n] ?? NaN
      for (let k = 0; k < K; k++) acc = fma(x.data[m * K + k] ?? NaN, w.data[n * K + k] ?? NaN, acc)
      expected.push(acc)
    }
  expect([...F.linear(x, w, b).data]).toEqual(expected)
})

test('edge 19: linear takes rank 1, 3 and 4, in any memory format', () => {
  const w = random([5, 6], 1)
  expect(F.linear(random([6], 1), w).shape).toEqual([5])
  const x = random([2, 3, 4, 6], 3)
  expect(F.linear(x.contiguous('channelsLast'), w).data).toEqual(F.linear(x.reshape([24, 6]), w).data)
})

test.each<[string, () => unknown, RegExp]>([
  [
    'a quantized input',
    () => F.conv2d(quantizePerTensor(zeros([1, 1, 1, 1]), 1, 0, 'quint8') as never, zeros([1, 1, 1, 1])),
    /x must be a Tensor of float32.*nn.DeQuantStub/,
  ],
  [
    'an input of int32',
    () => F.conv2d(zeros([1, 1, 1, 1], { dtype: 'int32' }) as never, zeros([1, 1, 1, 1])),
    /a Tensor of int32/,
  ],
  [
    'wrong channels',
    () => F.conv2d(zeros([1, 2, 4, 4]), zeros([1, 3, 3, 3])),
    /functional.conv2d: x has 2 channels, but weight expects 3/,
  ],
  ['a wrong bias', () => F.conv2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]), zeros([3])), /bias must be of shape \[2\]/],
  [
    'a weight of the wrong rank',
    () => F.linear(zeros([1, 3]), zeros([3])),
    /weight must be of shape \[outFeatures, inFeatures\]/,
  ],
  ['wrong features', () => F.linear(zeros([1, 3]), zeros([2, 4])), /x must be of shape \[\.\.\., 4\]/],
  [
    'an unknown option',
    () => F.conv2d(zeros([1, 1, 1, 1]), zeros([1, 1, 1, 1]), null, { pad: 1 } as never),
    /unknown key, "pad"/,
  ],
])('refuses %s', (_, call, message) => {
  expect(call).toThrow(message)
})

test('the async forms give the same bytes, and reject where the sync ones throw', async () => {
  const x = random([1, 3, 5, 5], 1)
  const w = random([4, 3, 3, 3], 2)
  expect((await F.conv2dAsync(x, w)).data).toEqual(F.conv2d(x, w).data)
  expect((await F.linearAsync(x, random([2, 5], 3))).data).toEqual(F.linear(x, random([2, 5], 3)).data)
  await expect(F.conv2dAsync(x, zeros([1]))).rejects.toThrow(ShapeError)
  await expect(F.linearAsync('x' as never, random([2, 5], 3))).rejects.toThrow(DTypeError)
})
