/** Protects: histograms count every value, in bounded memory, and their searched range is one that loses little. */
import fc from 'fast-check'
import { HistogramObserver, MinMaxObserver, PowerOfTwoHistogramObserver } from '../../src/quantization/observers'
import { growRange, rebin } from '../../src/quantization/observers/rebin'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, type Tensor } from '../../src/tensor/tensor'

/** Normal values of a fixed stream. */
function normals(count: number, seed: number, sigma = 1): number[] {
  let state = seed
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()))
    return sigma * radius * Math.cos(2 * Math.PI * uniform())
  })
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

function squaredError(x: Tensor, scale: number, zeroPoint: number): number {
  const y = quantizePerTensor(x, scale, zeroPoint, 'quint8').dequantize().data
  return sum(x.data.map((value, i) => (value - (y[i] ?? 0)) ** 2))
}

const kinds = [
  ['HistogramObserver', () => new HistogramObserver(), (o: HistogramObserver) => o.histogram],
  [
    'PowerOfTwoHistogramObserver',
    () => new PowerOfTwoHistogramObserver(),
    (o: PowerOfTwoHistogramObserver) => o.histogram.counts,
  ],
] as const

describe.each([kinds[0], kinds[1]])('%s', (_, make, countsOf) => {
  const run = (...batches: readonly (readonly number[])[]): InstanceType<typeof HistogramObserver> => {
    const observer = make() as HistogramObserver
    for (const batch of batches) observer.forward(tensor(batch))
    return observer
  }
  const counted = (observer: unknown): number => sum((countsOf as (o: unknown) => Iterable<number>)(observer))

  test.each([
    ['batches of one constant value first', [[2, 2, 2], [2], [1, -3, 5, 0.5]], 8],
    ['a second batch a million times as wide', [normals(1000, 1), normals(1000, 2, 1e6)], 2000],
    ['a second batch a million times as narrow', [normals(1000, 1), normals(1000, 2, 1e-6)], 2000],
    ['a range that grows by less than a bin', [normals(1000, 1), [4.0001], [4.0002]], 1002],
    ['ranges from 1e-38 to 1e38', [[1e-38, -1e-38], [1, 2], [1e30, -1e38], [3e38]], 7],
    [
      'denormals, then the largest floats',
      [
        [1e-45, 2e-45],
        [3.4028234663852886e38, -3.4028234663852886e38],
      ],
      4,
    ],
    ['ranges that grow many times', Array.from({ length: 60 }, (_value, i) => normals(50, i, 1.3 ** i)), 3000],
  ])('edge case 58: every value is counted: %s', (_name, batches, count) => {
    expect(Math.abs(counted(run(...batches)) - count)).toBeLessThanOrEqual(count * 1e-6)
  })

  test('edge case 58: every value is counted whatever the batches', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(fc.array(fc.array(value, { minLength: 1 }), { minLength: 1, maxLength: 6 }), (batches) => {
        const observer = run(...batches)
        expect(Math.abs(counted(observer) - batches.flat().length)).toBeLessThanOrEqual(1e-3)
        expect(observer.minVal).toBeLessThanOrEqual(Math.min(...batches.flat().map(Math.fround)))
        const { scale, zeroPoint } = observer.calculateQParams()
        expect(scale).toBeGreaterThanOrEqual(2 ** -23)
        expect(scale).toBeLessThan(Infinity)
        expect(zeroPoint >= 0 && zeroPoint <= 255).toBe(true)
      }),
    )
  })

  test('edge case 58: the state stays O(bins) however wide the range becomes', () => {
    const observer = run(normals(100, 1, 1e-30), normals(100, 2), normals(100, 3, 1e30))
    expect(observer.stateDict().get('histogram')?.size).toBeLessThanOrEqual(4096)
  })

  test('edge case 61: all mass in one bin, and fewer values than bins', () => {
    expect(run([5, 5, 5]).calculateQParams().scale).toBe(Math.fround(5 / 255))
    const few = run([0, 1, 2])
    expect(few.searchedRange().max).toBeGreaterThan(1.9)
  })

  test('an outlier is clipped where that pays: less error than the whole range', () => {
    const x = tensor([...normals(500000, 7), 15])
    const observer = make()
    const whole = new MinMaxObserver()
    for (const each of [observer, whole]) each.forward(x)
    const searched = observer.calculateQParams()
    const all = whole.calculateQParams()
    const gain = squaredError(x, all.scale, all.zeroPoint) / squaredError(x, searched.scale, searched.zeroPoint)
    expect(gain).toBeGreaterThan(1.3)
  })

  test('a uniform distribution is not clipped by more than a step', () => {
    const values = Array.from({ length: 4096 }, (_value, i) => i / 4096)
    expect(run(values).calculateQParams().scale).toBeCloseTo(1 / 255, 4)
  })
})

