/**
 * Protects `explain`: the steps and the text of the forum thread's element, each fault by itself, none in a sound layer, and
 * what it refuses. Other elements: elements.test.ts.
 */
import { ArgumentError, DTypeError, OverflowError, QParamsError, ShapeError } from '../../../src/errors'
import * as quantized from '../../../src/ops/quantized'
import { explain, type ExplainOptions } from '../../../src/quantization/explain'
import type { QDType8 } from '../../../src/tensor/dtype'
import { fromIntRepr, type QTensor } from '../../../src/tensor/qtensor'
import { quantizePerTensor } from '../../../src/tensor/quantize'
import { tensor, type Tensor } from '../../../src/tensor/tensor'

beforeAll(() => {
  jest.spyOn(process, 'emitWarning').mockImplementation()
})
afterAll(() => {
  jest.restoreAllMocks()
})

/** The numbers of the forum thread. */
const x = tensor([4, 19, 13, 0, 3, 19, 7, 3, 17], [1, 1, 3, 3])
const weight = tensor([3, 1, 6, 16, 19, 18, 16, 16, 8], [1, 1, 3, 3])
const bias = tensor([-0.309223473072052])
const qx = quantizePerTensor(x, 0.07450980693101883, 0, 'quint8')
const qw = quantizePerTensor(weight, 0.14901961386203766, 0, 'qint8')
const sound = { index: [0, 0, 0, 0], scale: 3.2, zeroPoint: 0 } as const

function faults(input: QTensor<QDType8>, w: QTensor<QDType8>, b: Tensor | null, options: ExplainOptions): string[] {
  return explain(input, quantized.conv2dPrepack(w, b), options).faults.map(({ code }) => code)
}

describe('explain', () => {
  test("gives the thread's sum step by step", () => {
    const e = explain(qx, quantized.conv2dPrepack(qw, bias), { ...sound, original: { x, weight } })
    expect(e.taps.map(({ product }) => product)).toEqual([1080, 1785, 6960, 0, 5080, 30855, 10058, 4280, 12312])
    expect(e.terms).toEqual({ products: 72410, weightZeroPoint: 0, inputZeroPoint: 0, bothZeroPoints: 0 })
    expect(e.bias.codes).toBe(-28)
    expect(e.accumulator.value).toBe(72382)
    expect(e.accumulator.real).toBeCloseTo(803.689, 2)
    expect(e.code).toBe(251)
    expect(e.real).toBeCloseTo(803.2, 4)
    expect(e.float).toBeCloseTo(803.6896, 3)
    expect(e.original).toBeCloseTo(803.6908, 3)
    expect(e.clamped).toBe('no')
    expect(e.faults).toEqual([])
  })

  test('says what cut a code off: the type, the activation, or the type where the activation asks for more', () => {
    const packed = quantized.conv2dPrepack(qw, bias)
    const at = (options: Partial<ExplainOptions>): string => explain(qx, packed, { ...sound, ...options }).clamped
    expect(at({ scale: 1 })).toBe('range')
    expect(at({ scale: 1, activation: 'relu' })).toBe('range')
    expect(at({ activation: { min: 0, max: 6 } })).toBe('activation')
    expect(at({ scale: 1, activation: { min: 0, max: 900 } })).toBe('range')
    const negative = quantized.conv2dPrepack(qw, tensor([-1000]))
    expect(explain(qx, negative, { ...sound, activation: 'relu' }).clamped).toBe('activation')
    expect(explain(qx, negative, sound).clamped).toBe('range')
  })

  test('names positions in the padding, and gives x its zero point there', () => {
    const shifted = fromIntRepr(new Uint8Array(9).fill(200), [1, 1, 3, 3], 'quint8', { scale: 0.1, zeroPoint: 128 })
    const e = explain(shifted, quantized.conv2dPrepack(qw, bias, { padding: 1 }), sound)
    expect(e.taps.filter(({ xIndex }) => xIndex === undefined).map((tap) => [tap.x, tap.xReal])).toEqual(
      new Array(5).fill([128, 0]),
    )
  })

  test('takes an int32 bias as it is', () => {
    const packed = quantized.conv2dPrepack(qw, tensor([100], [1], { dtype: 'int32' }))
    expect(explain(qx, packed, sound).bias).toEqual({ real: undefined, exact: 100, codes: 100 })
  })
})

