/** Activation functions on codes, by tables of 256 entries (numerics.md 6). */
import * as Q from '../../ops/quantized'
import { ArgumentError, show } from '../../errors'
import { checkFinite, checkOptions } from '../../ops/options'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import type * as float from '../activation'
import { Module, type ObservableModule } from '../module'
import { checkSource, observedDType, quantizedKeys, QuantizedModule, type QuantizedOptions } from './output'

/** Runs a checked op on codes with the module's own output parameters. */
abstract class TableModule extends QuantizedModule {
  protected abstract run(x: QTensor<QDType8>, scale: number, zeroPoint: number): QTensor
  protected abstract runAsync(x: QTensor<QDType8>, scale: number, zeroPoint: number): Promise<QTensor>

  override forward(x: QTensor): QTensor {
    this.checkCodes(x)
    this.checkDType(x)
    const { scale, zeroPoint } = this.requireQParams()
    return this.run(x, scale, zeroPoint)
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    this.checkCodes(x)
    this.checkDType(x)
    const { scale, zeroPoint } = this.requireQParams()
    return this.runAsync(x, scale, zeroPoint)
  }
}

function optionsOf(source: ObservableModule): QuantizedOptions {
  return { dtype: observedDType(source, source.activationPostProcess) }
}

/** `min(max(x, 0), 6)` on codes; scale and zero point stay the input's. PyTorch: `torch.nn.quantized.ReLU6`. */
export class ReLU6 extends Module<QTensor, QTensor> {
  override get typeName(): string {
    return 'nn.quantized.ReLU6'
  }

  override forward(x: QTensor): QTensor {
    return Q.relu6(x as QTensor<QDType8>)
  }

  override forwardAsync(x: QTensor): Promise<QTensor> {
    return Q.relu6Async(x as QTensor<QDType8>)
  }

  /** What `nn.ReLU6` becomes in PyTorch; ours computes on codes as it is. PyTorch: `from_float`. */
  static fromFloat(module: float.ReLU6): ReLU6 {
    checkSource('nn.quantized.ReLU6', module, 'nn.ReLU6')
    return new ReLU6()
  }
}

/** `x * relu6(x + 3) / 6` on codes. PyTorch: `torch.nn.quantized.Hardswish`. */
export class Hardswish extends TableModule {
  constructor(scale?: number, zeroPoint?: number, options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.Hardswish', options, quantizedKeys)
    super('nn.quantized.Hardswish', options)
    this.scale = scale
    this.zeroPoint = zeroPoint
  }

  override get typeName(): string {
    return 'nn.quantized.Hardswish'
  }

  protected override run(x: QTensor<QDType8>, scale: number, zeroPoint: number): QTensor {
    return Q.hardswish(x, scale, zeroPoint)
  }

  protected override runAsync(x: QTensor<QDType8>, scale: number, zeroPoint: number): Promise<QTensor> {
    return Q.hardswishAsync(x, scale, zeroPoint)
  }

  /** The same function, without output parameters: to load a state dict into. */
  static like(module: float.Hardswish): Hardswish {
    checkSource('nn.quantized.Hardswish', module, 'nn.Hardswish')
    return new Hardswish(undefined, undefined, optionsOf(module))
  }

  /** What a hardswish that calibration has watched becomes. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: float.Hardswish): Hardswish {
    return Hardswish.like(module).adopt(module, module.activationPostProcess)
  }
}

/** `x` where positive, `negativeSlope * x` elsewhere, on codes. PyTorch: `torch.nn.quantized.LeakyReLU`. */
export class LeakyReLU extends TableModule {
  readonly negativeSlope: number

  constructor(scale?: number, zeroPoint?: number, options: QuantizedOptions & float.LeakyReLUOptions = {}) {
    const op = 'nn.quantized.LeakyReLU'
    checkOptions(op, options, [...quantizedKeys, 'negativeSlope'])
    super(op, options)
    const { negativeSlope = 0.01 } = options
    checkFinite(op, 'options.negativeSlope', negativeSlope)
    this.negativeSlope = negativeSlope
    this.scale = scale
    this.zeroPoint = zeroPoint
  }

  override get typeName(): string {
    return 'nn.quantized.LeakyReLU'
  }

  protected override run(x: QTensor<QDType8>, scale: number, zeroPoint: number): QTensor {
    return Q.leakyRelu(x, scale, zeroPoint, { negativeSlope: this.negativeSlope })
  }

  protected override runAsync(x: QTensor<QDType8>, scale: number, zeroPoint: number): Promise<QTensor> {
    return Q.leakyReluAsync(x, scale, zeroPoint, { negativeSlope: this.negativeSlope })
  }

  /** The same function, without output parameters: to load a state dict into. */
  static like(module: float.LeakyReLU): LeakyReLU {
    checkSource('nn.quantized.LeakyReLU', module, 'nn.LeakyReLU')
    return new LeakyReLU(undefined, undefined, { ...optionsOf(module), negativeSlope: module.negativeSlope })
  }

