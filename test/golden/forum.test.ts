/** Protects the numbers of the forum thread: each mistake, and each repair, gives what PyTorch gives. */
import * as nn from '../../src/nn'
import * as F from '../../src/ops/float'
import * as quantized from '../../src/ops/quantized'
import { convert } from '../../src/quantization/convert'
import { HistogramObserver, MinMaxObserver, PerChannelMinMaxObserver } from '../../src/quantization/observers'
import { prepare } from '../../src/quantization/prepare'
import type { QConfig } from '../../src/quantization/qconfig'
import type { QTensor } from '../../src/tensor/qtensor'
import { quantizePerTensor } from '../../src/tensor/quantize'
import { tensor, type Tensor } from '../../src/tensor/tensor'
import { closeness, expectClose, expectQuantized } from '../support/compare'
import { goldenSuite } from '../support/golden-suite'
import { outputsOf, type GoldenCase } from '../support/goldens'

beforeAll(() => {
  // The poster's weight is clipped, and so warned of.
  jest.spyOn(process, 'emitWarning').mockImplementation()
})
afterAll(() => {
  jest.restoreAllMocks()
})

const channelWeights = (): PerChannelMinMaxObserver =>
  new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' })
const tensorWeights = (): MinMaxObserver => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })
const qconfigs: Readonly<Record<string, QConfig>> = {
  minmax: { activation: () => new MinMaxObserver(), weight: tensorWeights },
  onednn: { activation: () => new HistogramObserver(), weight: channelWeights },
  qnnpack: { activation: () => new HistogramObserver(), weight: tensorWeights },
  fbgemm: { activation: () => new HistogramObserver({ reduceRange: true }), weight: channelWeights },
}

function floatConv({ inputs }: GoldenCase): nn.Conv2d {
  const conv = new nn.Conv2d(1, 1, 3)
  conv.weight = inputs.tensor('weight')
  conv.bias = inputs.tensor('bias')
  return conv
}

function unfolded(golden: GoldenCase): void {
  const { inputs } = golden
  const outputs = outputsOf(golden)
  const columns = F.unfold(inputs.tensor('x'), 3)
  expectClose(columns, outputs.tensor('unfolded'), {})
  const y = F.linear(columns.permute([0, 2, 1]), inputs.tensor('weight').reshape([1, 9]), inputs.tensor('bias'))
  expectClose(F.fold(y.permute([0, 2, 1]), 1, 1), outputs.tensor('y'), closeness(golden))
}

/** The poster's own formula: (max - min) / 254, and the zero point cut to a whole number. */
function qparams(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const [name, dtype] = golden.inputs.has('x') ? (['x', 'quint8'] as const) : (['weight', 'qint8'] as const)
  const value = golden.inputs.tensor(name)
  const [min, max] = [Math.min(...value.data), Math.max(...value.data)]
  const scale = Math.fround((max - min) / 254)
  expect(scale).toBe(outputs.number('scale'))
  const zeroPoint = -(min / scale)
  expect(zeroPoint).toBeCloseTo(outputs.number('zero_point_float'), 5)
  const q = quantizePerTensor(value, scale, Math.trunc(zeroPoint) + 0, dtype)
  expectQuantized(q, outputs.codes('q'))
  expectClose(q.dequantize(), outputs.tensor('dequantized'), {})
}

function convolution(golden: GoldenCase): void {
  const { inputs, params } = golden
  const packed = quantized.conv2dPrepack(inputs.quantized8('weight'), inputs.optionalTensor('bias'))
  const y = quantized.conv2d(inputs.quantized8('x'), packed, params.number('scale'), params.number('zero_point'))
  expectQuantized(y, outputsOf(golden).codes('y'))
  expectClose(y.dequantize(), outputsOf(golden).tensor('dequantized'), {})
}

