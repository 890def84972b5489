/** Protects float activations, sums, products, batch normalisation, softmax and mean (numerics.md 7). */
import { laneSum } from '../../../src/backend/js/math'
import { ArgumentError, ShapeError } from '../../../src/errors'
import * as F from '../../../src/ops/float'
import { tensor, zeros, type Tensor } from '../../../src/tensor/tensor'
import { randomReals } from '../naive'

const { fround } = Math

function random(shape: readonly number[], seed: number): Tensor {
  return tensor(
    randomReals(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ).map((v) => v * 8),
    shape,
  )
}

describe('clamps', () => {
  const x = tensor([-Infinity, -7, -1, -0, 0, 0.5, 3, 7, Infinity, NaN])
  test('relu, relu6, hardtanh and clamp are min and max; NaN stays', () => {
    expect([...F.relu(x).data]).toEqual([0, 0, 0, 0, 0, 0.5, 3, 7, Infinity, NaN])
    expect([...F.relu6(x).data]).toEqual([0, 0, 0, 0, 0, 0.5, 3, 6, 6, NaN])
    expect([...F.hardtanh(x).data]).toEqual([-1, -1, -1, -0, 0, 0.5, 1, 1, 1, NaN])
    expect([...F.clamp(x, { min: -2 }).data]).toEqual([-2, -2, -1, -0, 0, 0.5, 3, 7, Infinity, NaN])
    expect([...F.clamp(x, { max: 2 }).data]).toEqual([-Infinity, -7, -1, -0, 0, 0.5, 2, 2, 2, NaN])
  })

  test('bounds are rounded to float32', () => {
    expect(F.clamp(x, { min: 0.1, max: 0.1 }).data[0]).toBe(fround(0.1))
  })

  test('edge 39: min above max, NaN and unknown keys are refused', () => {
    expect(() => F.clamp(x, { min: 2, max: 1 })).toThrow(/options.min must be at most options.max \(1\), but got 2/)
    expect(() => F.hardtanh(x, { min: NaN })).toThrow(ArgumentError)
    expect(() => F.clamp(x, { low: 1 } as never)).toThrow(/unknown key, "low"/)
  })
})

test('functions are within 2 ULP of the true value, in the memory format of x', () => {
  const x = random([2, 3, 4, 5], 1)
  const near = (y: Tensor, f: (v: number) => number): void => {
    y.data.forEach((v, i) => {
      expect(Math.abs(v - f(x.data[i] ?? NaN))).toBeLessThanOrEqual(2 ** -22 * Math.max(2 ** -100, Math.abs(v)))
    })
  }
  near(F.sigmoid(x), (v) => 1 / (1 + Math.exp(-v)))
  near(F.tanh(x), Math.tanh)
  expect(F.tanh(x.contiguous('channelsLast'))).toMatchObject({ memoryFormat: 'channelsLast' })
  expect(F.tanh(x.contiguous('channelsLast')).data).toEqual(F.tanh(x).data)
  expect([...F.hardswish(tensor([-4, -1, 0, 1, 4])).data]).toEqual([-0, fround(-1 / 3), 0, fround(4 / 6), 4])
  expect([...F.leakyRelu(tensor([-2, 2])).data]).toEqual([fround(-2 * fround(0.01)), 2])
  expect([...F.leakyRelu(tensor([-2, 2]), { negativeSlope: 0.5 }).data]).toEqual([-1, 2])
})

describe('add and mul', () => {
  test('broadcast, in any mixture of memory formats', () => {
    const a = random([2, 3, 4, 5], 1)
    const b = random([3, 1, 1], 2)
    const sum = [...a.data].map((v, i) => fround(v + (b.data[Math.floor(i / 20) % 3] ?? NaN)))
    const product = [...a.data].map((v, i) => fround(v * (b.data[Math.floor(i / 20) % 3] ?? NaN)))
    for (const x of [a, a.contiguous('channelsLast')])
      for (const [left, right] of [
        [x, b],
        [b, x],
      ] as const) {
        expect([...F.add(left, right).data]).toEqual(sum)
        expect([...F.mul(left, right).data]).toEqual(product)
        expect(F.add(left, right).memoryFormat).toBe(x.memoryFormat)
      }
  })

  test('take scalars and empty tensors', () => {
    expect(F.add(tensor(1), tensor(2)).item()).toBe(3)
    expect(F.mul(zeros([0, 3]), zeros([3])).shape).toEqual([0, 3])
  })

  test('refuse shapes that do not broadcast', () => {
    expect(() => F.add(zeros([2]), zeros([3]))).toThrow(ShapeError)
  })
})

