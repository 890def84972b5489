// The two networks of the demo, written with int8's nn as one writes them with PyTorch's: the submodules have the names
// of the PyTorch classes that trained them, so PyTorch's state dicts load as they are.
import { nn, quantization } from 'int8'

const { QuantStub, DeQuantStub, FloatFunctional, Conv2d, BatchNorm2d, Sequential } = nn

class ConvBNReLU extends Sequential {
  constructor(inChannels, outChannels, { kernel = 3, stride = 1, groups = 1 } = {}) {
    super(
      new Conv2d(inChannels, outChannels, kernel, { stride, padding: kernel >> 1, groups, bias: false }),
      new BatchNorm2d(outChannels),
      new nn.ReLU(),
    )
  }
}

class Residual extends nn.Module {
  constructor(channels) {
    super()
    this.conv1 = new ConvBNReLU(channels, channels)
    this.conv2 = new Conv2d(channels, channels, 3, { padding: 1, bias: false })
    this.bn2 = new BatchNorm2d(channels)
    this.add = new FloatFunctional()
  }

  forward(x) {
    return this.add.addRelu(this.bn2.forward(this.conv2.forward(this.conv1.forward(x))), x)
  }
}

/** A small CNN with a depthwise-separable stage and a residual block; 28x28x1 digits to 10 logits. */
export class MnistCNN extends nn.Module {
  constructor() {
    super()
    this.quant = new QuantStub()
    this.stem = new ConvBNReLU(1, 16)
    this.down = new ConvBNReLU(16, 32, { stride: 2 })
    this.dw = new ConvBNReLU(32, 32, { groups: 32 })
    this.pw = new ConvBNReLU(32, 64, { kernel: 1 })
    this.pool = new nn.MaxPool2d(2)
    this.res = new Residual(64)
    this.gap = new nn.AdaptiveAvgPool2d(1)
    this.flatten = new nn.Flatten()
    this.fc = new nn.Linear(64, 10)
    this.dequant = new DeQuantStub()
  }

  forward(input) {
    let x = this.quant.forward(input)
    for (const layer of [this.stem, this.down, this.dw, this.pw, this.pool, this.res, this.gap, this.flatten, this.fc])
      x = layer.forward(x)
    return this.dequant.forward(x)
  }

  static fuse = [
    ['stem.0', 'stem.1', 'stem.2'],
    ['down.0', 'down.1', 'down.2'],
    ['dw.0', 'dw.1', 'dw.2'],
    ['pw.0', 'pw.1', 'pw.2'],
    ['res.conv1.0', 'res.conv1.1', 'res.conv1.2'],
    ['res.conv2', 'res.bn2'],
  ]
}

class ConvBN extends Sequential {
  constructor(inChannels, outChannels, { kernel = 3, stride = 1, groups = 1, activation = true } = {}) {
    super(
      new Conv2d(inChannels, outChannels, kernel, { stride, padding: kernel >> 1, groups, bias: false }),
      new BatchNorm2d(outChannels),
      ...(activation ? [new nn.ReLU6()] : []),
    )
  }
}

class InvertedResidual extends nn.Module {
  constructor(inChannels, outChannels, stride, expansion) {
    super()
    const hidden = inChannels * expansion
    this.conv = new Sequential(
      ...(expansion === 1 ? [] : [new ConvBN(inChannels, hidden, { kernel: 1 })]),
      new ConvBN(hidden, hidden, { stride, groups: hidden }),
      new ConvBN(hidden, outChannels, { kernel: 1, activation: false }),
    )
    this.useRes = stride === 1 && inChannels === outChannels
    if (this.useRes) this.skip_add = new FloatFunctional()
  }

  forward(x) {
    return this.useRes ? this.skip_add.add(x, this.conv.forward(x)) : this.conv.forward(x)
  }
}

/** A MobileNetV2-like network: depthwise convolutions behind ReLU6, linear bottlenecks, four skips. */
export class FashionMobileNet extends nn.Module {
  constructor() {
    super()
    this.quant = new QuantStub()
    let channels = 16
    const features = [new ConvBN(1, channels, { stride: 2 })]
    for (const [expansion, out, repeats, firstStride] of [
      [1, 16, 1, 1],
      [4, 24, 2, 1],
      [4, 32, 2, 2],
      [4, 48, 2, 1],
    ])
      for (let i = 0; i < repeats; i++) {
        features.push(new InvertedResidual(channels, out, i === 0 ? firstStride : 1, expansion))
        channels = out
      }
    features.push(new ConvBN(channels, 160, { kernel: 1 }))
    this.features = new Sequential(...features)
    this.gap = new nn.AdaptiveAvgPool2d(1)
    this.flatten = new nn.Flatten()
    this.drop = new nn.Dropout(0.1)
    this.fc = new nn.Linear(160, 10)
    this.dequant = new DeQuantStub()
  }

  forward(input) {
    const x = this.gap.forward(this.features.forward(this.quant.forward(input)))
    return this.dequant.forward(this.fc.forward(this.drop.forward(this.flatten.forward(x))))
  }

  /** Every conv with its batch norm and, where it has one, its ReLU6, which int8 fuses as a clip. */
  static get fuse() {
    return new FashionMobileNet()
      .namedModules()
      .filter(([, module]) => module instanceof ConvBN)
      .map(([name, module]) => module.namedChildren().map(([child]) => `${name}.${child}`))
  }
}

/** The float network with PyTorch's weights, its conv + batch norm + activation groups fused into single layers. */
export function fusedFloat(Network, weights) {
  const model = new Network()
  model.loadStateDict(weights)
  return quantization.fuseModules(model, Network.fuse)
}

/** Class of each row of logits. */
export function classes(logits) {
  const [rows, columns] = logits.shape
  const values = logits.data
  return Array.from({ length: rows }, (_, row) => {
    let best = 0
    for (let i = 1; i < columns; i++) if (values[row * columns + i] > values[row * columns + best]) best = i
    return best
  })
}