function observers(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const observe = (name: string, observer: MinMaxObserver, as: string, dtype: 'quint8' | 'qint8'): void => {
    observer.forward(golden.inputs.tensor(name))
    const found = observer.calculateQParams()
    expect([found.scale, found.zeroPoint]).toEqual([outputs.number(`${as}_scale`), outputs.number(`${as}_zero_point`)])
    if (outputs.has(`q${as}`))
      expectQuantized(
        quantizePerTensor(golden.inputs.tensor(name), found.scale, found.zeroPoint, dtype),
        outputs.codes(`q${as}`),
      )
  }
  observe('x', new MinMaxObserver(), 'x', 'quint8')
  observe('weight', tensorWeights(), 'w_sym', 'qint8')
  observe('weight', new MinMaxObserver({ dtype: 'qint8' }), 'w_affine', 'qint8')
  observe('y', new MinMaxObserver(), 'y', 'quint8')
}

function workflow(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const qconfig = qconfigs[golden.params.text('qconfig')]
  if (qconfig === undefined) throw new Error('no such QConfig')
  const net = new nn.Sequential<Tensor, Tensor>(new nn.QuantStub(), floatConv(golden), new nn.DeQuantStub())
  const x = golden.inputs.tensor('x')
  const prepared = prepare(net, { qconfig })
  prepared.forward(x)
  const converted = convert(prepared)
  const layer = converted.getSubmodule('1')
  if (!(layer instanceof nn.quantized.Conv2d)) throw new Error('the layer was not converted')
  const { scale, zeroPoint } = layer.requireQParams()
  expect([scale, zeroPoint]).toEqual([outputs.number('scale'), outputs.number('zero_point')])
  expectClose(converted.forward(x), outputs.tensor('y'), {})
  expectQuantized(layer.weight, outputs.codes('weight'))
}

/** The maintainer's advice: an observer whose range is set by hand to 0..850. */
function byHand(golden: GoldenCase): void {
  const { inputs, params } = golden
  const outputs = outputsOf(golden)
  const conv = floatConv(golden)
  const observer = new MinMaxObserver()
  observer.forward(tensor([params.number('min_val'), params.number('max_val')]))
  conv.activationPostProcess = observer
  conv.qconfig = { activation: () => new MinMaxObserver(), weight: tensorWeights }
  conv.inputObserver = new MinMaxObserver()
  conv.inputObserver.forward(tensor([0, 19]))
  const layer = nn.quantized.Conv2d.fromFloat(conv)
  const y: QTensor = layer.forward(inputs.quantized('x'))
  expectQuantized(y, outputs.codes('y'))
  expectClose(y.dequantize(), outputs.tensor('dequantized'), {})
  expectQuantized(layer.weight, outputs.codes('weight'))
}

function prepacked(golden: GoldenCase): void {
  const outputs = outputsOf(golden)
  const packed = quantized.conv2dPrepack(golden.inputs.quantized8('weight'), golden.inputs.tensor('bias'))
  const { weight, bias } = packed.unpack()
  expectQuantized(weight, outputs.codes('weight'))
  expect(bias?.data).toEqual(outputs.tensor('bias').data)
  expect([packed.stride, packed.dilation, packed.groups]).toEqual([
    outputs.numbers('stride'),
    outputs.numbers('dilation'),
    outputs.number('groups'),
  ])
  expect(packed.padding).toEqual(outputs.numbers('padding').map((pad) => [pad, pad]))
}

function arithmetic(golden: GoldenCase): void {
  const { inputs } = golden
  const sums = quantized.conv2dInt32(inputs.quantized8('x'), quantized.conv2dPrepack(inputs.quantized8('weight')))
  expect(sums.data).toEqual(outputsOf(golden).plain('acc_int32').data)
}

goldenSuite({
  family: 'forum',
  checks: {
    conv2d: (golden) => {
      const { inputs } = golden
      const y = F.conv2d(inputs.tensor('x'), inputs.tensor('weight'), inputs.tensor('bias'))
      expectClose(y, outputsOf(golden).tensor('y'), closeness(golden))
    },
    unfold: unfolded,
    qparams,
    'nn.quantized.Conv2d': convolution,
    MinMaxObserver: observers,
    convert: workflow,
    from_float: byHand,
    conv2d_prepack: prepacked,
    arithmetic,
  },
  listed: [
    {
      ids: ['forum 05 weight().data = ... never reaches the packed parameters'],
      reason: 'impossible here: weight cannot be assigned (test/examples/forum-thread.test.ts)',
    },
  ],
  counts: { run: 18, listed: 1 },
})
