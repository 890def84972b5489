/** A float model between the doors of quantization. */
import { isModule, Module, type Activation, type Layer } from '../nn/module'
import { DeQuantStub, QuantStub } from '../nn/stubs'
import { ArgumentError, show } from '../errors'
import type { Tensor } from '../tensor/tensor'

/**
 * Puts a QuantStub before a module and a DeQuantStub behind it, so that it can be quantized as a whole: floats in, floats
 * out, also after conversion. PyTorch: `torch.ao.quantization.QuantWrapper`.
 *
 * @example
 * const prepared = prepare(new QuantWrapper(unwrapped), { qconfig })
 * for (const batch of batches) prepared.forward(batch)
 * const quantized = convert(prepared)
 */
export class QuantWrapper extends Module {
  quant: Layer = new QuantStub()
  module: Layer
  dequant: Layer = new DeQuantStub()

  constructor(module: Layer) {
    super()
    if (!isModule(module))
      throw new ArgumentError({
        op: 'quantization.QuantWrapper',
        argument: 'module',
        expected: 'a Module',
        received: show(module),
      })
    this.module = module
  }

  override get typeName(): string {
    return 'quantization.QuantWrapper'
  }

  override forward(x: Tensor): Tensor {
    return this.dequant.forward(this.module.forward(this.quant.forward(x))) as Tensor
  }

  override async forwardAsync(x: Tensor): Promise<Tensor> {
    const codes: Activation = await this.quant.forwardAsync(x)
    return (await this.dequant.forwardAsync(await this.module.forwardAsync(codes))) as Tensor
  }
}
