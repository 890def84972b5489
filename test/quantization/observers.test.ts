/** Protects: what observers do with awkward data, what they refuse, and that their state survives saving and merging. */
import fc from 'fast-check'
import { ArgumentError, DTypeError, FormatError, NotCalibratedError, QParamsError, ShapeError } from '../../src/errors'
import {
  FixedQParamsObserver,
  HistogramObserver,
  isObserver,
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  MovingAveragePerChannelMinMaxObserver,
  PerChannelMinMaxObserver,
  PlaceholderObserver,
  PowerOfTwoHistogramObserver,
  type Observer,
  type ObserverOptions,
} from '../../src/quantization/observers'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, zeros, type Tensor } from '../../src/tensor/tensor'

type Make = (options?: ObserverOptions) => Observer

const perTensor: readonly (readonly [string, Make])[] = [
  ['MinMaxObserver', (options) => new MinMaxObserver(options)],
  ['MovingAverageMinMaxObserver', (options) => new MovingAverageMinMaxObserver(options)],
  ['HistogramObserver', (options) => new HistogramObserver(options)],
  ['PowerOfTwoHistogramObserver', (options) => new PowerOfTwoHistogramObserver(options)],
]
const all: readonly (readonly [string, Make])[] = [
  ...perTensor,
  ['PerChannelMinMaxObserver', () => new PerChannelMinMaxObserver()],
  ['MovingAveragePerChannelMinMaxObserver', () => new MovingAveragePerChannelMinMaxObserver()],
]
const order = (name: string): boolean => !name.startsWith('Moving')

function seen(make: Make, ...batches: readonly (readonly number[])[]): Observer {
  const observer = make()
  for (const batch of batches) observer.forward(row(batch))
  return observer
}

function row(values: readonly number[]): Tensor {
  return tensor(values, [1, values.length])
}

function scaleOf(observer: Observer): number {
  const qparams = observer.calculateQParams()
  return qparams.kind === 'perTensor' ? qparams.scale : (qparams.scales[0] ?? NaN)
}

function zeroPointOf(observer: Observer): number {
  const qparams = observer.calculateQParams()
  return qparams.kind === 'perTensor' ? qparams.zeroPoint : (qparams.zeroPoints[0] ?? NaN)
}

const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e30), max: Math.fround(1e30) })
const batch = fc.array(finite, { minLength: 1, maxLength: 40 })
const batches = fc.array(batch, { minLength: 1, maxLength: 5 })

