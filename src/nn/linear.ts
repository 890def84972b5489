/** The float linear layer. */
import { runAsync, runSync, type Steps } from '../backend/steps'
import { packedLinearSteps } from '../ops/float/conv'
import { packLinear, type FloatPackedLinear } from '../ops/float/packed'
import { checkBoolean, checkOptions, checkWhole } from '../ops/options'
import { checkTensor, type Tensor } from '../tensor/tensor'
import { WeightedModule } from './weighted'

/** Options of a linear layer. */
export interface LinearOptions {
  /** Whether it has a bias. @defaultValue true */
  readonly bias?: boolean
}

/** A linear layer's numbers, as layers of every kind (float, fused, quantized) keep them. */
export interface LinearConfig {
  readonly inFeatures: number
  readonly outFeatures: number
  readonly options: LinearOptions
}

/** Checks the arguments of a linear layer's constructor. */
export function linearConfig(
  op: string,
  inFeatures: number,
  outFeatures: number,
  options: LinearOptions,
  keys: readonly string[] = ['bias'],
): LinearConfig {
  checkOptions(op, options, keys)
  checkWhole(op, 'inFeatures', inFeatures, 1)
  checkWhole(op, 'outFeatures', outFeatures, 1)
  const { bias = true } = options
  checkBoolean(op, 'options.bias', bias)
  return { inFeatures, outFeatures, options: Object.freeze({ ...options, bias }) }
}

/** A float linear layer, plain or fused. */
export abstract class LinearModule extends WeightedModule implements LinearConfig {
  readonly inFeatures: number
  readonly outFeatures: number
  readonly options: LinearOptions
  private packed: FloatPackedLinear | undefined = undefined

  constructor(config: LinearConfig) {
    super([config.outFeatures, config.inFeatures], config.options.bias ?? true)
    this.inFeatures = config.inFeatures
    this.outFeatures = config.outFeatures
    this.options = config.options
  }

  /** Bounds that a fused activation clamps the result to. */
  protected get bounds(): readonly [lo: number, hi: number] {
    return [-Infinity, Infinity]
  }

  protected override weightsChanged(): void {
    this.packed = undefined
  }

  protected override compute(x: Tensor): Tensor {
    return runSync(this.steps(x))
  }

  protected override async computeAsync(x: Tensor): Promise<Tensor> {
    return runAsync(this.steps(x))
  }

  private steps(x: Tensor): Steps<Tensor> {
    const { weight, bias } = this.requireWeights()
    const op = this.label()
    this.packed ??= packLinear(op, weight, bias)
    checkTensor(op, x, 'x')
    this.inputObserver?.forward(x)
    return packedLinearSteps(op, x, this.packed, ...this.bounds)
  }
}

/**
 * `y = x Wᵀ + b` over the last axis: x `[…, inFeatures]`, weight `[outFeatures, inFeatures]`. PyTorch: `torch.nn.Linear`.
 *
 * @example
 * new nn.Linear(64, 10)
 */
export class Linear extends LinearModule {
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super(linearConfig('nn.Linear', inFeatures, outFeatures, options))
  }

  override get typeName(): string {
    return 'nn.Linear'
  }
}
