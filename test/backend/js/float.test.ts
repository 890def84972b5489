/** Protects the oracle's float kernels: order of sums, one rounding per step, NaN and signed zeros (numerics.md 7). */
import { createJsBackend } from '../../../src/backend/js'

const backend = createJsBackend()
const { fround } = Math
const unbounded = { lo: -Infinity, hi: Infinity }

function linear(x: number[], w: number[], bias: number | null = null, bounds = unbounded): number {
  const y = new Float32Array(1)
  const op = backend.packFloat({
    values: Float32Array.from(w),
    bias: bias === null ? null : Float32Array.of(bias),
    groups: 1,
    outChannels: 1,
    kernel: [1, 1, 1],
    inPerGroup: w.length,
  })
  backend.run('flinear', { op, x: Float32Array.from(x), y, rows: 1, ...bounds })
  return y[0] ?? 0
}

describe('flinear', () => {
  test('adds each product with one rounding: the product of 1 + 2^-12 with itself keeps its last bit', () => {
    const x = 1 + 2 ** -12
    expect(linear([-1, x], [1 + 2 ** -11, x])).toBe(2 ** -24)
  })

  test('starts at the bias and adds in ascending order', () => {
    expect(linear([1, 1], [2 ** -24, 2 ** -24], 1)).toBe(1)
    expect(linear([1, 1, 1], [2 ** -24, 2 ** -24, 1])).toBe(fround(1 + 2 ** -23))
  })

  test('clamps, and lets NaN through', () => {
    expect(linear([1], [-3], null, { lo: 0, hi: 6 })).toBe(0)
    expect(linear([1], [30], null, { lo: 0, hi: 6 })).toBe(6)
    expect(linear([NaN], [1], null, { lo: 0, hi: 6 })).toBeNaN()
  })
})

test('fconv reads padding as +0, which takes part in the sum', () => {
  const op = backend.packFloat({
    values: Float32Array.of(Infinity, 1, 1),
    bias: null,
    groups: 1,
    outChannels: 1,
    kernel: [1, 1, 3],
    inPerGroup: 1,
  })
  const y = new Float32Array(3)
  const geometry = {
    batch: 1,
    groups: 1,
    inChannels: 1,
    outChannels: 1,
    input: [1, 1, 3],
    output: [1, 1, 3],
    kernel: [1, 1, 3],
    stride: [1, 1, 1],
    dilation: [1, 1, 1],
    padding: [0, 0, 1],
  } as const
  backend.run('fconv', { op, residual: null, x: Float32Array.of(1, 2, 3), y, geometry, ...unbounded })
  expect([...y]).toEqual([NaN, Infinity, Infinity])
})

test('fconv runs over kernel rows, columns, then channels, in groups', () => {
  // Weights that are powers of ten name each input that is read: group 1 reads channels 2 and 3.
  const op = backend.packFloat({
    values: Float32Array.of(1, 10, 100, 1000, 1, 10, 100, 1000),
    bias: Float32Array.of(0, 0.5),
    groups: 2,
    outChannels: 2,
    kernel: [1, 1, 2],
    inPerGroup: 2,
  })
  const y = new Float32Array(2)
  const geometry = {
    batch: 1,
    groups: 2,
    inChannels: 4,
    outChannels: 2,
    input: [1, 1, 2],
    output: [1, 1, 1],
    kernel: [1, 1, 2],
    stride: [1, 1, 1],
    dilation: [1, 1, 1],
    padding: [0, 0, 0],
  } as const
  backend.run('fconv', { op, residual: null, x: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), y, geometry, ...unbounded })
  expect([...y]).toEqual([1 + 20 + 500 + 6000, 3.5 + 40 + 700 + 8000])
})

/** The 16-lane sum, written with lists. */
function lanes(values: readonly number[]): number {
  let sums = Array.from({ length: 16 }, (_, lane) =>
    values.filter((_value, i) => i % 16 === lane).reduce((sum, value) => fround(sum + value), 0),
  )
  while (sums.length > 1) {
    const half = sums.length / 2
    sums = sums.slice(0, half).map((value, i) => fround(value + (sums[i + half] ?? 0)))
  }
  return sums[0] ?? 0
}