describe('every observer', () => {
  test.each(all)('%s returns its input, the very tensor', (_, make) => {
    const x = row([1, -2])
    expect(make().forward(x)).toBe(x)
  })

  test.each(perTensor)('%s, edge case 52: the range always includes 0', (_, make) => {
    expect(zeroPointOf(seen(make, [1, 3]))).toBe(0)
    expect(zeroPointOf(seen(make, [-3, -1]))).toBe(255)
    expect(scaleOf(seen(make, [3, 3]))).toBe(Math.fround(3 / 255))
  })

  test.each(all)('%s, edge case 53: ranges of 0, of a constant and of 1e-41 give a usable scale', (_, make) => {
    expect(scaleOf(seen(make, [0, 0]))).toBe(2 ** -23)
    expect(scaleOf(seen(make, [1e-41, -1e-41]))).toBe(2 ** -23)
    expect(scaleOf(seen(make, [7.5, 7.5], [7.5]))).toBe(Math.fround(7.5 / 255))
    expect(zeroPointOf(seen(make, [0, 0]))).toBe(0)
  })

  test.each(all)('%s, edge case 54: without data it throws, also after an empty batch', (_, make) => {
    const observer = make()
    expect(() => observer.calculateQParams()).toThrow(NotCalibratedError)
    observer.forward(zeros([0, 3]))
    expect(observer.observed).toBe(false)
    expect(() => observer.calculateQParams()).toThrow('has seen no data')
  })

  test.each(all)(
    '%s, edge case 55: NaN and infinities are skipped and counted, in short and long tensors',
    (_, make) => {
      for (const length of [5, 5000]) {
        const values = new Array<number>(length).fill(0.5)
        values.splice(0, 5, NaN, 1, Infinity, -Infinity, NaN)
        const observer = seen(make, values)
        expect(observer.skipped).toEqual({ nan: 2, inf: 2 })
        expect(scaleOf(observer)).toBe(scaleOf(seen(make, values.filter(Number.isFinite))))
        observer.reset()
        expect(observer.skipped).toEqual({ nan: 0, inf: 0 })
      }
    },
  )

  test.each(all)('%s says so where it has seen nothing but NaN and infinity', (_, make) => {
    const observer = seen(make, [NaN, Infinity])
    expect(observer.observed).toBe(false)
    expect(() => observer.calculateQParams()).toThrow('NaN 1 times and infinity 1 times')
    observer.forward(row([1]))
    expect(scaleOf(observer)).toBe(Math.fround(1 / 255))
  })

  test.each(all)('%s, edge case 55: an attention mask of -3.4e38 gives a finite scale', (_, make) => {
    const scale = scaleOf(seen(make, [-3.4028234663852886e38, 1, 2], [3.4028234663852886e38]))
    expect(scale).toBeGreaterThan(0)
    expect(scale).toBeLessThan(Infinity)
  })

  test.each(all)('%s, edge case 60: a loaded state gives the same bits', (_, make) => {
    fc.assert(
      fc.property(batches, (data) => {
        const saved = seen(make, ...data, [NaN, 1])
        const loaded = make()
        loaded.loadStateDict(saved.stateDict())
        expect(loaded.calculateQParams()).toEqual(saved.calculateQParams())
        expect(loaded.skipped).toEqual(saved.skipped)
        loaded.forward(row([3, -5]))
        saved.forward(row([3, -5]))
        expect(loaded.stateDict()).toEqual(saved.stateDict())
      }),
    )
  })

  test.each(all)('%s saves and loads that it has seen nothing', (_, make) => {
    const loaded = seen(make, [1, 2])
    loaded.loadStateDict(make().stateDict())
    expect(loaded.observed).toBe(false)
  })

  test.each(all)('%s forgets everything on reset', (_, make) => {
    const observer = seen(make, [100, -100])
    observer.reset()
    expect(observer.stateDict()).toEqual(make().stateDict())
    observer.forward(row([1]))
    expect(observer.calculateQParams()).toEqual(seen(make, [1]).calculateQParams())
  })

  test.each(all)('%s refuses a state that is not its own', (_, make) => {
    const state = seen(make, [1, 2]).stateDict()
    const without = new Map([...state].filter(([key]) => key !== 'min_val'))
    expect(() => {
      make().loadStateDict(without)
    }).toThrow(FormatError)
    expect(() => {
      make().loadStateDict(new Map([...state, ['other', tensor(1)]]))
    }).toThrow('other')
    expect(() => {
      make().loadStateDict(new Map([...state, ['min_val', tensor([1, 2, 3], [3, 1])]]))
    }).toThrow(FormatError)
    expect(() => {
      make().loadStateDict(new Map([...state, ['eps', tensor([1])]]))
    }).toThrow(ArgumentError)
  })

  test.each(all)('%s refuses a quantized tensor', (_, make) => {
    const q: unknown = quantizePerTensor(tensor([1, 2]), 1, 0, 'quint8')
    expect(() => make().forward(q as Tensor)).toThrow(DTypeError)
  })

  test.each(perTensor)('%s, edge case 56: symmetric ranges, reduced ranges and given ranges', (_, make) => {
    const of = (options: ObserverOptions): readonly number[] => {
      const observer = make(options)
      observer.forward(row([-1, 2]))
      return [observer.quantMin, observer.quantMax, zeroPointOf(observer)]
    }
    expect(of({ qscheme: 'perTensorSymmetric' })).toEqual([0, 255, 128])
    expect(of({ qscheme: 'perTensorSymmetric', dtype: 'qint8' })).toEqual([-128, 127, 0])
    expect(of({ dtype: 'qint8', reduceRange: true }).slice(0, 2)).toEqual([-64, 63])
    expect(of({ reduceRange: true }).slice(0, 2)).toEqual([0, 127])
    expect(of({ quantMin: 0, quantMax: 15 }).slice(0, 2)).toEqual([0, 15])
    expect(() => make({ qscheme: 'perTensorSymmetric', reduceRange: true })).toThrow(ArgumentError)
    expect(() => make({ quantMin: 1, quantMax: 15 })).toThrow(QParamsError)
    expect(() => make({ quantMin: 0 })).toThrow(ArgumentError)
    expect(() => make({ eps: 0 })).toThrow(QParamsError)
    expect(() => make({ qscheme: 'perChannelAffine' })).toThrow(ArgumentError)
    // @ts-expect-error an option that does not exist
    expect(() => make({ bits: 4 })).toThrow(ArgumentError)
  })
})

