/** The fused float linear layer. */
import { LinearModule, linearConfig, type LinearOptions } from '../linear'

/** Linear layer, then ReLU. PyTorch: `torch.nn.intrinsic.LinearReLU`, but one layer, with the linear layer's keys. */
export class LinearReLU extends LinearModule {
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super(linearConfig('nn.intrinsic.LinearReLU', inFeatures, outFeatures, options))
  }

  override get typeName(): string {
    return 'nn.intrinsic.LinearReLU'
  }

  protected override get bounds(): readonly [number, number] {
    return [0, Infinity]
  }
}
