/** Batch normalisation with frozen statistics. */
import * as F from '../ops/float'
import { checkBoolean, checkOptions, checkWhole } from '../ops/options'
import { ArgumentError, ShapeError, show } from '../errors'
import { isQTensor } from '../tensor/qtensor'
import { isTensor, type Tensor } from '../tensor/tensor'
import { sameShape, shapeText } from '../tensor/shape'
import { ObservableModule, type Activation, type StateSlot, type StateValue } from './module'
import { describe, plainSlotCheck } from './state'

/** Options of a batch normalisation. */
export interface BatchNormOptions {
  /** Added to the variance. @defaultValue 1e-5 */
  readonly eps?: number
  /** Whether it has a weight and a bias. @defaultValue true */
  readonly affine?: boolean
}

const statistics = { weight: 'weight', bias: 'bias', runningMean: 'running_mean', runningVar: 'running_var' } as const
type Field = keyof typeof statistics

/** Batch normalisation over axis 1: `(x - mean) / sqrt(var + eps) * weight + bias`, the statistics never updated. */
export abstract class BatchNormNd extends ObservableModule {
  /** Number of channels. */
  readonly features: number
  readonly eps: number
  readonly affine: boolean
  private tensors: Readonly<Partial<Record<Field, Tensor | undefined>>> = {}
  private tracked: StateValue | undefined = undefined

  constructor(op: string, features: number, options: BatchNormOptions) {
    super()
    checkOptions(op, options, ['eps', 'affine'])
    checkWhole(op, 'features', features, 1)
    const { eps = 1e-5, affine = true } = options
    if (!(typeof eps === 'number' && eps >= 0 && eps < Infinity))
      throw new ArgumentError({
        op,
        argument: 'options.eps',
        expected: 'a finite number of at least 0',
        received: show(eps),
      })
    checkBoolean(op, 'options.affine', affine)
    this.features = features
    this.eps = eps
    this.affine = affine
  }

  /** Ranks of input that the layer takes. */
  protected abstract get ranks(): readonly number[]

  /** Factor per channel; undefined until set or loaded, or without `affine`. */
  get weight(): Tensor | undefined {
    return this.tensors.weight
  }

  set weight(value: Tensor | undefined) {
    this.put('weight', value)
  }

  /** Shift per channel; undefined until set or loaded, or without `affine`. */
  get bias(): Tensor | undefined {
    return this.tensors.bias
  }

  set bias(value: Tensor | undefined) {
    this.put('bias', value)
  }

  /** Mean per channel. PyTorch: `running_mean`. */
  get runningMean(): Tensor | undefined {
    return this.tensors.runningMean
  }

  set runningMean(value: Tensor | undefined) {
    this.put('runningMean', value)
  }

  /** Variance per channel. PyTorch: `running_var`. */
  get runningVar(): Tensor | undefined {
    return this.tensors.runningVar
  }

  set runningVar(value: Tensor | undefined) {
    this.put('runningVar', value)
  }

  /** All statistics, once they are there. @throws ArgumentError while they are not */
  requireStatistics(): {
    readonly mean: Tensor
    readonly variance: Tensor
    readonly weight: Tensor | null
    readonly bias: Tensor | null
  } {
    const { runningMean, runningVar, weight = null, bias = null } = this.tensors
    if (runningMean === undefined || runningVar === undefined || (this.affine && (weight === null || bias === null)))
      throw new ArgumentError({
        op: this.label(),
        message: 'this layer has no statistics yet',
        hint: `Load ${this.fields()
          .map((field) => statistics[field])
          .join(', ')} by loadStateDict, or set its fields of those names.`,
      })
    return { mean: runningMean, variance: runningVar, weight, bias }
  }

  protected override compute(x: Tensor): Tensor {
    const { mean, variance, options } = this.operands(x)
    return F.batchNorm(x, mean, variance, options)
  }

  protected override async computeAsync(x: Tensor): Promise<Tensor> {
    const { mean, variance, options } = this.operands(x)
    return F.batchNormAsync(x, mean, variance, options)
  }