describe('sums in 16 lanes', () => {
  const values = Array.from({ length: 53 }, (_, i) => fround(Math.sin(i) * 10 ** ((i % 7) - 3)))

  test('a mean divides the lane sum by the length', () => {
    const y = new Float32Array(2)
    backend.run('freduce', {
      x: Float32Array.from([...values, ...values.toReversed()]),
      y,
      rows: 2,
      length: 53,
      op: 'mean',
    })
    expect([...y]).toEqual([fround(lanes(values) / 53), fround(lanes(values.toReversed()) / 53)])
  })

  test('the lanes show: 2^24 and sixteen ones make 2^24 + 14, where one running sum stays at 2^24', () => {
    const y = new Float32Array(1)
    const x = new Float32Array(17).fill(1)
    x[0] = 2 ** 24
    backend.run('freduce', { x, y, rows: 1, length: 17, op: 'mean' })
    expect(y[0]).toBe(fround((2 ** 24 + 14) / 17))
  })

  test('softmax sums its exponentials in lanes and gives 1 for a row of one', () => {
    const y = new Float32Array(53)
    backend.run('softmax', { x: Float32Array.from(values), y, rows: 1, length: 53 })
    const largest = Math.max(...values)
    const exps = new Float32Array(53)
    const shifted = Float32Array.from(values, (value) => value - largest)
    backend.run('funary', { x: shifted, y: exps, op: 'exp', alpha: 0, beta: 0 })
    const sum = lanes([...exps])
    expect([...y]).toEqual([...exps].map((value) => fround(value / sum)))
    const one = new Float32Array(1)
    backend.run('softmax', { x: Float32Array.of(-1e30), y: one, rows: 1, length: 1 })
    expect(one[0]).toBe(1)
  })
})

test('fclamp keeps NaN and turns -0 into +0 at a bound of 0', () => {
  const y = new Float32Array(4)
  backend.run('fclamp', { x: Float32Array.of(NaN, -0, 7, -7), y, lo: 0, hi: 6 })
  expect([...y]).toEqual([NaN, 0, 6, 0])
})

test('fbinary and faffine round every step to float32', () => {
  const [a, b] = [fround(0.1), fround(0.7)]
  const broadcast = { shape: [2, 2], aStrides: [1, 0], bStrides: [0, 1] }
  const y = new Float32Array(4)
  backend.run('fbinary', { a: Float32Array.of(a, 1), b: Float32Array.of(b, 2), y, broadcast, op: 'add' })
  expect([...y]).toEqual([a + b, a + 2, 1 + b, 3].map(fround))
  backend.run('fbinary', { a: Float32Array.of(a, 1), b: Float32Array.of(b, 2), y, broadcast, op: 'mul' })
  expect([...y]).toEqual([a * b, a * 2, b, 2].map(fround))
  const split = { outer: 1, channels: 2, inner: 2 }
  const x = Float32Array.of(a, b, a, b)
  backend.run('faffine', { x, y, split, scales: Float32Array.of(3, a), shifts: Float32Array.of(b, 1) })
  expect([...y]).toEqual([fround(a * 3) + b, fround(b * 3) + b, fround(a * a) + 1, fround(b * a) + 1].map(fround))
})

test('minMax skips NaN and infinities, and has no negative zero', () => {
  const y = new Float32Array(2)
  backend.run('minMax', { x: Float32Array.of(NaN, 3, -Infinity, -2, Infinity), y })
  expect([...y]).toEqual([-2, 3])
  backend.run('minMax', { x: Float32Array.of(-0, 0, -0), y })
  expect([...y]).toEqual([0, 0])
  backend.run('minMax', { x: Float32Array.of(NaN), y })
  expect([...y]).toEqual([Infinity, -Infinity])
})
