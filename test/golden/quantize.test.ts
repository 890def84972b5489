/** Protects quantize, dequantize and dynamic parameters: PyTorch's codes exactly, but for its bugs. */
import { codeRange, type QDType, type QDType8 } from '../../src/tensor/dtype'
import type { QTensor } from '../../src/tensor/qtensor'
import { quantizePerChannel, quantizePerTensor, quantizePerTensorDynamic } from '../../src/tensor/quantize'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { difference, expectClose, expectQuantized, expectRefusal } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, type GoldenCase } from '../support/goldens'

/** The input as the case prepares it: two of them view it first. */
function input({ id, inputs }: GoldenCase): Tensor {
  const x = inputs.tensor('x')
  if (id === 'transposed view') return x.permute([1, 0])
  if (id !== 'step-2 slice') return x
  const [rows = 0, columns = 0] = x.shape
  const every = Array.from({ length: rows }, (_, row) => row * columns)
  const halves = every.flatMap((start) => [...x.data.slice(start, start + columns)].filter((_, i) => i % 2 === 0))
  return tensor(halves, [rows, halves.length / rows])
}

/** Scales that are not normal float32, a zero point with a fraction: PyTorch takes them. */
const refusedHere = [
  /^odd scale (0\.0|-.*|nan|inf|1e-45|1e-40|1e-38|2\.94e-39|1e-300|1e\+300) is accepted by torch$/,
  /a fractional zero point is truncated/,
]
/** Values whose quotient is beyond int64. */
const beyond = /^nan, inf and huge|^the same repeated|^odd scale|^per channel nan, inf$/

function perTensor(golden: GoldenCase): void {
  const { params } = golden
  const dtype = params.text('dtype') as QDType
  const call = (): QTensor =>
    quantizePerTensor(input(golden), params.number('scale'), params.number('zero_point'), dtype)
  if (golden.main.error !== undefined || refusedHere.some((pattern) => pattern.test(golden.id))) {
    expectRefusal(call)
    return
  }
  const q = call()
  if (beyond.test(golden.id)) {
    beyondInt64(golden, q)
    return
  }
  const outputs = outputsOf(golden)
  expectQuantized(q, outputs.codes('q'))
  if (outputs.has('dequantized')) expectClose(q.dequantize(), outputs.tensor('dequantized'), {})
  if (q.rank >= 3 && q.rank <= 5) expect(q.memoryFormat === 'channelsLast').toBe(outputs.codes('q').channelsLast)
}

/**
 * PyTorch sends NaN and everything whose quotient is beyond 2^63 to qmin; numerics.md 2 gives the zero point's code and the
 * ends. Its codes count where the quotient is smaller. It adds a qint32 zero point in float32, so large codes miss it.
 */
function beyondInt64({ inputs, main, params }: GoldenCase, q: QTensor): void {
  const [qmin, qmax] = codeRange[q.dtype]
  const x = inputs.tensor('x')
  const theirs = main.outputs?.codes('q').codes.data ?? []
  const perRow = x.size / (x.shape[0] ?? 1)
  let largest = 0
  const expected = Array.from(x.data, (value, i) => {
    const channel = q.qparams.kind === 'perChannel' ? Math.floor(i / perRow) : 0
    const scale = q.qparams.kind === 'perChannel' ? (q.scales[channel] ?? 1) : params.number('scale')
    const zeroPoint = q.qparams.kind === 'perChannel' ? (q.zeroPoints[channel] ?? 0) : q.zeroPoint
    largest = Math.max(largest, Math.abs(zeroPoint))
    if (Number.isNaN(value)) return zeroPoint
    const steps = value / scale
    return Math.abs(steps) < 2 ** 63 ? Number(theirs[i]) : steps > 0 ? qmax : qmin
  })
  expect(difference(q.intRepr().data, expected).max).toBeLessThanOrEqual(q.dtype === 'qint32' ? largest : 0)
}

function perChannel(golden: GoldenCase): void {
  const { inputs, params } = golden
  const call = (): QTensor =>
    quantizePerChannel(
      inputs.tensor('x'),
      Array.from(inputs.plain('scales').data, Number),
      Array.from(inputs.plain('zero_points').data, Number),
      params.number('axis'),
      params.text('dtype') as QDType,
    )
  if (golden.main.error !== undefined) {
    expectRefusal(call)
    return
  }
  const q = call()
  if (beyond.test(golden.id)) {
    beyondInt64(golden, q)
    return
  }
  expectQuantized(q, outputsOf(golden).codes('q'))
  // PyTorch keeps these scales as float64, so its product can round the other way: one step of float32.
  expectClose(q.dequantize(), outputsOf(golden).tensor('dequantized'), { rel: 2 ** -23 })
}

function dequantize(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const q = golden.inputs.quantized('q')
  const real = q.dequantize()
  expectClose(real, outputs.tensor('dequantized'), { rel: q.qparams.kind === 'perChannel' ? 2 ** -23 : 0 })
  if (outputs.has('requantized'))
    expectQuantized(quantizePerTensor(real, q.scale, q.zeroPoint, q.dtype), outputs.codes('requantized'))
}

function dynamic(golden: GoldenCase): void {
  const { inputs, params } = golden
  const dtype = params.text('dtype') as QDType8
  const x = inputs.tensor('x')
  // onednn's answer: qnnpack ignores reduceRange.
  const q = quantizePerTensorDynamic(x, dtype, { reduceRange: params.flag('reduce_range') })
  expectQuantized(q, outputsOf(golden).codes('q'))
}

goldenSuite({
  family: 'quantize',
  checks: {
    quantize_per_tensor: perTensor,
    quantize_per_channel: perChannel,
    dequantize,
    quantize_per_tensor_dynamic: dynamic,
  },
  listed: [
    {
      ids: ['zero point -2147483648 for qint32'],
      reason:
        'PyTorch adds a qint32 zero point in float32, which cannot hold it; here the sum is exact (numerics.md 2)',
    },
    {
      ids: ['dequantize qint32 with a zero point'],
      reason: "PyTorch's code - zeroPoint wraps in int32; here it is exact (numerics.md 2)",
    },
    { ids: ['per channel negative axis'], reason: 'refused by PyTorch; here a negative axis counts from the end' },
  ],
  counts: { run: 223, listed: 3 },
})
