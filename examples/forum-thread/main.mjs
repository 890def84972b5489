// Why is my quantized convolution 0? A forum thread's question, with its very numbers.
//
//   node examples/forum-thread/main.mjs
//
// A convolution gives 803.69 in float. Quantized by hand it gave 0. Three mistakes are in the way, one behind the other;
// here is what this library does at each, and the way that has none of them. docs/why-is-my-quantized-conv-zero.md tells
// the same as a page.
import { once } from 'node:events'
import { functional as F, nn, ops, quantization, quantizePerTensor } from 'int8'
import { bias, postersParams, weight, x } from './numbers.mjs'

const { conv2d, conv2dPrepack } = ops.quantized
const output = [0, 0, 0, 0]

function heading(text) {
  console.log(`\n${text}\n${'-'.repeat(text.length)}`)
}

/** The message of the error that a call throws. */
function refusal(call) {
  try {
    call()
  } catch (error) {
    return `${error.name}: ${error.message}`
  }
  throw new Error('nothing was refused')
}

/** What a call returns, and the warning that it causes. */
async function warned(call) {
  const warning = once(process, 'warning')
  const result = call()
  const [{ code, message }] = await warning
  return [result, `${code}: ${message}`]
}

/** A tensor quantized with the parameters that an observer of it arrives at. */
function observedTensor(value, options) {
  const observer = new quantization.MinMaxObserver(options)
  observer.forward(value)
  const { scale, zeroPoint } = observer.calculateQParams()
  return quantizePerTensor(value, scale, zeroPoint, observer.dtype)
}

heading('The float result')
const float = F.conv2d(x, weight, bias).item()
const columns = F.unfold(x, 3)
const product = F.linear(columns.permute([0, 2, 1]), weight.reshape([1, 9]), bias)
console.log(`conv2d                 ${float.toFixed(4)}`)
console.log(
  `unfold, linear, fold   ${F.fold(product.permute([0, 2, 1]), 1, 1)
    .item()
    .toFixed(4)}`,
)

const xParams = postersParams(x)
const wParams = postersParams(weight)
const qx = quantizePerTensor(x, xParams.scale, xParams.zeroPoint, 'quint8')

heading('Fault 1: weights assigned past the packed parameters')
const layer = new nn.quantized.Conv2d(1, 1, 3)
const good = observedTensor(weight, { dtype: 'qint8', qscheme: 'perTensorSymmetric' })
console.log('In PyTorch, qm.weight().data = … changes a temporary copy; the layer keeps what it was created with.')
console.log('Here the assignment is refused:')
console.log(`  ${refusal(() => (layer.weight = good))}`)
console.log('and a layer that has no weights computes nothing:')
layer.scale = 3.152
layer.zeroPoint = 0
console.log(`  ${refusal(() => layer.forward(qx))}`)
layer.setWeightBias(good, bias)
console.log(`setWeightBias reaches it: ${layer.forward(qx).dequantize().item().toFixed(2)}`)

heading('Fault 2: a zero point computed for 0..255, stored as qint8')
console.log(`scale ${wParams.scale.toFixed(6)}, zero point ${wParams.zeroPoint.toFixed(2)}: a fraction is refused:`)
console.log(`  ${refusal(() => quantizePerTensor(weight, wParams.scale, wParams.zeroPoint, 'qint8'))}`)
const clipped = quantizePerTensor(weight, wParams.scale, Math.trunc(wParams.zeroPoint), 'qint8')
console.log(
  `cut to -14, as PyTorch does, the weights become ${Array.from(clipped.dequantize().data, (w) => w.toFixed(2)).join(' ')}`,
)
console.log('and packing them warns:')
const [packedClipped, warning] = await warned(() => conv2dPrepack(clipped, bias))
console.log(`  ${warning}`)
const wrong = conv2d(qx, packedClipped, 3.151728630065918, 0)
console.log(`With a good output scale the result is ${wrong.dequantize().item().toFixed(2)}, not ${float.toFixed(2)}.`)

heading('Fault 3: output scale 1.0 and zero point 0, which nothing has set')
const unset = new nn.quantized.Conv2d(1, 1, 3)
unset.setWeightBias(good, bias)
console.log('A fresh layer has no output scale, and says so instead of taking 1.0:')
console.log(`  ${refusal(() => unset.forward(qx))}`)
const packed = conv2dPrepack(good, bias)
const observedX = observedTensor(x, {})
console.log(
  `Given 1.0 and 0 all the same, the result ends at ${conv2d(observedX, packed, 1, 0).dequantize().item()}; explain finds why:`,
)
for (const { code, message, hint } of quantization.explain(observedX, packed, { index: output, scale: 1, zeroPoint: 0 })
  .faults)
  console.log(`  ${code}: ${message}. ${hint}`)

heading('The right way: observers and fromFloat')
const conv = new nn.Conv2d(1, 1, 3)
conv.weight = weight
conv.bias = bias
const model = new nn.Sequential(new nn.QuantStub(), conv, new nn.DeQuantStub())
const prepared = quantization.prepare(model, { qconfig: quantization.getMinMaxQConfig() })
prepared.forward(x)
const converted = quantization.convert(prepared)
const result = converted.forward(x).item()
const observed = converted.getSubmodule('1')
console.log(
  `prepare, calibrate, convert: ${result.toFixed(4)} (scale ${observed.scale.toFixed(4)}, zero point ${observed.zeroPoint})`,
)
console.log(`off by ${((100 * Math.abs(result - float)) / float).toFixed(3)} %`)
const single = nn.quantized.Conv2d.fromFloat(prepared.getSubmodule('1'))
const quantizedX = converted.getSubmodule('0').forward(x)
console.log(`fromFloat on the one layer:  ${single.forward(quantizedX).dequantize().item().toFixed(4)}`)

heading('What prepack returns, and how codes are convolved')
const sound = conv2dPrepack(single.weight, single.bias)
const { weight: unpacked, bias: unpackedBias } = sound.unpack()
console.log(
  `an opaque ${sound.constructor.name}: weight ${unpacked.dtype} [${unpacked.shape}], bias [${unpackedBias.shape}],`,
)
console.log(
  `kernel [${sound.kernelSize}], stride [${sound.stride}], dilation [${sound.dilation}], groups ${sound.groups}\n`,
)
console.log(
  String(
    quantization.explain(quantizedX, sound, {
      index: output,
      scale: observed.scale,
      zeroPoint: observed.zeroPoint,
      original: { x, weight },
    }),
  ),
)
