/**
 * Protects: observers answer PyTorch's scales and zero points, after every batch, in every case of the goldens.
 *
 * PyTorch 1.13 truncates a histogram's bounds to whole numbers; its answers are compared with an observer that counts in
 * that way, so that all else (range, re-binning, search, parameters) is compared value by value. Where a case's bounds
 * are whole anyway, the observer itself must agree.
 */
import { ArgumentError, NotCalibratedError, QParamsError, ShapeError, type Issue } from '../../src/errors'
import {
  FixedQParamsObserver,
  HistogramObserver,
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  MovingAveragePerChannelMinMaxObserver,
  type Observer,
  type ObserverScheme,
  PerChannelMinMaxObserver,
  PlaceholderObserver,
} from '../../src/quantization/observers'
import { countInto } from '../../src/quantization/observers/rebin'
import { getDefaultQConfig, getPerTensorQConfig, type QConfig } from '../../src/quantization/qconfig'
import type { QDType } from '../../src/tensor/dtype'
import { equal, isTensor, type Tensor } from '../../src/tensor/tensor'
import { difference } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, Values, type GoldenCase } from '../support/goldens'

/** Counts as `torch.histc` does with bounds that PyTorch 1.13 has truncated; what lies outside is dropped. */
class TruncatingHistogramObserver extends HistogramObserver {
  protected override count(x: Float32Array, range: { min: number; max: number }): ArrayLike<number> {
    const truncated = { min: Math.trunc(range.min), max: Math.trunc(range.max) }
    const bounds = truncated.min < truncated.max ? truncated : { min: Math.min(...x), max: Math.max(...x) }
    return countInto(
      x.filter((value) => value >= bounds.min && value <= bounds.max),
      bounds,
      this.bins,
    )
  }
}

const classes: Readonly<Record<string, new (options: object) => Observer>> = {
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  PerChannelMinMaxObserver,
  MovingAveragePerChannelMinMaxObserver,
  HistogramObserver: TruncatingHistogramObserver,
}
const optionNames: Readonly<Record<string, string>> = {
  dtype: 'dtype',
  reduce_range: 'reduceRange',
  quant_min: 'quantMin',
  quant_max: 'quantMax',
  eps: 'eps',
  averaging_constant: 'averagingConstant',
  ch_axis: 'chAxis',
  bins: 'bins',
  upsample_rate: 'upsampleRate',
}

function schemeOf(params: Values, perChannel: boolean): ObserverScheme {
  const scheme = params.has('qscheme') ? params.text('qscheme') : 'affine'
  if (scheme === 'float_qparams') return 'perChannelAffineFloatQParams'
  const symmetric = scheme === 'symmetric'
  if (perChannel) return symmetric ? 'perChannelSymmetric' : 'perChannelAffine'
  return symmetric ? 'perTensorSymmetric' : 'perTensorAffine'
}

function make({ op, params }: GoldenCase, table = classes): Observer {
  const options: Record<string, unknown> = { qscheme: schemeOf(params, op.includes('PerChannel')) }
  for (const [key, value] of Object.entries(params.map)) if (key !== 'qscheme') options[optionNames[key] ?? key] = value
  const Class = table[op]
  if (Class === undefined) throw new Error(`no observer ${op}`)
  return new Class(options)
}

function batchesOf({ inputs }: GoldenCase): Tensor[] {
  return inputs.list('batches').map((batch) => {
    if (isTensor(batch) && batch.dtype === 'float32') return batch as Tensor
    throw new Error('a batch is not a float tensor')
  })
}

function parameters(observer: Observer): { scales: number[]; zeroPoints: number[] } {
  if ('calculateFloatQParams' in observer && observer.qscheme === 'perChannelAffineFloatQParams') {
    const { scales, zeroPoints } = (observer as PerChannelMinMaxObserver).calculateFloatQParams()
    return { scales: [...scales], zeroPoints: [...zeroPoints] }
  }
  const qparams = observer.calculateQParams()
  if (qparams.kind === 'perTensor') return { scales: [qparams.scale], zeroPoints: [qparams.zeroPoint] }
  return { scales: [...qparams.scales], zeroPoints: [...qparams.zeroPoints] }
}

