/** Protects the float ops against PyTorch's, within the few units of the last place that another order of sums costs. */
import * as F from '../../src/ops/float'
import { zeros, type Tensor } from '../../src/tensor/tensor'
import { closeness, expectClose, expectRefusal } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, type GoldenCase } from '../support/goldens'

type Call = (golden: GoldenCase) => Tensor

const x = ({ inputs }: GoldenCase): Tensor => inputs.tensor('x')

function check(call: Call): (golden: GoldenCase) => void {
  return (golden) => {
    if (golden.main.error === undefined) expectClose(call(golden), outputsOf(golden).tensor('y'), closeness(golden))
    else expectRefusal(() => call(golden))
  }
}

function conv(op: typeof F.conv2d): Call {
  return (golden) => {
    const { inputs, params } = golden
    const padding = params.map['padding']
    // One refused case does not keep its weight.
    const weight = inputs.optionalTensor('weight') ?? zeros([4, 2, 3, 3])
    return op(x(golden), weight, inputs.optionalTensor('bias'), {
      ...(params.has('stride') && { stride: golden.params.perAxis('stride') }),
      ...(params.has('padding') && {
        padding: padding === 'same' || padding === 'valid' ? padding : golden.params.perAxis('padding'),
      }),
      ...(params.has('dilation') && { dilation: golden.params.perAxis('dilation') }),
      ...(params.has('groups') && { groups: params.number('groups') }),
    })
  }
}

function convTranspose(op: typeof F.convTranspose2d): Call {
  return (golden) => {
    const { inputs, params } = golden
    return op(x(golden), inputs.tensor('weight'), inputs.optionalTensor('bias'), {
      ...(params.has('stride') && { stride: params.perAxis('stride') }),
      ...(params.has('padding') && { padding: params.perAxis('padding') }),
      ...(params.has('output_padding') && { outputPadding: params.perAxis('output_padding') }),
      ...(params.has('dilation') && { dilation: params.perAxis('dilation') }),
      ...(params.has('groups') && { groups: params.number('groups') }),
    })
  }
}

function maxPool(op: typeof F.maxPool2d): Call {
  return (golden) =>
    op(x(golden), golden.params.perAxis('kernel_size'), {
      stride: golden.params.perAxis('stride'),
      padding: golden.params.perAxis('padding'),
      dilation: golden.params.perAxis('dilation'),
      ceilMode: golden.params.flag('ceil_mode'),
    })
}

function avgPool(op: typeof F.avgPool2d): Call {
  return (golden) => {
    const divisorOverride = golden.params.optionalNumber('divisor_override')
    return op(x(golden), golden.params.perAxis('kernel_size'), {
      stride: golden.params.perAxis('stride'),
      padding: golden.params.perAxis('padding'),
      ceilMode: golden.params.flag('ceil_mode'),
      countIncludePad: golden.params.flag('count_include_pad'),
      ...(divisorOverride !== undefined && { divisorOverride }),
    })
  }
}

const adaptive =
  (op: typeof F.adaptiveAvgPool2d): Call =>
  (golden) =>
    op(x(golden), golden.params.perAxis('output_size'))

/** Options of unfold and fold; the case without a batch has none. */
function blocks(golden: GoldenCase): F.UnfoldOptions {
  if (!golden.params.has('stride')) return {}
  return {
    stride: golden.params.perAxis('stride'),
    padding: golden.params.perAxis('padding'),
    dilation: golden.params.perAxis('dilation'),
  }
}

function batchNorm(golden: GoldenCase): Tensor {
  const { inputs, params } = golden
  return F.batchNorm(x(golden), inputs.tensor('running_mean'), inputs.tensor('running_var'), {
    weight: inputs.optionalTensor('weight'),
    bias: inputs.optionalTensor('bias'),
    eps: params.number('eps'),
  })
}

const unary = (op: (x: Tensor) => Tensor): ((golden: GoldenCase) => void) => check((golden) => op(x(golden)))

goldenSuite({
  family: 'float',
  checks: {
    conv1d: check(conv(F.conv1d)),
    conv2d: check(conv(F.conv2d)),
    conv3d: check(conv(F.conv3d)),
    conv_transpose1d: check(convTranspose(F.convTranspose1d)),
    conv_transpose2d: check(convTranspose(F.convTranspose2d)),
    conv_transpose3d: check(convTranspose(F.convTranspose3d)),
    linear: check(({ inputs }) => F.linear(inputs.tensor('x'), inputs.tensor('weight'), inputs.optionalTensor('bias'))),
    unfold: check((golden) => F.unfold(x(golden), golden.params.perAxis('kernel_size'), blocks(golden))),
    fold: check((golden) =>
      F.fold(x(golden), golden.params.perAxis('output_size'), golden.params.perAxis('kernel_size'), blocks(golden)),
    ),
    max_pool1d: check(maxPool(F.maxPool1d)),
    max_pool2d: check(maxPool(F.maxPool2d)),
    max_pool3d: check(maxPool(F.maxPool3d)),
    avg_pool1d: check(avgPool(F.avgPool1d)),
    avg_pool2d: check(avgPool(F.avgPool2d)),
    avg_pool3d: check(avgPool(F.avgPool3d)),
    adaptive_avg_pool1d: check(adaptive(F.adaptiveAvgPool1d)),
    adaptive_avg_pool2d: check(adaptive(F.adaptiveAvgPool2d)),
    adaptive_max_pool2d: check(adaptive(F.adaptiveMaxPool2d)),
    batch_norm: check(batchNorm),
    relu: unary(F.relu),
    relu6: unary(F.relu6),
    hardtanh: unary((value) => F.hardtanh(value)),
    hardswish: unary(F.hardswish),
    sigmoid: unary(F.sigmoid),
    tanh: unary(F.tanh),
    leaky_relu: check((golden) => F.leakyRelu(x(golden), { negativeSlope: golden.params.number('negative_slope') })),
    softmax: check((golden) => F.softmax(x(golden), golden.params.number('dim'))),
    pad: check((golden) => F.pad(x(golden), golden.params.numbers('pad'))),
  },
  listed: [
    {
      ids: ['batch_norm training, momentum 0.1: running_var takes the unbiased variance'],
      reason: 'batch normalisation of training: this library infers',
    },
    {
      ops: [
        'layer_norm',
        'group_norm',
        'instance_norm',
        'elu',
        'celu',
        'selu',
        'gelu',
        'silu',
        'mish',
        'hardsigmoid',
        'softplus',
        'softsign',
        'logsigmoid',
        'exp',
        'erf',
        'threshold',
        'prelu',
        'log_softmax',
        'interpolate',
        'pixel_shuffle',
        'embedding',
        'embedding_bag',
        'matmul',
        'cross_entropy',
        'LSTM',
        'GRU',
        'RNN',
      ],
      reason: 'this op is not in this library yet',
    },
    {
      ids: ['pad reflect', 'pad replicate', 'pad circular'],
      reason: 'padding is with a constant only, so far',
    },
  ],
  counts: { run: 103, listed: 59 },
})