describe('explain finds', () => {
  test('an output that saturates, and the least scale that would hold it', () => {
    const e = explain(qx, quantized.conv2dPrepack(qw, bias), { ...sound, scale: 1.5 })
    expect(e.faults.map(({ code }) => code)).toEqual(['OUTPUT_SATURATED'])
    expect(e.faults[0]?.message).toBe(
      'the value is 803.6879, but with scale 1.5 and zero point 0 quint8 ends at 382.5: the code is cut off at 255',
    )
    expect(e.faults[0]?.hint).toBe('This value needs a scale of at least 3.151717.')
  })

  test('a negative output where the zero point is the least code', () => {
    const e = explain(qx, quantized.conv2dPrepack(qw, tensor([-1000])), sound)
    expect(e.faults.map(({ code }) => code)).toEqual(['OUTPUT_SATURATED'])
    expect(e.faults[0]?.hint).toMatch('With zero point 0 there is no code below 0.0')
  })

  test('a scale that was never set: absent, or 1 with zero point 0', () => {
    expect(faults(qx, qw, bias, { index: [0, 0, 0, 0] })).toEqual(['OUTPUT_SCALE_UNSET', 'OUTPUT_SATURATED'])
    expect(faults(qx, qw, bias, { ...sound, scale: 1 })).toEqual(['OUTPUT_SCALE_UNSET', 'OUTPUT_SATURATED'])
  })

  test('a step of the output that is larger than all that the channel can reach', () => {
    expect(faults(qx, qw, bias, { ...sound, scale: 1e5 })).toEqual(['OUTPUT_SCALE_TOO_LARGE'])
  })

  test('weights that are all zero', () => {
    const nothing = fromIntRepr(new Int8Array(9), [1, 1, 3, 3], 'qint8', { scale: 0.1, zeroPoint: 0 })
    expect(faults(qx, nothing, bias, { ...sound, zeroPoint: 3 })).toEqual(['WEIGHTS_ZERO'])
  })

  test("the thread's weight: clipped, and its zero point counted from 0", () => {
    const wrong = quantizePerTensor(weight, 0.07086614519357681, -14, 'qint8')
    expect(faults(qx, wrong, bias, sound)).toEqual(['WEIGHTS_CLIPPED', 'WEIGHT_ZERO_POINT'])
    const e = explain(qx, quantized.conv2dPrepack(wrong, bias), { ...sound, original: { weight } })
    expect(e.faults[0]?.message).toMatch('5 of 9 values lie outside of -8.078741 … 9.992126')
    expect(e.original).toBeGreaterThan(802)
    expect(e.float).toBeLessThan(565)
  })

  test('a few clipped values where the originals are given, though most are not', () => {
    const tight = quantizePerTensor(weight, 0.14, 0, 'qint8')
    expect(faults(qx, tight, bias, sound)).toEqual([])
    expect(faults(qx, tight, bias, { ...sound, original: { weight } })).toEqual(['WEIGHTS_CLIPPED'])
  })

  test('an input that is clipped, and its zero point counted from 0', () => {
    const clippedInput = quantizePerTensor(weight, 0.07086614519357681, -14, 'qint8')
    expect(faults(clippedInput, qw, bias, { ...sound, scale: 9, dtype: 'quint8' })).toEqual([
      'INPUT_CLIPPED',
      'INPUT_ZERO_POINT',
    ])
  })

  test('a bias beyond what int32 holds with room', () => {
    const tiny = quantizePerTensor(tensor([1e-8, 0], [1, 1, 1, 2]), 1e-9, 0, 'qint8')
    const input = quantizePerTensor(tensor([1, 2], [1, 1, 1, 2]), 0.01, 0, 'quint8')
    expect(faults(input, tiny, tensor([0.015]), { index: [0, 0, 0, 0], scale: 1e-10, zeroPoint: 0 })).toEqual([
      'OUTPUT_SATURATED',
      'BIAS_CLIPPED',
    ])
  })

  test('a window that lies in the padding', () => {
    const e = explain(qx, quantized.conv2dPrepack(qw, tensor([5]), { padding: 3 }), { ...sound, scale: 0.5 })
    expect(e.faults.map(({ code }) => code)).toEqual(['WINDOW_IN_PADDING'])
    expect(e.real).toBe(5)
  })
})