function expectStep(observer: Observer, step: Values): void {
  const scales = Array.from(step.plain('scale').data, Number)
  const zeroPoints = Array.from(step.plain('zero_point').data, Number)
  if (!observer.observed) {
    // PyTorch answers scale 1, zero point 0, and warns.
    expect({ scales, zeroPoints }).toEqual({ scales: [1], zeroPoints: [0] })
    expect(() => observer.calculateQParams()).toThrow(NotCalibratedError)
    return
  }
  expect(parameters(observer)).toEqual({ scales, zeroPoints })
  const state = observer.stateDict()
  for (const key of ['min_val', 'max_val']) {
    const { data } = step.plain(key)
    expect(difference(state.get(key)?.data ?? [], data)).toEqual({ max: 0, count: 0, of: data.length })
  }
  if (step.has('histogram')) {
    const counted = difference(state.get('histogram')?.data ?? [], step.plain('histogram').data)
    expect(counted.max).toBeLessThanOrEqual(1e-3)
  }
}

/** Whether truncation changes nothing: the range after a batch lies between two whole numbers, or none was seen. */
function hasWholeBounds(step: Values): boolean {
  const [min, max] = ['min_val', 'max_val'].map((key) => (step.has(key) ? Number(step.plain(key).data[0]) : 0))
  return min !== undefined && max !== undefined && Math.trunc(min) === min && Math.trunc(max) === max
}

function refusal(id: string): new (issue: Issue) => Error {
  if (id.includes('quant range')) return QParamsError
  return id.includes('reduce_range') ? ArgumentError : ShapeError
}

function checkSteps(golden: GoldenCase): void {
  const { outputs, error } = golden.main
  if (error !== undefined) {
    expect(() => {
      const observer = make(golden)
      for (const batch of batchesOf(golden)) observer.forward(batch)
    }).toThrow(refusal(golden.id))
    return
  }
  if (outputs?.has('steps') !== true) {
    checkState(golden)
    return
  }
  const steps = outputs.list('steps').map((step) => new Values(step as Values['map'], golden.id))
  const batches = batchesOf(golden)
  const observers = [make(golden)]
  if (golden.op === 'HistogramObserver' && steps.every(hasWholeBounds))
    observers.push(make(golden, { HistogramObserver: HistogramObserver }))
  for (const observer of observers) {
    expect([observer.quantMin, observer.quantMax]).toEqual([outputs.number('quant_min'), outputs.number('quant_max')])
    expect(observer.eps).toBe(outputs.number('eps'))
    for (const [i, step] of steps.entries()) {
      const batch = batches[i]
      if (batch !== undefined) expect(observer.forward(batch)).toBe(batch)
      expectStep(observer, step)
    }
  }
}

/** state_dict round trips, and reset_min_max_vals. */
function checkState(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const observer = make(golden)
  const batches = golden.inputs.has('batches') ? batchesOf(golden) : [golden.inputs.tensor('x')]
  for (const batch of batches) observer.forward(batch)
  if (!outputs.has('state_dict')) {
    observer.reset()
    expect(observer.stateDict().get('min_val')?.data[0]).toBe(outputs.tensor('min_val').data[0])
    expect(observer.stateDict().get('max_val')?.data[0]).toBe(outputs.tensor('max_val').data[0])
    return
  }
  const theirs = outputs.values('state_dict')
  const dict = new Map(Object.keys(theirs.map).map((key) => [key, theirs.plain(key)]))
  const mine = observer.stateDict()
  for (const [key, value] of dict) expect([key, equal(mine.get(key) ?? value, value)]).toEqual([key, true])
  const loaded = make(golden)
  loaded.loadStateDict(dict)
  expect(loaded.calculateQParams()).toEqual(observer.calculateQParams())
}

const predefined: Readonly<Record<string, () => Observer>> = {
  default_observer: () => new MinMaxObserver({ quantMin: 0, quantMax: 127 }),
  default_weight_observer: () => getPerTensorQConfig().weight(),
  default_histogram_observer: () => new TruncatingHistogramObserver({ quantMin: 0, quantMax: 127 }),
  default_per_channel_weight_observer: () => getDefaultQConfig().weight(),
  weight_observer_range_neg_127_to_127: () =>
    new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric', quantMin: -127, quantMax: 127, eps: 2 ** -12 }),
  per_channel_weight_observer_range_neg_127_to_127: () =>
    new PerChannelMinMaxObserver({
      dtype: 'qint8',
      qscheme: 'perChannelSymmetric',
      quantMin: -127,
      quantMax: 127,
      eps: 2 ** -12,
    }),
  default_float_qparams_observer: () => new PerChannelMinMaxObserver({ qscheme: 'perChannelAffineFloatQParams' }),
}

