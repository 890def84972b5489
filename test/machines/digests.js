// digests.js <package> <result file>: runs ops of every family and writes, as JSON, what ran them and a digest of each
// one's result. Machines, CPUs and runtimes are compared by it: the digests must be equal everywhere. The result goes to
// a file, because not every emulator passes standard output on.
'use strict'

const { createHash } = require('node:crypto')
const { writeFileSync } = require('node:fs')
const { resolve } = require('node:path')

/** The families: each a function of the package to tensors. Sizes are odd, so that every kernel has a tail. */
function families({ tensor, quantizePerTensor, quantizePerChannel, ops, functional }) {
  const q = ops.quantized
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  }
  const floats = (...shape) =>
    tensor(
      Array.from({ length: shape.reduce((a, b) => a * b) }, () => Math.fround(random() * 3)),
      shape,
    )
  const codes = (...shape) => quantizePerTensor(floats(...shape), 0.023, 121, 'quint8')
  const weights = (...shape) =>
    quantizePerChannel(
      floats(...shape),
      Float32Array.from({ length: shape[0] }, (_, i) => 0.02 + i / 4096),
      new Int32Array(shape[0]),
      0,
      'qint8',
    )
  const bias = (n) => floats(n)
  const conv = (x, shape, options) =>
    q.conv2d(x, q.conv2dPrepack(weights(...shape), bias(shape[0]), options), 0.11, 117)
  const variances = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [9])
  const linear = (rows, k, n) => q.linear(codes(rows, k), q.linearPrepack(weights(n, k), bias(n)), 0.13, 125)

  return {
    quantize: () => [codes(2, 3, 17, 19), quantizePerTensor(floats(1001), 0.031, -3, 'qint8')],
    dequantize: () => [codes(1003).dequantize()],
    'conv 3x3': () => [conv(codes(1, 35, 11, 13), [37, 35, 3, 3], { padding: 1 })],
    'conv 1x1': () => [conv(codes(2, 40, 9, 7), [67, 40, 1, 1])],
    'conv 7x7 stride 2, first layer': () => [conv(codes(1, 3, 37, 41), [33, 3, 7, 7], { stride: 2, padding: 3 })],
    'conv 5x3 dilated': () => [conv(codes(1, 19, 15, 14), [21, 19, 5, 3], { dilation: 2, padding: [4, 2] })],
    'grouped conv': () => [conv(codes(1, 36, 9, 9), [54, 12, 3, 3], { groups: 3, padding: 1 })],
    'depthwise conv 3x3': () => [conv(codes(1, 43, 13, 12), [43, 1, 3, 3], { groups: 43, padding: 1 })],
    'depthwise conv 5x5 stride 2': () => [
      conv(codes(1, 75, 13, 12), [75, 1, 5, 5], { groups: 75, padding: 2, stride: 2 }),
    ],
    'conv to int32': () => [q.conv2dInt32(codes(1, 20, 8, 8), q.conv2dPrepack(weights(18, 20, 3, 3)))],
    linear: () => [linear(1, 261, 131), linear(5, 130, 67), linear(37, 100, 70)],
    'dynamic linear': () => [q.linearDynamic(floats(3, 133), q.linearPrepack(weights(71, 133), bias(71)))],
    add: () => [q.add(codes(2, 5, 129), codes(2, 5, 129), 0.04, 110), q.addRelu(codes(7, 33), codes(1, 33), 0.04, 110)],
    mul: () => [q.mul(codes(2, 5, 129), codes(2, 5, 129), 0.09, 130)],
    requantize: () => [q.requantize(codes(1, 3, 111), 0.05, 90)],
    tables: () => [q.sigmoid(codes(517)), q.tanh(codes(517)), q.hardswish(codes(517), 0.02, 20)],
    clamp: () => [q.relu(codes(517)), q.relu6(codes(517))],
    'max pool': () => [q.maxPool2d(codes(1, 35, 13, 15), 3, { stride: 2, padding: 1 })],
    'average pool': () => [
      q.avgPool2d(codes(1, 35, 13, 15), 3, { stride: 2 }),
      q.adaptiveAvgPool2d(codes(1, 70, 7, 7), 1),
    ],
    'batch norm': () => [q.batchNorm(codes(1, 9, 7, 7), floats(9), variances, { scale: 0.05, zeroPoint: 128 })],
    movement: () => [q.cat([codes(1, 3, 9, 9), codes(1, 4, 9, 9)], 1), q.pad(codes(1, 3, 9, 9), [1, 2, 3, 0])],
    'float conv': () => [
      functional.conv2d(floats(1, 19, 12, 11), floats(35, 19, 3, 3), bias(35), { padding: 1 }),
      functional.conv2d(floats(1, 35, 12, 11), floats(35, 1, 3, 3), bias(35), { groups: 35 }),
    ],
    'float linear': () => [functional.linear(floats(5, 131), floats(70, 131), bias(70))],
    'float functions': () => [
      ...[functional.sigmoid(floats(519)), functional.tanh(floats(519)), functional.softmax(floats(9, 133), 1)],
      functional.add(floats(2, 519), functional.relu(floats(2, 519))),
    ],
    'float mean': () => [functional.mean(floats(11, 517), [1]), functional.mean(floats(3, 7, 65), [0, 2])],
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)

/** `{ name, isa, numThreads, path, digests }` of a package. */
function digestsOf(int8) {
  const digests = {}
  for (const [family, run] of Object.entries(families(int8))) {
    const hash = createHash('sha256')
    for (const y of run()) hash.update(bytesOf((int8.isQTensor(y) ? y.intRepr() : y).data))
    digests[family] = hash.digest('hex')
  }
  const { name, isa, numThreads, supportedIsas, status } = int8.backend
  return { name, isa, numThreads, supportedIsas, path: status.path, digests }
}

if (require.main === module) {
  const [path, result] = process.argv.slice(2)
  writeFileSync(result, JSON.stringify(digestsOf(require(resolve(path)))))
}

module.exports = { digestsOf }