describe('order and merging', () => {
  test.each(all.filter(([name]) => order(name) && name !== 'HistogramObserver'))(
    '%s, edge case 59: the order and the cut of batches do not matter',
    (_, make) => {
      fc.assert(
        fc.property(batches, (data) => {
          const reversed = [...data].reverse()
          expect(rowsOf(make, [data.flat()]).stateDict()).toEqual(rowsOf(make, reversed).stateDict())
        }),
      )
    },
  )

  test.each(all.filter(([name]) => order(name) && name !== 'HistogramObserver'))(
    '%s merges as if it had seen both halves',
    (_, make) => {
      fc.assert(
        fc.property(batches, batches, (a, b) => {
          const merged = rowsOf(make, a)
          merged.merge(rowsOf(make, b))
          expect(merged.stateDict()).toEqual(rowsOf(make, [...a, ...b]).stateDict())
        }),
      )
    },
  )

  test.each(all.filter(([name]) => order(name) && name !== 'HistogramObserver'))(
    '%s merges with one that has seen nothing, and counts what both skipped',
    (_, make) => {
      const observer = seen(make, [1, NaN])
      observer.merge(seen(make, [Infinity]))
      expect(observer.calculateQParams()).toEqual(seen(make, [1]).calculateQParams())
      expect(observer.skipped).toEqual({ nan: 1, inf: 1 })
      const empty = make()
      empty.merge(seen(make, [1]))
      expect(empty.calculateQParams()).toEqual(observer.calculateQParams())
    },
  )

  test.each([
    ['MovingAverageMinMaxObserver', () => new MovingAverageMinMaxObserver(), 'depends on the order'],
    [
      'MovingAveragePerChannelMinMaxObserver',
      () => new MovingAveragePerChannelMinMaxObserver(),
      'depends on the order',
    ],
    ['HistogramObserver', () => new HistogramObserver(), 'PowerOfTwoHistogramObserver'],
  ] as const)('%s refuses to merge, since it could not be exact', (_, make, hint) => {
    expect(() => {
      make().merge(make())
    }).toThrow(hint)
  })

  test('merging refuses another class, other options and what is no observer', () => {
    const observer = new MinMaxObserver()
    expect(() => {
      observer.merge(new HistogramObserver())
    }).toThrow('HistogramObserver')
    expect(() => {
      observer.merge(new MinMaxObserver({ dtype: 'qint8' }))
    }).toThrow('qint8')
    expect(() => {
      new PerChannelMinMaxObserver({ chAxis: 1 }).merge(new PerChannelMinMaxObserver())
    }).toThrow('chAxis')
    expect(() => {
      const stranger: unknown = {}
      observer.merge(stranger as Observer)
    }).toThrow(ArgumentError)
  })

  test.each(all.filter(([name]) => order(name) && !name.includes('Histogram')))(
    '%s, edge case 60: calibrating twice with the same data is the same as once',
    (_, make) => {
      expect(seen(make, [1, -2], [1, -2]).calculateQParams()).toEqual(seen(make, [1, -2]).calculateQParams())
    },
  )
})

/** Batches as rows, so that observers per channel see one channel. */
function rowsOf(make: Make, data: readonly (readonly number[])[]): Observer {
  return seen(make, ...data)
}

describe('moving averages', () => {
  test('edge case 57: the first batch sets the range, a constant of 1 takes each batch, one of 0 keeps the first', () => {
    const of = (averagingConstant: number): readonly number[] => {
      const observer = new MovingAverageMinMaxObserver({ averagingConstant })
      observer.forward(tensor([-1, 1]))
      observer.forward(tensor([-3, 2]))
      return [observer.minVal, observer.maxVal]
    }
    expect(of(1)).toEqual([-3, 2])
    expect(of(0)).toEqual([-1, 1])
    expect(of(0.5)).toEqual([-2, 1.5])
    expect(() => of(1.5)).toThrow(ArgumentError)
  })

  test('a difference beyond float32 does not become infinite', () => {
    const observer = new MovingAverageMinMaxObserver({ averagingConstant: 0.5 })
    observer.forward(tensor([-3e38, -3e38]))
    observer.forward(tensor([3e38]))
    expect(observer.minVal).toBe(0)
  })
})

