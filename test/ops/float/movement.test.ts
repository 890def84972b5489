/** Protects float pools, unfold, fold, cat, flatten and pad. */
import fc from 'fast-check'
import { laneSum } from '../../../src/backend/js/math'
import { ShapeError } from '../../../src/errors'
import * as F from '../../../src/ops/float'
import { equal, tensor, zeros, type Tensor } from '../../../src/tensor/tensor'
import { randomReals } from '../naive'

const { fround } = Math

function random(shape: readonly number[], seed: number): Tensor {
  return tensor(
    randomReals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  )
}

describe('pools', () => {
  const x = random([2, 3, 7, 6], 1)

  test('max and average are the definition, in both memory formats, with and without a batch axis', () => {
    const windows: number[][] = []
    for (let plane = 0; plane < 6; plane++)
      for (let top = -1; top + 3 <= 8; top += 2)
        for (let left = -1; left + 3 <= 7; left += 2) {
          const window: number[] = []
          for (let h = Math.max(0, top); h < Math.min(7, top + 3); h++)
            for (let w = Math.max(0, left); w < Math.min(6, left + 3); w++)
              window.push(x.data[(plane * 7 + h) * 6 + w] ?? NaN)
          windows.push(window)
        }
    const options = { stride: 2, padding: 1 }
    const most = windows.map((window) => Math.max(...window))
    const average = windows.map((window) => fround(laneSum(window, 0, window.length, 1) / 9))
    for (const input of [x, x.contiguous('channelsLast')]) {
      expect([...F.maxPool2d(input, 3, options).data]).toEqual(most)
      expect([...F.avgPool2d(input, 3, options).data]).toEqual(average)
    }
    const image = tensor(x.data.slice(0, 126), [3, 7, 6])
    expect([...F.maxPool2d(image, 3, options).data]).toEqual(most.slice(0, most.length / 2))
    expect(F.maxPool2d(image, 3, options).shape).toEqual([3, 4, 3])
  })

  test('NaN wins a max pool, padding never does', () => {
    expect(F.maxPool1d(tensor([[1, NaN]]), 2).item()).toBe(NaN)
    expect([...F.maxPool1d(tensor([[-5, -6]]), 2, { stride: 1, padding: 1 }).data]).toEqual([-5, -5, -6])
    expect(F.maxPool1d(tensor([[3]]), 2, { stride: 1, padding: 1, dilation: 2 }).item()).toBe(-Infinity)
  })

  test('pools of one and three axes are those of two with axes of one', () => {
    const line = x.reshape([6, 1, 42])
    const deep = x.reshape([6, 1, 1, 1, 42])
    const plane = x.reshape([6, 1, 1, 42])
    expect(F.maxPool1d(line, 4).data).toEqual(F.maxPool2d(plane, [1, 4]).data)
    expect(F.maxPool3d(deep, [1, 1, 4]).data).toEqual(F.maxPool2d(plane, [1, 4]).data)
    expect(F.avgPool1d(line, 4).data).toEqual(F.avgPool2d(plane, [1, 4]).data)
    expect(F.avgPool3d(deep, [1, 1, 4]).data).toEqual(F.avgPool2d(plane, [1, 4]).data)
    expect(F.adaptiveAvgPool1d(line, 5).data).toEqual(F.adaptiveAvgPool2d(plane, [1, 5]).data)
    expect(F.adaptiveMaxPool3d(deep, [1, 1, 5]).data).toEqual(F.adaptiveMaxPool2d(plane, [1, 5]).data)
  })

  test('a global average is the mean', () => {
    expect(F.adaptiveAvgPool2d(x, 1).data).toEqual(F.mean(x, [2, 3]).data)
  })
})

