// ResNet-50 and MobileNetV2 as exporters write them (batch norms folded), with seeded weights: He-scaled, so that
// activations keep their size through the network.
import { encodeGraph, initializer, int, ints, value } from './onnx.mjs'

/** Reproducible normal numbers (mulberry32, Box-Muller). */
function normals(seed) {
  let state = seed
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
}

class Builder {
  constructor(seed) {
    this.normal = normals(seed)
    this.nodes = []
    this.initializers = []
    this.count = 0
  }

  constant(data, dims, type = 'float32') {
    const name = `c${this.initializers.length}`
    this.initializers.push(initializer(name, type, dims, data))
    return name
  }

  node(opType, input, attribute = []) {
    const name = `${opType}_${this.count++}`
    this.nodes.push({ name, opType, domain: '', input, output: [name], attribute })
    return name
  }

  conv(x, ci, co, k, { stride = 1, groups = 1, gain = 2 } = {}) {
    const fanIn = (ci / groups) * k * k
    const deviation = Math.sqrt(gain / fanIn)
    const weights = Float32Array.from({ length: co * fanIn }, () => this.normal() * deviation)
    const bias = Float32Array.from({ length: co }, () => this.normal() * 0.1)
    const pad = (k - 1) >> 1
    return this.node(
      'Conv',
      [x, this.constant(weights, [co, ci / groups, k, k]), this.constant(bias, [co])],
      [
        int('group', groups),
        ints('kernel_shape', [k, k]),
        ints('strides', [stride, stride]),
        ints('pads', [pad, pad, pad, pad]),
        ints('dilations', [1, 1]),
      ],
    )
  }

  relu(x) {
    return this.node('Relu', [x])
  }

  relu6(x) {
    this.bounds ??= [this.constant(Float32Array.of(0), []), this.constant(Float32Array.of(6), [])]
    return this.node('Clip', [x, ...this.bounds])
  }

  classify(x, channels) {
    const pooled = this.node('Flatten', [this.node('GlobalAveragePool', [x])])
    const weights = Float32Array.from({ length: 1000 * channels }, () => this.normal() / Math.sqrt(channels))
    return this.node(
      'Gemm',
      [pooled, this.constant(weights, [1000, channels]), this.constant(new Float32Array(1000), [1000])],
      [int('transB', 1)],
    )
  }

  /** The model whose result is the last node's. */
  finish() {
    this.nodes.at(-1).output = ['y']
    return encodeGraph(
      this.nodes,
      this.initializers,
      value('x', 'float32', ['n', 3, 224, 224]),
      value('y', 'float32', ['n', 1000]),
    )
  }
}

/** ResNet-50. */
export function resnet50() {
  const net = new Builder(50)
  let x = net.relu(net.conv('x', 3, 64, 7, { stride: 2 }))
  x = net.node('MaxPool', [x], [ints('kernel_shape', [3, 3]), ints('strides', [2, 2]), ints('pads', [1, 1, 1, 1])])
  let ci = 64
  for (const [width, blocks, stride] of [
    [64, 3, 1],
    [128, 4, 2],
    [256, 6, 2],
    [512, 3, 2],
  ])
    for (let i = 0; i < blocks; i++) {
      const s = i === 0 ? stride : 1
      const a = net.relu(net.conv(x, ci, width, 1))
      const b = net.relu(net.conv(a, width, width, 3, { stride: s }))
      const c = net.conv(b, width, 4 * width, 1, { gain: 0.5 })
      const shortcut = i === 0 ? net.conv(x, ci, 4 * width, 1, { stride: s, gain: 0.5 }) : x
      x = net.relu(net.node('Add', [c, shortcut]))
      ci = 4 * width
    }
  net.classify(x, 2048)
  return net.finish()
}

/** MobileNetV2, width 1. */
export function mobilenetV2() {
  const net = new Builder(2)
  let x = net.relu6(net.conv('x', 3, 32, 3, { stride: 2 }))
  let ci = 32
  for (const [expand, co, blocks, stride] of [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ])
    for (let i = 0; i < blocks; i++) {
      const s = i === 0 ? stride : 1
      const wide = ci * expand
      const a = expand === 1 ? x : net.relu6(net.conv(x, ci, wide, 1))
      const b = net.relu6(net.conv(a, wide, wide, 3, { stride: s, groups: wide }))
      const c = net.conv(b, wide, co, 1, { gain: 1 })
      x = s === 1 && ci === co ? net.node('Add', [x, c]) : c
      ci = co
    }
  net.classify(net.relu6(net.conv(x, 320, 1280, 1)), 1280)
  return net.finish()
}
