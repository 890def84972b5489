// The layers of layers.json as int8 runs them, and the same numbers as onnxruntime gets them.
import { fromIntRepr, nn, ops, tensor } from '../../dist/index.js'
import * as onnx from './onnx.mjs'

/** Reproducible bytes (xorshift32). */
function randomBytes(length, seed) {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state >>> 24
  }
  return bytes
}

// Scales that spread the outputs over the codes: the sum of K products of random codes has a deviation of about
// 74 * 74 * sqrt(K).
function parameters(k) {
  const xScale = 0.02
  const wScale = 0.005
  return {
    xScale,
    xZeroPoint: 121,
    wScale,
    yScale: Math.fround((xScale * wScale * 74 * 74 * Math.sqrt(k)) / 50),
    yZeroPoint: 128,
  }
}

function channelScales(count, scale) {
  return Float32Array.from({ length: count }, (_, i) => scale * (0.5 + ((i * 37) % 100) / 100))
}

function convLayer(layer) {
  const { ci, co, k, s, hw, g } = layer
  const pad = (k - 1) >> 1
  const out = Math.floor((hw + 2 * pad - k) / s) + 1
  const params = parameters((ci / g) * k * k)
  const scales = channelScales(co, params.wScale)
  const codes = new Int8Array(randomBytes(co * (ci / g) * k * k, 1).buffer)
  const bias = Int32Array.from({ length: co }, (_, i) => ((i * 7919) % 2001) - 1000)
  const nhwc = randomBytes(hw * hw * ci, 2)
  const x = fromIntRepr(nhwc, [1, hw, hw, ci], 'quint8', { scale: params.xScale, zeroPoint: params.xZeroPoint })
    .permute([0, 3, 1, 2])
    .contiguous('channelsLast')
  const weight = fromIntRepr(codes, [co, ci / g, k, k], 'qint8', { scales, zeroPoints: new Int32Array(co), axis: 0 })
  const packed = ops.quantized.conv2dPrepack(weight, tensor(bias, [co], { dtype: 'int32' }), {
    stride: s,
    padding: pad,
    groups: g,
  })
  return {
    run: () => ops.quantized.conv2d(x, packed, params.yScale, params.yZeroPoint),
    model: onnx.qlinearConv({ layer, out, codes, scales, bias, params }),
    feed: { data: nhwc, dims: [1, hw, hw, ci] },
  }
}

function gemmLayer(layer) {
  const { M, K, N } = layer
  const params = parameters(K)
  const scales = channelScales(N, params.wScale)
  const codes = new Int8Array(randomBytes(N * K, 1).buffer)
  const columns = new Int8Array(K * N)
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) columns[k * N + n] = codes[n * K + k]
  const data = randomBytes(M * K, 2)
  const x = fromIntRepr(data, [M, K], 'quint8', { scale: params.xScale, zeroPoint: params.xZeroPoint })
  const weight = fromIntRepr(codes, [N, K], 'qint8', { scales, zeroPoints: new Int32Array(N), axis: 0 })
  const packed = ops.quantized.linearPrepack(weight, null)
  return {
    run: () => ops.quantized.linear(x, packed, params.yScale, params.yZeroPoint),
    model: onnx.qlinearMatMul({ layer, codes: columns, scales, params }),
    feed: { data, dims: [M, K] },
  }
}

/** A layer ready to run: `run()` gives int8's output, `model` and `feed` are the peer's. */
export const prepareLayer = (layer) => (layer.op === 'conv' ? convLayer(layer) : gemmLayer(layer))

const randomFloats = (length, seed) => Float32Array.from(randomBytes(length, seed), (byte) => (byte - 128) / 100)

function floatConv(layer) {
  const { ci, co, k, s, hw, g } = layer
  const pad = (k - 1) >> 1
  const out = Math.floor((hw + 2 * pad - k) / s) + 1
  const weights = randomFloats(co * (ci / g) * k * k, 1)
  const bias = randomFloats(co, 3)
  const module = new nn.Conv2d(ci, co, k, { stride: s, padding: pad, groups: g })
  module.weight = tensor(weights, [co, ci / g, k, k])
  module.bias = tensor(bias, [co])
  const data = randomFloats(ci * hw * hw, 2)
  const x = tensor(data, [1, ci, hw, hw]).contiguous('channelsLast')
  return {
    run: () => module.forward(x),
    model: onnx.conv({ layer, out, weights, bias }),
    feed: { data, dims: [1, ci, hw, hw], type: 'float32' },
  }
}

function floatGemm(layer) {
  const { M, K, N } = layer
  const weights = randomFloats(N * K, 1)
  const columns = new Float32Array(K * N)
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) columns[k * N + n] = weights[n * K + k]
  const module = new nn.Linear(K, N, { bias: false })
  module.weight = tensor(weights, [N, K])
  const data = randomFloats(M * K, 2)
  const x = tensor(data, [M, K])
  return {
    run: () => module.forward(x),
    model: onnx.matMul({ layer, weights: columns }),
    feed: { data, dims: [M, K], type: 'float32' },
  }
}

/** The layer in float32, as prepareLayer. */
export const prepareFloatLayer = (layer) => (layer.op === 'conv' ? floatConv(layer) : floatGemm(layer))
