/** Layers that change no value: flatten, dropout at inference, identity. */
import * as F from '../ops/float'
import { checkOptions } from '../ops/options'
import * as Q from '../ops/quantized'
import { ArgumentError, show } from '../errors'
import { Module, type Activation } from './module'
import { PolymorphicModule, type Face } from './polymorphic'

/** The axes that {@link Flatten} joins. */
export interface FlattenOptions {
  /** First of them. @defaultValue 1 */
  readonly startDim?: number
  /** Last of them; negative counts from the end. @defaultValue -1 */
  readonly endDim?: number
}

const flatten: Face<[FlattenOptions]> = {
  float: F.flatten,
  floatAsync: F.flattenAsync,
  quantized: Q.flatten,
  quantizedAsync: Q.flattenAsync,
}

/** Joins axes into one: by default all but the batch, `[N, C, H, W]` to `[N, C*H*W]`. PyTorch: `torch.nn.Flatten`. */
export class Flatten extends PolymorphicModule<[FlattenOptions]> {
  readonly startDim: number
  readonly endDim: number

  constructor(options: FlattenOptions = {}) {
    super()
    const op = 'nn.Flatten'
    checkOptions(op, options, ['startDim', 'endDim'])
    const { startDim = 1, endDim = -1 } = options
    for (const [argument, dim] of Object.entries({ startDim, endDim }))
      if (!Number.isInteger(dim))
        throw new ArgumentError({ op, argument: `options.${argument}`, expected: 'an axis', received: show(dim) })
    this.startDim = startDim
    this.endDim = endDim
  }

  override get typeName(): string {
    return 'nn.Flatten'
  }

  protected override get face(): Face<[FlattenOptions]> {
    return flatten
  }

  protected override get args(): [FlattenOptions] {
    return [{ startDim: this.startDim, endDim: this.endDim }]
  }
}

/** Gives back its input. PyTorch: `torch.nn.Identity`. Fusion leaves it in the place of what it folded away. */
export class Identity extends Module<Activation, Activation> {
  override get typeName(): string {
    return 'nn.Identity'
  }

  override forward<T extends Activation>(x: T): T {
    return x
  }

  override forwardAsync<T extends Activation>(x: T): Promise<T> {
    return Promise.resolve(x)
  }
}

/** Drops nothing at inference: gives back its input. PyTorch: `torch.nn.Dropout` in `eval` mode. */
export class Dropout extends Module<Activation, Activation> {
  /** Share dropped in training; kept for the record. */
  readonly p: number

  constructor(p = 0.5) {
    super()
    if (!(typeof p === 'number' && p >= 0 && p <= 1))
      throw new ArgumentError({
        op: 'nn.Dropout',
        argument: 'p',
        expected: 'a number from 0 to 1',
        received: show(p),
      })
    this.p = p
  }

  override get typeName(): string {
    return 'nn.Dropout'
  }

  override forward<T extends Activation>(x: T): T {
    return x
  }

  override forwardAsync<T extends Activation>(x: T): Promise<T> {
    return Promise.resolve(x)
  }
}