describe('batchNorm', () => {
  test('is one multiplication and one addition per channel, from float64', () => {
    const x = random([2, 3, 4], 1)
    const mean = tensor([0.5, -1, 2])
    const variance = tensor([1, 4, 0.25])
    const options = { weight: tensor([1, 2, 3]), bias: tensor([0.1, 0, -0.1]), eps: 1e-3 }
    const expected = [...x.data].map((v, i) => {
      const c = Math.floor(i / 4) % 3
      const factor = (options.weight.data[c] ?? NaN) / Math.sqrt((variance.data[c] ?? NaN) + 1e-3)
      const shift = fround((options.bias.data[c] ?? NaN) - (mean.data[c] ?? NaN) * factor)
      return fround(fround(v * fround(factor)) + shift)
    })
    expect([...F.batchNorm(x, mean, variance, options).data]).toEqual(expected)
    const last = F.batchNorm(x.contiguous('channelsLast'), mean, variance, options)
    expect(last.memoryFormat).toBe('channelsLast')
    expect([...last.data]).toEqual(expected)
  })

  test('without weight and bias only normalises', () => {
    expect(F.batchNorm(tensor([[3]]), tensor([1]), tensor([4]), { eps: 0 }).item()).toBe(1)
  })

  test('refuses statistics of another length and a negative eps', () => {
    expect(() => F.batchNorm(zeros([1, 3]), zeros([2]), zeros([3]))).toThrow(/mean must be of shape \[3\]/)
    expect(() => F.batchNorm(zeros([1, 3]), zeros([3]), zeros([3]), { eps: -1 })).toThrow(/options.eps/)
    expect(() => F.batchNorm(zeros([3]), zeros([3]), zeros([3]))).toThrow(ShapeError)
  })
})

describe('softmax', () => {
  test.each([0, 1, 2, 3, -1])('over axis %i sums to 1 and is the same in both memory formats', (dim) => {
    const x = random([2, 3, 4, 5], 1)
    const y = F.softmax(x, dim)
    const sums = F.mean(y, dim)
    const length = x.shape.at(dim) ?? NaN
    for (const mean of sums.data) expect(mean * length).toBeCloseTo(1, 5)
    expect(F.softmax(x.contiguous('channelsLast'), dim).data).toEqual(y.data)
  })

  test('edge 74: of equal values is uniform, of one value is 1, of extremes is finite', () => {
    expect([...F.softmax(tensor([5, 5, 5, 5]), 0).data]).toEqual([0.25, 0.25, 0.25, 0.25])
    expect(F.softmax(tensor([[-3]]), 1).item()).toBe(1)
    expect([...F.softmax(tensor([1e30, -1e30]), 0).data]).toEqual([1, 0])
    expect(F.softmax(tensor(3), 0).item()).toBe(1)
    expect(F.softmax(zeros([2, 0]), 1).shape).toEqual([2, 0])
  })

  test('refuses an axis that does not exist', () => {
    expect(() => F.softmax(zeros([2, 3]), 2)).toThrow(/dim must be a whole number from -2 to 1/)
  })
})

describe('mean', () => {
  test('is the 16-lane sum in row-major order, divided once, in both memory formats', () => {
    const x = random([2, 3, 7, 5], 1)
    const planes = Array.from({ length: 6 }, (_, i) => fround(laneSum(x.data, i * 35, 35, 1) / 35))
    expect([...F.mean(x, [2, 3]).data]).toEqual(planes)
    expect([...F.mean(x.contiguous('channelsLast'), [2, 3]).data]).toEqual(planes)
    expect(F.mean(x).item()).toBe(fround(laneSum(x.data, 0, 210, 1) / 210))
    const columns = Array.from({ length: 35 }, (_, i) => fround(laneSum(x.data, i, 3, 35) / 3))
    expect([...F.mean(x, 1).data].slice(0, 35)).toEqual(columns)
  })

  test('keeps reduced axes where asked, and is NaN of nothing', () => {
    expect(F.mean(zeros([2, 3]), 1, { keepDim: true }).shape).toEqual([2, 1])
    expect([...F.mean(zeros([2, 0]), 1).data]).toEqual([NaN, NaN])
    expect(F.mean(zeros([0, 2]), 1).shape).toEqual([0])
  })
})

test('the async forms give the same bytes', async () => {
  const x = random([2, 3, 4, 5], 1)
  expect((await F.reluAsync(x)).data).toEqual(F.relu(x).data)
  expect((await F.sigmoidAsync(x)).data).toEqual(F.sigmoid(x).data)
  expect((await F.addAsync(x, x)).data).toEqual(F.add(x, x).data)
  expect((await F.softmaxAsync(x, 1)).data).toEqual(F.softmax(x, 1).data)
  expect((await F.meanAsync(x, 1)).data).toEqual(F.mean(x, 1).data)
  await expect(F.reluAsync(1 as never)).rejects.toThrow(/Tensor of float32/)
})