describe('the text of an explanation', () => {
  test('has every step, what it stands for, and the faults', () => {
    const wrong = quantizePerTensor(weight, 0.07086614519357681, -14, 'qint8')
    const input = quantizePerTensor(x, 0.07480315119028091, 0, 'quint8')
    const packed = quantized.conv2dPrepack(wrong, bias)
    const text = String(
      explain(input, packed, { index: [0, 0, 0, 0], scale: 1, zeroPoint: 0, original: { x, weight } }),
    )
    expect(text).toBe(
      [
        'quantized conv2d, output element [0, 0, 0, 0]',
        '',
        '  x  quint8  scale 0.07480315  zero point 0',
        '  w  qint8   scale 0.07086615  zero point -14  output channel 0',
        '  y  quint8  scale 1           zero point 0    codes 0..255',
        '',
        'window: 9 products',
        '  at            x    real x    w    real w    x*w',
        '  [0, 0, 0, 0]   53  3.964567   28  2.976378   1484',
        '  [0, 0, 0, 1]  254        19    0  0.992126      0',
        '  [0, 0, 0, 2]  174  13.01575   71  6.023623  12354',
        '  [0, 0, 1, 0]    0         0  127  9.992126      0',
        '  [0, 0, 1, 1]   40  2.992126  127  9.992126   5080',
        '  [0, 0, 1, 2]  254        19  127  9.992126  32258',
        '  [0, 0, 2, 0]   94  7.031496  127  9.992126  11938',
        '  [0, 0, 2, 1]   40  2.992126  127  9.992126   5080',
        '  [0, 0, 2, 2]  227  16.98032   99  8.007874  22473',
        '',
        'steps',
        '  sum of products  Σ x*w                                     90667',
        '  zero point of w  -(-14) * Σ x                              15904',
        '  zero point of x  -0 * Σ w                                      0',
        '  both             9 * zx * zw                                   0',
        '  bias             -0.3092235 / (sx * sw) = -58.33292          -58  stands for -0.3092235',
        '  accumulator      sum of these, int32                      106513  stands for 564.6266',
        '  multiplier       sx * sw / sy                        0.005301011',
        '  scaled           accumulator * multiplier               564.6266  steps from the zero point of y',
        '  rounded          half to even, cut off to 0..255             255',
        '  code             rounded + 0                                 255  stands for 255',
        '',
        'beside it',
        '  float, from what the codes stand for     564.6248',
        '  float, from the original x, w and bias   803.6908',
        '  this result                                   255',
        '  difference                              -548.6908',
        '  difference in steps of y                -548.6908',
        '',
        'faults',
        '  OUTPUT_SCALE_UNSET: the output has scale 1 and zero point 0: what a layer has before anything has set it.',
        "    Calibrate: an observer of the layer's output computes both from real data.",
        '  OUTPUT_SATURATED: the value is 564.6266, but with scale 1 and zero point 0 quint8 ends at 255: the code is cut off at 255.',
        '    This value needs a scale of at least 2.214222.',
        '  WEIGHTS_CLIPPED: the weight is clipped: 5 of 9 values lie outside of -8.078741 … 9.992126, which is all that qint8 holds with scale 0.07086615 and zero point -14.',
        '    Take scale and zero point from an observer of the weight: its range then fits the codes.',
        "  WEIGHT_ZERO_POINT: the weight's zero point -14 looks as if it was counted from 0, where quint8 begins, but qint8 begins at -128: no code is below 0, half of the range.",
        '    The formula is qmin - round(min / scale), with qmin -128 for qint8 and a range that includes 0; a symmetric weight has zero point 0.',
      ].join('\n'),
    )
  })

  test('lists 32 products and counts the rest', () => {
    const w = quantizePerTensor(tensor(new Array<number>(40).fill(1), [1, 40]), 0.01, 0, 'qint8')
    const input = quantizePerTensor(tensor(new Array<number>(40).fill(1), [1, 40]), 0.01, 0, 'quint8')
    const text = String(explain(input, quantized.linearPrepack(w), { index: [0, 0], scale: 0.2, zeroPoint: 0 }))
    expect(text).toMatch('  … and 8 more')
    expect(text).toMatch(/no faults found$/)
  })
})

describe('explain refuses', () => {
  const packed = quantized.conv2dPrepack(qw, bias)
  const call = (options: unknown, input: unknown = qx, weights: unknown = packed): (() => unknown) => {
    return () => explain(input as never, weights as never, options as never)
  }

  test('an index outside of the output', () => {
    for (const index of [[0, 0, 0], [0, 0, 0, 1], [0, 0, 0, -1], [0, 0, 0, 0.5], undefined, 'x'])
      expect(call({ ...sound, index })).toThrow(ShapeError)
    expect(call({ ...sound, index: [0, 1, 0, 0] })).toThrow('whose shape is [1, 1, 1, 1], but got [0, 1, 0, 0]')
  })

  test('options it does not know, and values that are none', () => {
    expect(call({ ...sound, scales: 1 })).toThrow('unknown key, "scales"')
    expect(call({ ...sound, activation: 'gelu' })).toThrow(ArgumentError)
    expect(call({ ...sound, scale: 0 })).toThrow(QParamsError)
    expect(call({ ...sound, zeroPoint: 300 })).toThrow(QParamsError)
    expect(call({ ...sound, original: { x: tensor([1]) } })).toThrow('of shape [1, 1, 3, 3], as what was quantized')
    expect(call({ ...sound, original: { weight: qw } })).toThrow(DTypeError)
  })

  test('a layer that the op refuses, because its sums could overflow', () => {
    const tiny = quantizePerTensor(tensor([1e-8, 0], [1, 1, 1, 2]), 1e-9, 0, 'qint8')
    const input = quantizePerTensor(tensor([1, 2], [1, 1, 1, 2]), 0.01, 0, 'quint8')
    const overflowing = quantized.conv2dPrepack(tiny, tensor([1]))
    expect(() => quantized.conv2d(input, overflowing, 1, 0)).toThrow(OverflowError)
    expect(call({ ...sound, scale: 1 }, input, overflowing)).toThrow(OverflowError)
  })

  test('a float input, and weights that are not packed', () => {
    expect(call(sound, x)).toThrow(DTypeError)
    expect(call(sound, qx, qw)).toThrow(ArgumentError)
  })
})