describe('unfold and fold', () => {
  test('a convolution is a product with the columns', () => {
    const x = random([2, 3, 6, 5], 1)
    const w = random([4, 3, 3, 2], 2)
    const options = { stride: 2, padding: 1, dilation: 1 }
    const columns = F.unfold(x.contiguous('channelsLast'), [3, 2], options)
    expect(columns.data).toEqual(F.unfold(x, [3, 2], options).data)
    const [, , blocks = 0] = columns.shape
    const product = F.linear(columns.permute([0, 2, 1]), w.reshape([4, 18]))
    const y = F.conv2d(x, w, null, options)
    expect(product.shape).toEqual([2, blocks, 4])
    product.permute([0, 2, 1]).data.forEach((v, i) => {
      expect(v).toBeCloseTo(y.data[i] ?? NaN, 5)
    })
  })

  test('fold adds up what unfold has taken', () => {
    const small = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
    fc.assert(
      fc.property(
        small(1, 6),
        small(1, 6),
        small(1, 3),
        small(1, 3),
        small(0, 2),
        small(1, 2),
        (h, w, k, stride, padding, dilation) => {
          fc.pre(Math.min(h, w) + 2 * padding > dilation * (k - 1))
          const options = { stride, padding, dilation }
          const counts = F.fold(
            F.unfold(tensor(new Float32Array(h * w).fill(1), [1, h, w]), k, options),
            [h, w],
            k,
            options,
          )
          const x = tensor(
            Float32Array.from({ length: 2 * h * w }, (_, i) => (i % 50) - 20),
            [1, 2, h, w],
          )
          const sums = F.fold(F.unfold(x, k, options), [h, w], k, options)
          expect([...sums.data]).toEqual([...x.data].map((v, i) => v * (counts.data[i % (h * w)] ?? NaN) + 0))
        },
      ),
    )
  })

  test('take images without a batch axis', () => {
    const x = random([3, 4, 4], 1)
    expect(F.unfold(x, 2).shape).toEqual([12, 9])
    expect(F.fold(F.unfold(x, 2), 4, 2).shape).toEqual([3, 4, 4])
    expect(F.unfold(zeros([0, 3, 4, 4]), 2).shape).toEqual([0, 12, 9])
  })

  test('fold refuses columns that do not fit, saying what would', () => {
    expect(() => F.fold(zeros([1, 12, 8]), [4, 4], 2)).toThrow(
      /u must be of shape \[N, C \* 4, 9\] \(3 × 3 blocks of \[2, 2\] in \[4, 4\]\), but got \[1, 12, 8\]/,
    )
    expect(() => F.fold(zeros([1, 11, 9]), [4, 4], 2)).toThrow(ShapeError)
    expect(() => F.unfold(zeros([1, 1, 2, 2]), 3)).toThrow(/larger than the padded input/)
  })
})

describe('cat, flatten and pad', () => {
  const x = random([2, 3, 4, 5], 1)
  const last = x.contiguous('channelsLast')

  test.each([0, 1, 2, 3, -1])('cat along axis %i keeps every element, in any memory format', (dim) => {
    const y = F.cat([x, x, x], dim)
    const mixed = F.cat([last, x, last], dim)
    expect(mixed.memoryFormat).toBe('channelsLast')
    expect(mixed.data).toEqual(y.data)
    const axis = dim < 0 ? 3 : dim
    const inner = x.shape.slice(axis).reduce((a, b) => a * b, 1)
    const expected: number[] = []
    for (let at = 0; at < x.size; at += inner)
      for (let copy = 0; copy < 3; copy++) expected.push(...x.data.subarray(at, at + inner))
    expect([...y.data]).toEqual(expected)
  })

  test('cat joins tensors of any one dtype', () => {
    const a = tensor([1, 2], [2], { dtype: 'int64' })
    expect(F.cat([a, a]).toArray()).toEqual([1n, 2n, 1n, 2n])
    expect(() => F.cat([a, zeros([2]) as never])).toThrow(/tensors\[1\] must be a Tensor of int64/)
    expect(() => F.cat([])).toThrow(/at least one tensor/)
  })

  test('flatten joins axes in logical order, a scalar to one element', () => {
    expect(F.flatten(last, { startDim: 1 }).data).toEqual(x.data)
    expect(F.flatten(x, { endDim: 1 }).shape).toEqual([6, 4, 5])
    expect(F.flatten(tensor(1)).shape).toEqual([1])
    expect(() => F.flatten(x, { startDim: 5 })).toThrow(/options.startDim/)
  })

  test('pad adds and takes away, in any memory format', () => {
    expect(F.pad(tensor([1, 2]), [1, 2], { value: 9 }).toArray()).toEqual([9, 1, 2, 9, 9])
    expect(F.pad(tensor([1, 2, 3]), [-1, 1]).toArray()).toEqual([2, 3, 0])
    expect(F.pad(last, [1, -2, 0, 3, 2, 0, -1, 1]).data).toEqual(F.pad(x, [1, -2, 0, 3, 2, 0, -1, 1]).data)
    expect(equal(F.pad(F.pad(x, [2, 1]), [-2, -1]), x)).toBe(true)
    expect(F.pad(zeros([0]), [1, 1]).toArray()).toEqual([0, 0])
  })

  test('the async forms give the same bytes', async () => {
    expect((await F.catAsync([x, last], 1)).data).toEqual(F.cat([x, last], 1).data)
    expect((await F.padAsync(x, [1, 1])).data).toEqual(F.pad(x, [1, 1]).data)
    expect((await F.maxPool2dAsync(x, 2)).data).toEqual(F.maxPool2d(x, 2).data)
    expect((await F.unfoldAsync(x, 2)).data).toEqual(F.unfold(x, 2).data)
  })
})
