/** Where a model's quantized part begins and ends. */
import { runAsync } from '../backend/steps'
import { checkQTensor, dequantizeSteps, isQTensor } from '../tensor/qtensor'
import { checkTensor, type Tensor } from '../tensor/tensor'
import { Module, ObservableModule, type Activation } from './module'

const allTypes = ['quint8', 'qint8', 'qint32'] as const

/**
 * Marks where float becomes codes: passes its input through, watched by an observer; conversion puts `nn.quantized.Quantize`
 * here. PyTorch: `torch.ao.quantization.QuantStub`.
 */
export class QuantStub extends ObservableModule<Tensor, Activation> {
  override get typeName(): string {
    return 'nn.QuantStub'
  }

  protected override compute(x: Tensor): Tensor {
    checkTensor(this.label(), x, 'x')
    return x
  }

  protected override computeAsync(x: Tensor): Promise<Tensor> {
    return Promise.resolve().then(() => this.compute(x))
  }
}

/**
 * Marks where codes become float again: passes float through and dequantizes codes; conversion puts
 * `nn.quantized.DeQuantize` here. PyTorch: `torch.ao.quantization.DeQuantStub`.
 */
export class DeQuantStub extends Module<Activation> {
  override get typeName(): string {
    return 'nn.DeQuantStub'
  }

  override forward(x: Activation): Tensor {
    if (isQTensor(x)) return x.dequantize()
    checkTensor(this.label(), x, 'x')
    return x
  }

  override async forwardAsync(x: Activation): Promise<Tensor> {
    if (!isQTensor(x)) return this.forward(x)
    checkQTensor(this.label(), x, 'x', allTypes)
    return runAsync(dequantizeSteps(x))
  }
}
