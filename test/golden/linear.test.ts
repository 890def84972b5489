/** Protects quantized linear: byte for byte what PyTorch's qnnpack engine answers; and dynamic linear, within float's error. */
import * as quantized from '../../src/ops/quantized'
import type { Tensor } from '../../src/tensor/tensor'
import { closeness, difference, expectClose, expectQuantized, expectRefusal } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, type GoldenCase } from '../support/goldens'

function prepack({ inputs }: GoldenCase, bias: Tensor | null): quantized.PackedLinear {
  return quantized.linearPrepack(inputs.quantized8('weight'), bias)
}

function check(golden: GoldenCase): void {
  const { inputs, params } = golden
  const linear = golden.op.endsWith('_relu') ? quantized.linearRelu : quantized.linear
  const bias = inputs.optionalTensor('bias')
  const packed = prepack(golden, bias)
  const x = inputs.quantized8('x')
  const y = linear(x, packed, params.number('scale'), params.number('zero_point'))
  // qnnpack takes no 1-D input; onednn does, and differs by a code at most.
  const qnnpack = golden.answer('qnnpack').outputs
  if (qnnpack === undefined) expectQuantized(y, outputsOf(golden).codes('y'), golden.tolerance.number('codes'))
  else expectQuantized(y, qnnpack.codes('y'))
  const sums = quantized.linearInt32(x, prepack(golden, null))
  expect(difference(sums.data, golden.refs.plain('acc').data)).toMatchObject({ count: 0 })
  const unpacked = packed.unpack()
  expectQuantized(unpacked.weight, inputs.codes('weight'))
  expect(unpacked.bias?.data).toEqual(bias?.data)
}

function dynamic(golden: GoldenCase): void {
  const { inputs, params, main } = golden
  const x = inputs.tensor('x')
  const packed = prepack(golden, inputs.optionalTensor('bias'))
  const linear = golden.op.endsWith('_relu') ? quantized.linearReluDynamic : quantized.linearDynamic
  const call = (): Tensor => linear(x, packed, { reduceRange: params.flag('reduce_range') })
  if (main.error === undefined) expectClose(call(), outputsOf(golden).tensor('y'), closeness(golden))
  else expectRefusal(call)
}

beforeAll(() => {
  // Some cases have clipped weights and wide biases on purpose.
  jest.spyOn(process, 'emitWarning').mockImplementation()
})
afterAll(() => {
  jest.restoreAllMocks()
})

goldenSuite({
  family: 'linear',
  checks: {
    'quantized.linear': check,
    'quantized.linear_relu': check,
    'quantized.linear_dynamic': dynamic,
    'quantized.linear_dynamic_relu': dynamic,
  },
  listed: [
    {
      ids: ['dynamic 1-D', 'dynamic batch 0'],
      reason: 'refused by PyTorch; here a vector is a row and gives a vector, and no rows give none',
    },
    {
      ids: ['dynamic with a nan', 'dynamic with an inf'],
      reason: 'refused by PyTorch; here NaN and infinities do not count for the range (numerics.md 3)',
    },
    {
      ops: ['quantized.conv1d_dynamic', 'quantized.conv2d_dynamic', 'quantized.conv3d_dynamic'],
      reason: 'dynamic convolution is not in this library; quantizePerTensorDynamic before conv2d does the same',
    },
  ],
  counts: { run: 87, listed: 7 },
})
