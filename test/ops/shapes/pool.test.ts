/** Protects the windows of pools: which elements each holds, what an average divides by, and what is refused. */
import fc from 'fast-check'
import { ShapeError } from '../../../src/errors'
import { readAdaptivePool, readAvgPool, readMaxPool, type AvgPoolOptions } from '../../../src/ops/shapes/pool'

/** The input indices of each window along the last axis. */
function windowsOf(size: number, kernel: number, options: object = {}): number[][] {
  const { windows } = readMaxPool('test', [1, 1, size], 1, kernel, options)
  const [, , starts] = windows.starts
  const [, , counts] = windows.counts
  return Array.from(starts, (start, o) =>
    Array.from({ length: counts[o] ?? 0 }, (_, j) => start + j * windows.steps[2]),
  )
}

function divisorsOf(size: number, kernel: number, options: AvgPoolOptions): number[] {
  return [...readAvgPool('test', [1, 1, size], 1, kernel, options).divisors()]
}

describe('a max pool', () => {
  test('steps by its kernel unless told otherwise', () => {
    expect(windowsOf(7, 3)).toEqual([
      [0, 1, 2],
      [3, 4, 5],
    ])
  })

  test('edge 73: drops a ceil-mode window that would begin in the padding behind', () => {
    expect(windowsOf(4, 2, { stride: 3, padding: 1, ceilMode: true })).toEqual([[0], [2, 3]])
    expect(windowsOf(5, 2, { stride: 2, ceilMode: true })).toEqual([[0, 1], [2, 3], [4]])
  })

  test('has an empty window where dilation steps over the input', () => {
    expect(windowsOf(1, 2, { padding: 1, dilation: 2, stride: 1 })).toEqual([[]])
  })

  test('holds exactly the elements of the definition', () => {
    const number = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max })
    fc.assert(
      fc.property(
        number(1, 12),
        number(1, 5),
        number(1, 4),
        number(1, 3),
        number(0, 2),
        fc.boolean(),
        (size, kernel, stride, dilation, pad, ceilMode) => {
          fc.pre(2 * pad <= kernel && dilation * (kernel - 1) + 1 <= size + 2 * pad)
          const span = size + 2 * pad - dilation * (kernel - 1) - 1
          let count = (ceilMode ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1
          if (ceilMode && (count - 1) * stride >= size + pad) count--
          const expected = Array.from({ length: count }, (_, o) =>
            Array.from({ length: kernel }, (_unused, k) => o * stride - pad + k * dilation).filter(
              (i) => i >= 0 && i < size,
            ),
          )
          expect(windowsOf(size, kernel, { stride, dilation, padding: pad, ceilMode })).toEqual(expected)
        },
      ),
    )
  })

  test('takes inputs with and without a batch axis', () => {
    expect(readMaxPool('test', [3, 8, 8], 2, 2, {}).shape).toEqual([3, 4, 4])
    expect(readMaxPool('test', [2, 3, 8, 8], 2, [2, 4], {}).shape).toEqual([2, 3, 4, 2])
    expect(readMaxPool('test', [2, 3, 4, 8, 8], 3, 2, {}).shape).toEqual([2, 3, 2, 4, 4])
  })

  test.each<[string, number[], number, object, RegExp]>([
    ['padding above half the kernel', [1, 1, 4, 4], 2, { padding: 2 }, /at most half the kernel \(2\)/],
    ['stride 0', [1, 1, 4, 4], 2, { stride: 0 }, /options.stride/],
    ['a window larger than the input', [1, 1, 4, 4], 5, {}, /larger than the padded input/],
    ['a wrong rank', [4, 4], 2, {}, /\[N, C, H, W\] or \[C, H, W\]/],
    ['options of an average', [1, 1, 4, 4], 2, { countIncludePad: true }, /unknown key/],
    ['ceilMode that is no boolean', [1, 1, 4, 4], 2, { ceilMode: 1 }, /a boolean/],
  ])('refuses %s', (_, shape, kernel, options, message) => {
    expect(() => readMaxPool('test', shape, 2, kernel, options)).toThrow(message)
  })
})

describe('an average divides', () => {
  test('by the kernel, padding included', () => {
    expect(divisorsOf(4, 3, { stride: 1, padding: 1 })).toEqual([3, 3, 3, 3])
  })

  test('by the elements inside, without padding', () => {
    expect(divisorsOf(4, 3, { stride: 1, padding: 1, countIncludePad: false })).toEqual([2, 3, 3, 2])
  })

  test('edge 73: by what of the padded input a ceil-mode window covers', () => {
    expect(divisorsOf(6, 3, { stride: 2, padding: 1, ceilMode: true })).toEqual([3, 3, 3, 2])
    expect(divisorsOf(6, 3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false })).toEqual([2, 3, 3, 1])
  })

  test('by divisorOverride', () => {
    expect(divisorsOf(4, 2, { divisorOverride: 5 })).toEqual([5, 5])
    expect(() => divisorsOf(4, 2, { divisorOverride: 0 })).toThrow(ShapeError)
  })

  test('by the product over the axes', () => {
    const { divisors } = readAvgPool('test', [1, 1, 3, 4], 2, [3, 2], {
      stride: [1, 2],
      padding: [1, 0],
      countIncludePad: false,
    })
    expect([...divisors()]).toEqual([4, 4, 6, 6, 4, 4])
  })
})

describe('an adaptive pool', () => {
  test('sees from floor(o * size / n) to ceil((o + 1) * size / n)', () => {
    const { windows, shape } = readAdaptivePool('test', [1, 2, 7], 1, 3)
    expect(shape).toEqual([1, 2, 3])
    expect([...windows.starts[2]]).toEqual([0, 2, 4])
    expect([...windows.counts[2]]).toEqual([3, 3, 3])
  })

  test('keeps an axis whose size is null, and can have more outputs than inputs', () => {
    expect(readAdaptivePool('test', [2, 9, 8], 2, [null, 11]).shape).toEqual([2, 9, 11])
  })

  test('can have no output', () => {
    expect(readAdaptivePool('test', [2, 9, 8], 2, [0, 3]).shape).toEqual([2, 0, 3])
  })

  test.each([
    ['a size for each axis but one', [1], /an array of 2/],
    ['a negative size', -1, /outputSize/],
    ['edge 15: an output beyond 2^31 elements', 2 ** 24, /at most 2147483647 elements/],
    ['a table beyond all memory', 2 ** 31 - 1, /at most 67108864/],
  ])('refuses %s', (_, outputSize, message) => {
    expect(() => readAdaptivePool('test', [1, 2, 9, 8], 2, outputSize)).toThrow(message)
  })
})