describe('HistogramObserver', () => {
  test('does not truncate its bounds to whole numbers, as PyTorch 1.13 does', () => {
    const observer = new HistogramObserver({ bins: 4 })
    observer.forward(tensor([0.5, 0.6, 1.4, 1.5]))
    expect([...observer.histogram]).toEqual([2, 0, 0, 2])
    expect([observer.minVal, observer.maxVal]).toEqual([0.5, 1.5])
  })

  test('a batch inside the range leaves the bins where they are', () => {
    const observer = new HistogramObserver({ bins: 3 })
    observer.forward(tensor([0, 1]))
    for (let i = 0; i < 100; i++) observer.forward(tensor([0.5]))
    expect([observer.minVal, observer.maxVal]).toEqual([0, 1])
    expect([...observer.histogram]).toEqual([1, 100, 1])
  })

  test('re-binning gives what a stored grid of fine cells gives', () => {
    const stored = (counts: Float32Array, down: number, up: number, start: number): Float32Array => {
      const cells = new Float64Array(counts.length * down)
      for (const [bin, count] of counts.entries()) cells.fill(count, start + bin * up, start + (bin + 1) * up)
      const result = new Float32Array(counts.length)
      let running = 0
      let before = 0
      for (const [cell, count] of cells.entries()) {
        running += count
        if ((cell + 1) % down !== 0) continue
        result[(cell + 1) / down - 1] = (running - before) / up
        before = running
      }
      return result
    }
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 })
    const counts = fc.array(fc.float({ noNaN: true, min: 0, max: 1e6 }), { minLength: 8, maxLength: 8 })
    fc.assert(
      fc.property(counts, value, value, value, value, fc.constantFrom(1, 3, 16, 128), (list, a, b, c, d, up) => {
        const from = { min: Math.min(a, b), max: Math.max(a, b) }
        const grid = growRange(from, { min: Math.min(c, d), max: Math.max(c, d) }, 8, up)
        fc.pre(from.min < from.max && (grid?.downsample ?? Infinity) < 20000)
        if (grid === undefined) throw new Error('excluded by the precondition')
        const old = Float32Array.from(list)
        expect(rebin(old, grid)).toEqual(stored(old, grid.downsample, up, grid.start))
      }),
    )
  })

  test('options outside their range are refused', () => {
    expect(() => new HistogramObserver({ bins: 1 })).toThrow('bins')
    expect(() => new HistogramObserver({ upsampleRate: 0 })).toThrow('upsampleRate')
    expect(() => new HistogramObserver({ dtype: 'qint32' })).toThrow('quint8 or qint8')
  })
})

describe('PowerOfTwoHistogramObserver', () => {
  test('its bins lie on a grid of a power of two anchored at 0', () => {
    const observer = new PowerOfTwoHistogramObserver({ bins: 8 })
    observer.forward(tensor([-1, 0.3, 2.9]))
    expect(observer.histogram).toEqual({ counts: Float64Array.of(1, 0, 1, 0, 0, 0, 0, 1), width: 0.5, first: -2 })
    observer.forward(tensor([5]))
    expect(observer.histogram).toEqual({ counts: Float64Array.of(1, 1, 0, 1, 0, 0, 1), width: 1, first: -1 })
  })

  test('chooses about what HistogramObserver chooses', () => {
    const values = normals(50000, 5)
    const ours = new PowerOfTwoHistogramObserver()
    const theirs = new HistogramObserver()
    for (const observer of [ours, theirs]) observer.forward(tensor(values))
    const ratio = ours.calculateQParams().scale / theirs.calculateQParams().scale
    expect(Math.abs(ratio - 1)).toBeLessThan(0.05)
  })

  test('refuses a state whose counts do not lie on the grid of its range', () => {
    const observer = new PowerOfTwoHistogramObserver()
    observer.forward(tensor([1, 2, 3]))
    const state = observer.stateDict()
    state.set('exponent', tensor(3, [], { dtype: 'int32' }))
    expect(() => {
      observer.loadStateDict(state)
    }).toThrow('grid')
  })
})
