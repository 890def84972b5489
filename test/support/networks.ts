/** The two reference networks, with the submodule names of the PyTorch classes that trained them. */
import * as nn from '../../src/nn'
import type { Activation, Layer } from '../../src/nn'
import type { Tensor } from '../../src/tensor/tensor'

class ConvBNReLU extends nn.Sequential {
  constructor(inChannels: number, outChannels: number, kernel = 3, stride = 1, groups = 1) {
    const options = { stride, padding: Math.floor(kernel / 2), groups, bias: false }
    super(new nn.Conv2d(inChannels, outChannels, kernel, options), new nn.BatchNorm2d(outChannels), new nn.ReLU())
  }
}

/** Two convolutions and a skip, whose ReLU comes after the addition. */
export class Residual extends nn.Module<Activation, Activation> {
  conv1: Layer
  conv2: Layer
  bn2: Layer
  add: nn.Functional & Layer

  constructor(channels: number) {
    super()
    this.conv1 = new ConvBNReLU(channels, channels)
    this.conv2 = new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false })
    this.bn2 = new nn.BatchNorm2d(channels)
    this.add = new nn.FloatFunctional()
  }

  override forward(x: Activation): Activation {
    return this.add.addRelu(this.bn2.forward(this.conv2.forward(this.conv1.forward(x))), x)
  }

  override async forwardAsync(x: Activation): Promise<Activation> {
    const y = await this.conv2.forwardAsync(await this.conv1.forwardAsync(x))
    return this.add.addReluAsync(await this.bn2.forwardAsync(y), x)
  }
}

/** A small CNN for 28x28 digits: stem, stride, depthwise-separable stage, pool, residual block, average, linear. */
export class MnistCNN extends nn.Module {
  quant: Layer = new nn.QuantStub()
  stem: Layer = new ConvBNReLU(1, 16)
  down: Layer = new ConvBNReLU(16, 32, 3, 2)
  dw: Layer = new ConvBNReLU(32, 32, 3, 1, 32)
  pw: Layer = new ConvBNReLU(32, 64, 1)
  pool: Layer = new nn.MaxPool2d(2)
  res: Layer = new Residual(64)
  gap: Layer = new nn.AdaptiveAvgPool2d(1)
  flatten: Layer = new nn.Flatten()
  fc: Layer = new nn.Linear(64, 10)
  dequant: nn.Module<Activation> = new nn.DeQuantStub()

  override forward(x: Tensor): Tensor {
    let y: Activation = x
    for (const layer of this.body) y = layer.forward(y)
    return this.dequant.forward(y)
  }

  override async forwardAsync(x: Tensor): Promise<Tensor> {
    let y: Activation = x
    for (const layer of this.body) y = await layer.forwardAsync(y)
    return this.dequant.forwardAsync(y)
  }

  private get body(): readonly Layer[] {
    return [this.quant, this.stem, this.down, this.dw, this.pw, this.pool, this.res, this.gap, this.flatten, this.fc]
  }

  /** What `fuseModules` joins. */
  static readonly fuse: readonly (readonly string[])[] = [
    ['stem.0', 'stem.1', 'stem.2'],
    ['down.0', 'down.1', 'down.2'],
    ['dw.0', 'dw.1', 'dw.2'],
    ['pw.0', 'pw.1', 'pw.2'],
    ['res.conv1.0', 'res.conv1.1', 'res.conv1.2'],
    ['res.conv2', 'res.bn2'],
  ]
}

class ConvBN extends nn.Sequential {
  constructor(inChannels: number, outChannels: number, kernel = 3, stride = 1, groups = 1, activation = true) {
    const options = { stride, padding: Math.floor(kernel / 2), groups, bias: false }
    super(
      new nn.Conv2d(inChannels, outChannels, kernel, options),
      new nn.BatchNorm2d(outChannels),
      ...(activation ? [new nn.ReLU6()] : []),
    )
  }
}

/** MobileNetV2's block; the field `skip_add` exists only where there is a skip. */
class InvertedResidual extends nn.Module<Activation, Activation> {
  conv: Layer
  declare skip_add?: nn.Functional & Layer

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super()
    const hidden = inChannels * expansion
    this.conv = new nn.Sequential(
      ...(expansion === 1 ? [] : [new ConvBN(inChannels, hidden, 1)]),
      new ConvBN(hidden, hidden, 3, stride, hidden),
      new ConvBN(hidden, outChannels, 1, 1, 1, false),
    )
    if (stride === 1 && inChannels === outChannels) this.skip_add = new nn.FloatFunctional()
  }

  override forward(x: Activation): Activation {
    const y = this.conv.forward(x)
    return this.skip_add === undefined ? y : this.skip_add.add(x, y)
  }
}

/** Expansion, channels, repeats and first stride of each stage. */
const stages = [
  [1, 16, 1, 1],
  [4, 24, 2, 1],
  [4, 32, 2, 2],
  [4, 48, 2, 1],
] as const

function mobileFeatures(): Layer[] {
  const features: Layer[] = [new ConvBN(1, 16, 3, 2)]
  let channels = 16
  for (const [expansion, out, repeats, firstStride] of stages)
    for (let i = 0; i < repeats; i++) {
      features.push(new InvertedResidual(channels, out, i === 0 ? firstStride : 1, expansion))
      channels = out
    }
  features.push(new ConvBN(channels, 160, 1))
  return features
}

/** A MobileNetV2-like network for 28x28 images: depthwise convolutions behind ReLU6, four skips. */
export class FashionMobileNet extends nn.Module {
  quant: Layer = new nn.QuantStub()
  features: Layer = new nn.Sequential(...mobileFeatures())
  gap: Layer = new nn.AdaptiveAvgPool2d(1)
  flatten: Layer = new nn.Flatten()
  drop: Layer = new nn.Dropout(0.1)
  fc: Layer = new nn.Linear(160, 10)
  dequant: nn.Module<Activation> = new nn.DeQuantStub()

  override forward(x: Tensor): Tensor {
    const y = this.gap.forward(this.features.forward(this.quant.forward(x)))
    return this.dequant.forward(this.fc.forward(this.drop.forward(this.flatten.forward(y))))
  }

  /** What `fuseModules` joins: every conv with its batch norm and, where it has one, its ReLU6. */
  static get fuse(): readonly (readonly string[])[] {
    return new FashionMobileNet()
      .namedModules()
      .filter(([, module]) => module instanceof ConvBN)
      .map(([path, module]) => module.namedChildren().map(([child]) => `${path}.${child}`))
  }
}
