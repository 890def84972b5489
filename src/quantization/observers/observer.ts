/** The base of all observers: what calibration attaches to a layer, and what conversion asks for parameters. */
import { ArgumentError, FormatError, NotCalibratedError, show } from '../../errors'
import type { DType, PlainArrays, QDType } from '../../tensor/dtype'
import type { QParams } from '../../tensor/qparams'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { checkTensor, isTensor, Tensor } from '../../tensor/tensor'
import type { ObserverScheme, Settings } from './settings'

const brand: unique symbol = Symbol.for('int8.Observer')

/** Values that an observer left out of its range. */
export interface Skipped {
  readonly nan: number
  readonly inf: number
}

/** An observer's memory, by PyTorch's names (`min_val`, `max_val`, `histogram`, `eps`) and `skipped`. */
export type ObserverState = Map<string, Tensor<DType>>

/**
 * Watches float tensors and computes the scale and zero point that suit them. PyTorch: `torch.ao.quantization.Observer`.
 *
 * NaN is skipped, infinities are skipped; both are counted. What an observer has seen is O(1) or O(bins) memory, can be
 * saved, loaded, and, where that is exact, merged with what another one has seen.
 */
export abstract class Observer {
  declare readonly [brand]: 'Observer'
  /** Name of the class, as errors show it. */
  readonly kind: string
  /** Type of the codes that the parameters are for. */
  readonly dtype: QDType
  readonly qscheme: ObserverScheme
  /** Least and largest code that the parameters are for. */
  readonly quantMin: number
  readonly quantMax: number
  /** Least scale. */
  readonly eps: number
  protected readonly settings: Settings
  private counted: Skipped = { nan: 0, inf: 0 }

  protected constructor(kind: string, settings: Settings) {
    this.kind = kind
    this.settings = settings
    this.dtype = settings.dtype
    this.qscheme = settings.qscheme
    this.quantMin = settings.quantMin
    this.quantMax = settings.quantMax
    this.eps = settings.eps
    Object.defineProperty(this, brand, { value: 'Observer' })
  }

  /** Whether {@link calculateQParams} can answer. */
  abstract get observed(): boolean

  /** How many values were left out so far. */
  get skipped(): Skipped {
    return this.counted
  }

  /**
   * Watches a tensor and returns it unchanged.
   *
   * @param x - Float tensor of any shape; one without elements is ignored.
   * @throws DTypeError where x is not a float32 tensor
   */
  forward(x: Tensor): Tensor {
    checkTensor(this.op('forward'), x, 'x')
    if (x.size > 0) this.observe(x)
    return x
  }

  /**
   * The scale and zero point (or one of each per channel) for what was seen. PyTorch: `calculate_qparams`.
   *
   * @throws NotCalibratedError where nothing was seen (PyTorch warns and answers scale 1)
   */
  abstract calculateQParams(): QParams

  /** Forgets everything. PyTorch: `reset_min_max_vals`. */
  reset(): void {
    this.counted = { nan: 0, inf: 0 }
    this.clear()
  }

  /**
   * Adds what another observer of the same class and options has seen, as if this one had seen it: so calibration can be
   * spread over workers and machines.
   *
   * @throws ArgumentError where the observers differ, or where the kind cannot merge exactly
   */
  merge(other: Observer): void {
    const op = this.op('merge')
    if (!isObserver(other) || other.kind !== this.kind)
      throw new ArgumentError({
        op,
        argument: 'other',
        expected: `a ${this.kind}`,
        received: isObserver(other) ? `a ${other.kind}` : show(other),
      })
    const mine = this.describe()
    const theirs = other.describe()
    if (mine !== theirs)
      throw new ArgumentError({
        op,
        argument: 'other',
        expected: `an observer of ${mine}`,
        received: `one of ${theirs}`,
      })
    this.mergeSame(other as this)
    this.skip(other.skipped)
  }

  /** What it has seen, as tensors by PyTorch's names. PyTorch: `state_dict`. */
  stateDict(): ObserverState {
    const state: ObserverState = new Map()
    state.set('eps', new Tensor('float32', [1], Float32Array.of(this.eps)))
    for (const [key, value] of this.saveState()) state.set(key, value)
    const { nan, inf } = this.counted
    state.set('skipped', new Tensor('int64', [2], BigInt64Array.of(BigInt(nan), BigInt(inf))))
    return state
  }

