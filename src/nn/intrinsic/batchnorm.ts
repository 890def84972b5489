/** Fused float batch normalisations. */
import * as F from '../../ops/float'
import type { Tensor } from '../../tensor/tensor'
import { BatchNormNd, type BatchNormOptions } from '../batchnorm'

/** A batch normalisation whose result is clamped from 0 up. */
export abstract class BNReLUNd extends BatchNormNd {
  protected override compute(x: Tensor): Tensor {
    return F.relu(super.compute(x))
  }

  protected override async computeAsync(x: Tensor): Promise<Tensor> {
    return F.reluAsync(await super.computeAsync(x))
  }
}

/** Batch normalisation of `[N, C, H, W]`, then ReLU. PyTorch: `torch.nn.intrinsic.BNReLU2d`, but one layer. */
export class BNReLU2d extends BNReLUNd {
  constructor(features: number, options: BatchNormOptions = {}) {
    super('nn.intrinsic.BNReLU2d', features, options)
  }

  override get typeName(): string {
    return 'nn.intrinsic.BNReLU2d'
  }

  protected override get ranks(): readonly number[] {
    return [4]
  }
}

/** Batch normalisation of `[N, C, D, H, W]`, then ReLU. PyTorch: `torch.nn.intrinsic.BNReLU3d`, but one layer. */
export class BNReLU3d extends BNReLUNd {
  constructor(features: number, options: BatchNormOptions = {}) {
    super('nn.intrinsic.BNReLU3d', features, options)
  }

  override get typeName(): string {
    return 'nn.intrinsic.BNReLU3d'
  }

  protected override get ranks(): readonly number[] {
    return [5]
  }
}