describe('observers per channel', () => {
  test.each([0, 1, 2, 3])('edge case 57: axis %i, in both memory formats', (chAxis) => {
    const x = tensor(
      Array.from({ length: 2 * 3 * 4 * 5 }, (_, i) => ((i * 37) % 101) - 50),
      [2, 3, 4, 5],
    )
    const expected = x.permute([chAxis, ...[0, 1, 2, 3].filter((axis) => axis !== chAxis)])
    const channels = expected.shape[0] ?? 0
    const inner = expected.size / channels
    const mins = Array.from({ length: channels }, (_, c) =>
      Math.min(...expected.data.subarray(c * inner, (c + 1) * inner)),
    )
    for (const format of ['contiguous', 'channelsLast'] as const) {
      const observer = new PerChannelMinMaxObserver({ chAxis })
      observer.forward(x.contiguous(format))
      expect([...observer.minVal]).toEqual(mins)
    }
  })

  test('edge case 57: a channel count that changes is refused, and nothing of that batch is kept', () => {
    const observer = new PerChannelMinMaxObserver()
    observer.forward(tensor([1, 2, 3], [3, 1]))
    expect(() => observer.forward(tensor([9, NaN, 9, 9], [4, 1]))).toThrow(ShapeError)
    expect([...observer.maxVal]).toEqual([1, 2, 3])
    expect(observer.skipped).toEqual({ nan: 0, inf: 0 })
  })

  test('a tensor without the axis, or of one dimension, is refused', () => {
    expect(() => new PerChannelMinMaxObserver().forward(tensor([1, 2]))).toThrow(ShapeError)
    expect(() => new PerChannelMinMaxObserver({ chAxis: 2 }).forward(tensor([1, 2], [1, 2]))).toThrow(ShapeError)
    expect(() => new PerChannelMinMaxObserver({ chAxis: -1 })).toThrow(ArgumentError)
  })

  test('edge case 43: a channel of zeros, or of NaN alone, gets the least scale and not 0', () => {
    const observer = new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' })
    observer.forward(tensor([0, 0, NaN, NaN, 1, -1], [3, 2]))
    expect(observer.calculateQParams()).toEqual({
      kind: 'perChannel',
      scales: Float32Array.of(2 ** -23, 2 ** -23, 1 / 127.5),
      zeroPoints: Int32Array.of(0, 0, 0),
      axis: 0,
    })
  })

  test('zero points that are not whole are had by calculateFloatQParams alone', () => {
    const floats = new PerChannelMinMaxObserver({ qscheme: 'perChannelAffineFloatQParams' })
    floats.forward(tensor([1, 256], [1, 2]))
    expect(floats.calculateFloatQParams()).toEqual({
      kind: 'perChannelFloat',
      scales: Float32Array.of(1),
      zeroPoints: Float32Array.of(-1),
      axis: 0,
    })
    expect(() => floats.calculateQParams()).toThrow('calculateFloatQParams')
    expect(() => new PerChannelMinMaxObserver().calculateFloatQParams()).toThrow('calculateQParams')
  })
})

describe('observers without data', () => {
  test('FixedQParamsObserver checks its parameters and keeps them', () => {
    const observer = new FixedQParamsObserver({ scale: 1 / 256, zeroPoint: 0 })
    observer.forward(tensor([100, -100]))
    expect(observer.calculateQParams()).toEqual({ kind: 'perTensor', scale: 1 / 256, zeroPoint: 0 })
    observer.merge(new FixedQParamsObserver({ scale: 1 / 256, zeroPoint: 0 }))
    observer.loadStateDict(observer.stateDict())
    expect(observer.observed).toBe(true)
    expect(() => new FixedQParamsObserver({ scale: 0, zeroPoint: 0 })).toThrow(QParamsError)
    expect(() => new FixedQParamsObserver({ scale: 1, zeroPoint: -1 })).toThrow(QParamsError)
  })

  test('PlaceholderObserver has no parameters', () => {
    const observer = new PlaceholderObserver()
    observer.forward(tensor([1]))
    expect(observer.observed).toBe(false)
    expect(() => observer.calculateQParams()).toThrow('placeholder')
  })

  test('isObserver tells observers from other things', () => {
    expect(isObserver(new MinMaxObserver())).toBe(true)
    expect(isObserver(MinMaxObserver)).toBe(false)
    expect(isObserver(null)).toBe(false)
  })
})