  override state(): Readonly<Record<string, StateSlot>> {
    const slots: Record<string, StateSlot> = {}
    for (const field of this.fields())
      slots[statistics[field]] = {
        kind: field === 'weight' || field === 'bias' ? 'parameter' : 'buffer',
        value: this.tensors[field],
        check: (value) => plainSlotCheck(value, 'float32', [this.features]),
      }
    slots['num_batches_tracked'] = { kind: 'buffer', value: this.tracked, optional: true, check: checkTracked }
    return slots
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    return () => {
      const loaded = { ...this.tensors }
      for (const field of this.fields()) {
        const value = values.get(statistics[field])
        if (value !== undefined) loaded[field] = value as Tensor
      }
      this.tensors = loaded
      this.tracked = values.get('num_batches_tracked') ?? this.tracked
    }
  }

  private fields(): readonly Field[] {
    const all = Object.keys(statistics) as Field[]
    return this.affine ? all : all.filter((field) => field.startsWith('running'))
  }

  private put(field: Field, value: Tensor | undefined): void {
    if (value !== undefined && !this.fields().includes(field))
      throw new ArgumentError({
        op: this.label(),
        argument: field,
        expected: 'absent',
        received: describe(value),
        hint: 'A layer made with { affine: false } has no weight and no bias.',
      })
    const fault = value === undefined ? undefined : plainSlotCheck(value, 'float32', [this.features])
    if (fault !== undefined) throw new ShapeError({ op: this.label(), message: `${field} ${fault}` })
    this.tensors = { ...this.tensors, [field]: value }
  }

  /** @internal Refuses an input of another rank, and gives what to normalise with. */
  operands(x: Activation): {
    readonly mean: Tensor
    readonly variance: Tensor
    readonly options: { readonly weight?: Tensor; readonly bias?: Tensor; readonly eps: number }
  } {
    const { mean, variance, weight, bias } = this.requireStatistics()
    if ((isTensor(x) || isQTensor(x)) && !this.ranks.includes(x.rank))
      throw new ShapeError({
        op: this.label(),
        argument: 'x',
        expected: `of rank ${this.ranks.join(' or ')}`,
        received: shapeText(x.shape),
      })
    return {
      mean,
      variance,
      options: { eps: this.eps, ...(weight !== null && { weight }), ...(bias !== null && { bias }) },
    }
  }
}

function checkTracked(value: StateValue): string | undefined {
  const fits = isTensor(value) && value.dtype === 'int64' && sameShape(value.shape, [])
  return fits ? undefined : `must be a Tensor of int64 of shape [], but got ${describe(value)}`
}

/** Batch normalisation of `[N, C]` or `[N, C, L]`. PyTorch: `torch.nn.BatchNorm1d` in `eval` mode. */
export class BatchNorm1d extends BatchNormNd {
  constructor(features: number, options: BatchNormOptions = {}) {
    super('nn.BatchNorm1d', features, options)
  }

  override get typeName(): string {
    return 'nn.BatchNorm1d'
  }

  protected override get ranks(): readonly number[] {
    return [2, 3]
  }
}

/** Batch normalisation of `[N, C, H, W]`. PyTorch: `torch.nn.BatchNorm2d` in `eval` mode. */
export class BatchNorm2d extends BatchNormNd {
  constructor(features: number, options: BatchNormOptions = {}) {
    super('nn.BatchNorm2d', features, options)
  }

  override get typeName(): string {
    return 'nn.BatchNorm2d'
  }

  protected override get ranks(): readonly number[] {
    return [4]
  }
}

/** Batch normalisation of `[N, C, D, H, W]`. PyTorch: `torch.nn.BatchNorm3d` in `eval` mode. */
export class BatchNorm3d extends BatchNormNd {
  constructor(features: number, options: BatchNormOptions = {}) {
    super('nn.BatchNorm3d', features, options)
  }

  override get typeName(): string {
    return 'nn.BatchNorm3d'
  }

  protected override get ranks(): readonly number[] {
    return [5]
  }
}
