/** Activation functions. */
import * as F from '../ops/float'
import { checkFinite, checkOptions } from '../ops/options'
import * as Q from '../ops/quantized'
import { ArgumentError, show } from '../errors'
import type { Tensor } from '../tensor/tensor'
import { ObservableModule } from './module'
import { PolymorphicModule, type Face } from './polymorphic'

const relu: Face<[]> = { float: F.relu, floatAsync: F.reluAsync, quantized: Q.relu, quantizedAsync: Q.reluAsync }
const relu6: Face<[]> = { float: F.relu6, floatAsync: F.relu6Async, quantized: Q.relu6, quantizedAsync: Q.relu6Async }

/** Bounds of {@link Hardtanh}. */
export interface HardtanhOptions {
  /** @defaultValue -1 */
  readonly min?: number
  /** @defaultValue 1 */
  readonly max?: number
}

const hardtanh: Face<[Required<HardtanhOptions>]> = {
  float: F.hardtanh,
  floatAsync: F.hardtanhAsync,
  quantized: Q.hardtanh,
  quantizedAsync: Q.hardtanhAsync,
}

/** Checks and completes the bounds of a clip. */
export function clipBounds(op: string, options: HardtanhOptions, defaults: Required<HardtanhOptions>): typeof defaults {
  const { min = defaults.min, max = defaults.max } = options
  checkFinite(op, 'options.min', min)
  checkFinite(op, 'options.max', max)
  if (min > max)
    throw new ArgumentError({
      op,
      argument: 'options.min',
      expected: `at most options.max (${String(max)})`,
      received: show(min),
    })
  return { min, max }
}

/** `max(x, 0)`, of floats or codes. PyTorch: `torch.nn.ReLU`. */
export class ReLU extends PolymorphicModule<[]> {
  override get typeName(): string {
    return 'nn.ReLU'
  }

  protected override get face(): Face<[]> {
    return relu
  }

  protected override get args(): [] {
    return []
  }
}

/** `min(max(x, 0), 6)`, of floats or codes. PyTorch: `torch.nn.ReLU6`. */
export class ReLU6 extends PolymorphicModule<[]> {
  override get typeName(): string {
    return 'nn.ReLU6'
  }

  protected override get face(): Face<[]> {
    return relu6
  }

  protected override get args(): [] {
    return []
  }
}

/** `min(max(x, min), max)`, of floats or codes. PyTorch: `torch.nn.Hardtanh`. */
export class Hardtanh extends PolymorphicModule<[Required<HardtanhOptions>]> {
  readonly min: number
  readonly max: number

  constructor(options: HardtanhOptions = {}) {
    super()
    checkOptions('nn.Hardtanh', options, ['min', 'max'])
    const { min, max } = clipBounds('nn.Hardtanh', options, { min: -1, max: 1 })
    this.min = min
    this.max = max
  }

  override get typeName(): string {
    return 'nn.Hardtanh'
  }

  protected override get face(): Face<[Required<HardtanhOptions>]> {
    return hardtanh
  }

  protected override get args(): [Required<HardtanhOptions>] {
    return [{ min: this.min, max: this.max }]
  }
}

/** `1 / (1 + exp(-x))`. PyTorch: `torch.nn.Sigmoid`. */
export class Sigmoid extends ObservableModule {
  override get typeName(): string {
    return 'nn.Sigmoid'
  }

  protected override compute(x: Tensor): Tensor {
    return F.sigmoid(x)
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return F.sigmoidAsync(x)
  }
}

/** Hyperbolic tangent. PyTorch: `torch.nn.Tanh`. */
export class Tanh extends ObservableModule {
  override get typeName(): string {
    return 'nn.Tanh'
  }

  protected override compute(x: Tensor): Tensor {
    return F.tanh(x)
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return F.tanhAsync(x)
  }
}

/** `x * relu6(x + 3) / 6`. PyTorch: `torch.nn.Hardswish`. */
export class Hardswish extends ObservableModule {
  override get typeName(): string {
    return 'nn.Hardswish'
  }

  protected override compute(x: Tensor): Tensor {
    return F.hardswish(x)
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return F.hardswishAsync(x)
  }
}

/** Options of {@link LeakyReLU}. */
export interface LeakyReLUOptions {
  /** Factor of negative values. @defaultValue 0.01 */
  readonly negativeSlope?: number
}

/** `x` where positive, `negativeSlope * x` elsewhere. PyTorch: `torch.nn.LeakyReLU`. */
export class LeakyReLU extends ObservableModule {
  readonly negativeSlope: number

  constructor(options: LeakyReLUOptions = {}) {
    super()
    checkOptions('nn.LeakyReLU', options, ['negativeSlope'])
    const { negativeSlope = 0.01 } = options
    checkFinite('nn.LeakyReLU', 'options.negativeSlope', negativeSlope)
    this.negativeSlope = negativeSlope
  }

  override get typeName(): string {
    return 'nn.LeakyReLU'
  }

  protected override compute(x: Tensor): Tensor {
    return F.leakyRelu(x, { negativeSlope: this.negativeSlope })
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return F.leakyReluAsync(x, { negativeSlope: this.negativeSlope })
  }
}

/** `exp(x) / sum(exp(x))` along an axis. PyTorch: `torch.nn.Softmax`. */
export class Softmax extends ObservableModule {
  readonly dim: number

  constructor(dim: number) {
    super()
    if (!Number.isInteger(dim))
      throw new ArgumentError({ op: 'nn.Softmax', argument: 'dim', expected: 'an axis', received: show(dim) })
    this.dim = dim
  }

  override get typeName(): string {
    return 'nn.Softmax'
  }

  protected override compute(x: Tensor): Tensor {
    return F.softmax(x, this.dim)
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return F.softmaxAsync(x, this.dim)
  }
}