  /**
   * Takes over what {@link stateDict} of such an observer (ours or PyTorch's) gave; parameters are then the same to the bit.
   *
   * @throws FormatError where a tensor is missing, unknown or of another shape or dtype; ArgumentError where eps differs
   */
  loadStateDict(state: ReadonlyMap<string, Tensor<DType>>): void {
    const reader = new StateReader(this.op('loadStateDict'), state)
    const [eps = 0] = reader.take('eps', 'float32', [[1]]).data
    if (eps !== this.eps)
      throw new ArgumentError({
        op: this.op('loadStateDict'),
        argument: 'state.eps',
        expected: `${String(this.eps)}, this observer's`,
        received: String(eps),
      })
    const commit = this.readState(reader)
    const skipped = reader.has('skipped') ? reader.take('skipped', 'int64', [[2]]).data : []
    reader.end()
    const [nan = 0n, inf = 0n] = skipped
    this.counted = { nan: Number(nan), inf: Number(inf) }
    commit()
  }

  /** Takes in a tensor that has elements. */
  protected abstract observe(x: Tensor): void
  /** Forgets what {@link observe} took in. */
  protected abstract clear(): void
  /** Merges an observer of the same class and options. */
  protected abstract mergeSame(other: this): void
  /** The tensors of {@link stateDict}, without eps and counts. */
  protected abstract saveState(): [key: string, value: Tensor<DType>][]
  /** Reads what {@link saveState} wrote; returns what takes it over. */
  protected abstract readState(reader: StateReader): () => void

  /** All options in words; equal words are equal options. */
  protected describe(): string {
    const { dtype, qscheme, quantMin, quantMax, eps } = this
    return `${dtype} ${qscheme} ${String(quantMin)}..${String(quantMax)} eps ${String(eps)}`
  }

  /** Counts values left out. */
  protected skip({ nan, inf }: Skipped): void {
    if (nan > 0 || inf > 0) this.counted = { nan: this.counted.nan + nan, inf: this.counted.inf + inf }
  }

  /** The name of a method in errors. */
  protected op(method: string): string {
    return `quantization.${this.kind}.${method}`
  }

  /** The error of an observer that has nothing to compute from. */
  protected notCalibrated(): NotCalibratedError {
    const { nan, inf } = this.counted
    const op = this.op('calculateQParams')
    if (nan + inf > 0)
      return new NotCalibratedError({
        op,
        message: `this observer has seen no finite value, but NaN ${String(nan)} times and infinity ${String(inf)} times`,
        hint: 'Look for a division by zero or an overflow in the layers before it.',
      })
    return new NotCalibratedError({
      op,
      message: 'this observer has seen no data',
      hint: 'Run the prepared model on real inputs (some hundred are enough) before converting it.',
    })
  }
}

/** Whether a value is an {@link Observer}, of this or another copy of the library. */
export function isObserver(value: unknown): value is Observer {
  return typeof value === 'object' && value !== null && Reflect.get(value, brand) === 'Observer'
}

/** Reads an observer's state, one tensor after the other, and complains of what is left. */
export class StateReader {
  readonly op: string
  private readonly state: ReadonlyMap<string, Tensor<DType>>
  private readonly taken = new Set<string>()

  constructor(op: string, state: ReadonlyMap<string, Tensor<DType>>) {
    this.op = op
    this.state = state
  }

  has(key: string): boolean {
    return this.state.has(key)
  }

  /** The tensor of that name; its shape must be one of `shapes`, where given. */
  take<D extends keyof PlainArrays>(key: string, dtype: D, shapes?: readonly Shape[]): Tensor<D> {
    const value = this.state.get(key)
    const expected = `a ${dtype} tensor${shapes === undefined ? '' : ` of shape ${shapes.map(shapeText).join(' or ')}`}`
    if (!isTensor(value)) throw this.fault(key, expected, show(value))
    const fits = shapes === undefined || shapes.some((shape) => sameShape(shape, value.shape))
    if (value.dtype !== dtype || !fits)
      throw this.fault(key, expected, `a ${value.dtype} tensor of shape ${shapeText(value.shape)}`)
    this.taken.add(key)
    return value as Tensor<D>
  }

  /** Refuses names that nothing has taken. */
  end(): void {
    const extra = [...this.state.keys()].filter((key) => !this.taken.has(key))
    if (extra.length > 0)
      throw new FormatError({
        op: this.op,
        message: `the state holds ${extra.join(', ')}, which this observer does not know`,
        hint: 'Load it into an observer of the class that saved it.',
      })
  }

  fault(key: string, expected: string, received: string): FormatError {
    return new FormatError({ op: this.op, argument: `state.${key}`, expected, received })
  }
}