  /** What a leaky ReLU that calibration has watched becomes. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: float.LeakyReLU): LeakyReLU {
    return LeakyReLU.like(module).adopt(module, module.activationPostProcess)
  }
}

/**
 * The logistic function on codes. Its range is known: unless told otherwise the scale is 1/256 and the zero point the
 * type's least code. PyTorch: `torch.nn.quantized.Sigmoid`.
 */
export class Sigmoid extends TableModule {
  constructor(scale?: number, zeroPoint?: number, options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.Sigmoid', options, quantizedKeys)
    super('nn.quantized.Sigmoid', options)
    this.scale = scale ?? 1 / 256
    this.zeroPoint = zeroPoint ?? (this.dtype === 'quint8' ? 0 : -128)
  }

  override get typeName(): string {
    return 'nn.quantized.Sigmoid'
  }

  protected override run(x: QTensor<QDType8>, scale: number, zeroPoint: number): QTensor {
    return Q.sigmoid(x, { scale, zeroPoint })
  }

  protected override runAsync(x: QTensor<QDType8>, scale: number, zeroPoint: number): Promise<QTensor> {
    return Q.sigmoidAsync(x, { scale, zeroPoint })
  }

  /** What a sigmoid becomes: with its observer's parameters where it has one, else the known ones. PyTorch: `from_float`. */
  static fromFloat(module: float.Sigmoid): Sigmoid {
    checkSource('nn.quantized.Sigmoid', module, 'nn.Sigmoid')
    const made = new Sigmoid(undefined, undefined, optionsOf(module))
    return module.activationPostProcess === undefined ? made : made.adopt(module, module.activationPostProcess)
  }
}

/**
 * Hyperbolic tangent on codes. Its range is known: unless told otherwise the scale is 2/256 and the zero point the middle
 * of the type. PyTorch keeps `torch.nn.Tanh`, with these parameters.
 */
export class Tanh extends TableModule {
  constructor(scale?: number, zeroPoint?: number, options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.Tanh', options, quantizedKeys)
    super('nn.quantized.Tanh', options)
    this.scale = scale ?? 2 / 256
    this.zeroPoint = zeroPoint ?? (this.dtype === 'quint8' ? 128 : 0)
  }

  override get typeName(): string {
    return 'nn.quantized.Tanh'
  }

  protected override run(x: QTensor<QDType8>, scale: number, zeroPoint: number): QTensor {
    return Q.tanh(x, { scale, zeroPoint })
  }

  protected override runAsync(x: QTensor<QDType8>, scale: number, zeroPoint: number): Promise<QTensor> {
    return Q.tanhAsync(x, { scale, zeroPoint })
  }

  /** What a tanh becomes: with its observer's parameters where it has one, else the known ones. */
  static fromFloat(module: float.Tanh): Tanh {
    checkSource('nn.quantized.Tanh', module, 'nn.Tanh')
    const made = new Tanh(undefined, undefined, optionsOf(module))
    return module.activationPostProcess === undefined ? made : made.adopt(module, module.activationPostProcess)
  }
}

/**
 * Softmax along an axis on codes. Its range is known: unless told otherwise the scale is 1/256 and the zero point the type's
 * least code. PyTorch: `torch.nn.quantized.Softmax`.
 */
export class Softmax extends QuantizedModule {
  readonly dim: number

  constructor(dim: number, scale?: number, zeroPoint?: number, options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.Softmax', options, quantizedKeys)
    super('nn.quantized.Softmax', options)
    if (!Number.isInteger(dim))
      throw new ArgumentError({
        op: 'nn.quantized.Softmax',
        argument: 'dim',
        expected: 'an axis',
        received: show(dim),
      })
    this.dim = dim
    this.scale = scale ?? 1 / 256
    this.zeroPoint = zeroPoint ?? (this.dtype === 'quint8' ? 0 : -128)
  }

  override get typeName(): string {
    return 'nn.quantized.Softmax'
  }

  override forward(x: QTensor): QTensor {
    this.checkCodes(x)
    return Q.softmax(x, this.dim, { ...this.requireQParams(), dtype: this.dtype })
  }

  override async forwardAsync(x: QTensor): Promise<QTensor> {
    this.checkCodes(x)
    return Q.softmaxAsync(x, this.dim, { ...this.requireQParams(), dtype: this.dtype })
  }

  /** What a softmax becomes: with its observer's parameters where it has one, else the known ones. PyTorch: `from_float`. */
  static fromFloat(module: float.Softmax): Softmax {
    checkSource('nn.quantized.Softmax', module, 'nn.Softmax')
    const made = new Softmax(module.dim, undefined, undefined, optionsOf(module))
    return module.activationPostProcess === undefined ? made : made.adopt(module, module.activationPostProcess)
  }
}
