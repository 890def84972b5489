/** The doors of the quantized part: float to codes, codes to float. */
import { runAsync } from '../../backend/steps'
import { checkOptions } from '../../ops/options'
import type { QDType8 } from '../../tensor/dtype'
import { checkQTensor, dequantizeSteps, type QTensor } from '../../tensor/qtensor'
import { quantizePerTensor, quantizePerTensorAsync } from '../../tensor/quantize'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { Module } from '../module'
import type { DeQuantStub, QuantStub } from '../stubs'
import { checkSource, observedDType, quantizedKeys, QuantizedModule, type QuantizedOptions } from './output'

/** Quantizes a float tensor with a fixed scale and zero point. PyTorch: `torch.nn.quantized.Quantize`. */
export class Quantize extends QuantizedModule<Tensor, QTensor<QDType8>> {
  constructor(scale?: number, zeroPoint?: number, options: QuantizedOptions = {}) {
    checkOptions('nn.quantized.Quantize', options, quantizedKeys)
    super('nn.quantized.Quantize', options)
    this.scale = scale
    this.zeroPoint = zeroPoint
  }

  override get typeName(): string {
    return 'nn.quantized.Quantize'
  }

  override forward(x: Tensor): QTensor<QDType8> {
    checkTensor(this.label(), x, 'x')
    const { scale, zeroPoint } = this.requireQParams()
    return quantizePerTensor(x, scale, zeroPoint, this.dtype)
  }

  override async forwardAsync(x: Tensor): Promise<QTensor<QDType8>> {
    checkTensor(this.label(), x, 'x')
    const { scale, zeroPoint } = this.requireQParams()
    return quantizePerTensorAsync(x, scale, zeroPoint, this.dtype)
  }

  /** The same door, without parameters: to load a state dict into. */
  static like(module: QuantStub): Quantize {
    checkSource('nn.quantized.Quantize', module, 'nn.QuantStub')
    return new Quantize(undefined, undefined, { dtype: observedDType(module, module.activationPostProcess) })
  }

  /** What a stub that calibration has watched becomes. PyTorch: `from_float`. @throws NotCalibratedError */
  static fromFloat(module: QuantStub): Quantize {
    return Quantize.like(module).adopt(module, module.activationPostProcess)
  }
}

/** Turns codes into floats. PyTorch: `torch.nn.quantized.DeQuantize`. */
export class DeQuantize extends Module<QTensor> {
  override get typeName(): string {
    return 'nn.quantized.DeQuantize'
  }

  override forward(x: QTensor): Tensor {
    this.check(x)
    return x.dequantize()
  }

  override async forwardAsync(x: QTensor): Promise<Tensor> {
    this.check(x)
    return runAsync(dequantizeSteps(x))
  }

  private check(x: QTensor): void {
    checkQTensor(this.label(), x, 'x', ['quint8', 'qint8', 'qint32'])
  }

  /** What a stub becomes. PyTorch: `from_float`. */
  static fromFloat(module: DeQuantStub): DeQuantize {
    checkSource('nn.quantized.DeQuantize', module, 'nn.DeQuantStub')
    return new DeQuantize()
  }
}