function checkPredefined(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const observer = predefined[golden.params.text('name')]?.()
  if (observer === undefined) throw new Error(`no predefined observer ${golden.params.text('name')}`)
  expect(observer.kind).toBe(outputs.text('class'))
  expect([observer.quantMin, observer.quantMax, observer.eps]).toEqual(
    ['quant_min', 'quant_max', 'eps'].map((key) => outputs.number(key)),
  )
  observer.forward(golden.inputs.tensor('x'))
  expect(parameters(observer)).toEqual({
    scales: [...outputs.plain('scale').data],
    zeroPoints: [...outputs.plain('zero_point').data].map(Number),
  })
}

function torchScheme(observer: Observer): string {
  return `torch.${observer.qscheme.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
}

function checkQConfig(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const qconfig: QConfig = golden.params.text('backend') === 'qnnpack' ? getPerTensorQConfig() : getDefaultQConfig()
  for (const field of ['activation', 'weight'] as const) {
    const observer = qconfig[field]()
    const theirs = outputs.values(field)
    expect({
      class: observer.kind,
      dtype: `torch.${observer.dtype satisfies QDType}`,
      qscheme: torchScheme(observer),
      range: [observer.quantMin, observer.quantMax],
      eps: observer.eps,
    }).toEqual({
      class: theirs.text('class'),
      dtype: theirs.text('dtype'),
      qscheme: theirs.text('qscheme'),
      range: [theirs.number('quant_min'), theirs.number('quant_max')],
      eps: theirs.number('eps'),
    })
  }
}

function checkFixed(golden: GoldenCase): void {
  const scale = golden.params.number('scale')
  const zeroPoint = golden.params.number('zero_point')
  const theirs = outputsOf(golden).list('qparams')
  expect(theirs.map((value) => (isTensor(value) ? Number(value.data[0]) : value))).toEqual([scale, zeroPoint])
  const observer = new FixedQParamsObserver({ scale, zeroPoint })
  expect(observer.calculateQParams()).toEqual({ kind: 'perTensor', scale, zeroPoint })
}

function checkPlaceholder(golden: GoldenCase): void {
  const observer = new PlaceholderObserver()
  expect(() => observer.calculateQParams()).toThrow(ArgumentError)
  if (!golden.inputs.has('x')) return
  const x = golden.inputs.tensor('x')
  expect(equal(observer.forward(x), outputsOf(golden).tensor('y'))).toBe(true)
}

goldenSuite({
  family: 'observers',
  checks: {
    MinMaxObserver: checkSteps,
    MovingAverageMinMaxObserver: checkSteps,
    PerChannelMinMaxObserver: checkSteps,
    MovingAveragePerChannelMinMaxObserver: checkSteps,
    HistogramObserver: checkSteps,
    FixedQParamsObserver: checkFixed,
    PlaceholderObserver: checkPlaceholder,
    observer: checkPredefined,
    qconfig: checkQConfig,
  },
  listed: [
    {
      ids: /nan|contains [+-]?inf|inf then clean/,
      ops: [
        'MinMaxObserver',
        'MovingAverageMinMaxObserver',
        'PerChannelMinMaxObserver',
        'MovingAveragePerChannelMinMaxObserver',
        'HistogramObserver',
      ],
      reason: 'PyTorch keeps NaN and infinity for good, or fails; here both are skipped and counted',
    },
    {
      ids: /affine: (huge 3e38|float max)/,
      reason:
        'the range overflows float32 and PyTorch answers an infinite scale; here the quotient is formed in float64',
    },
    {
      ids: /edge: (mask -3.4e38|huge 1e30)/,
      reason: 'PyTorch fails to convert the bounds to int64; here any finite range is counted',
    },
    {
      ids: /edge: all (equal values first|zero, then data|equal twice)/,
      reason: 'PyTorch forgets batches of one constant value; here they stay counted',
    },
    {
      ops: ['HistogramObserver'],
      ids: /quint8 symmetric reduce_range True/,
      reason:
        'PyTorch answers a zero point of 128 for the codes 0..127; here it is refused, as MinMaxObserver does there',
    },
    { ops: ['NoopObserver', 'RecordingObserver'], reason: 'not part of the library: calibration keeps no batches' },
    { ops: ['qconfig'], ids: /qat/, reason: 'for training, which the library does not do' },
    {
      ops: ['qconfig'],
      ids: /fbgemm|x86/,
      reason: 'these use 7 bits, since the engines behind them saturate on CPUs without VNNI; ours never do',
    },
  ],
  counts: { run: 258, listed: 46 },
})
