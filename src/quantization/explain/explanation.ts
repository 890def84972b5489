/** One output element of a quantized convolution or linear layer, step by step, as data. */
import type { QDType8 } from '../../tensor/dtype'
import type { Fault } from './faults'
import { explanationText } from './text'

/** A quantized operand: what its codes mean. */
export interface Operand {
  readonly dtype: QDType8
  readonly scale: number
  readonly zeroPoint: number
}

/** One product of the window. */
export interface Tap {
  /** Position in x; undefined in the padding, where x is the zero point. */
  readonly xIndex: readonly number[] | undefined
  readonly wIndex: readonly number[]
  /** Codes. */
  readonly x: number
  readonly w: number
  /** `x * w`, of the codes. */
  readonly product: number
  /** What the codes stand for. */
  readonly xReal: number
  readonly wReal: number
}

/** The four sums that make up `Σ (x - zx)(w - zw)` (numerics.md 4). */
export interface Terms {
  /** `Σ x*w` */
  readonly products: number
  /** `-zw * Σ x` */
  readonly weightZeroPoint: number
  /** `-zx * Σ w` */
  readonly inputZeroPoint: number
  /** `K * zx * zw` */
  readonly bothZeroPoints: number
}

/** The bias of the element's channel. */
export interface BiasStep {
  /** As given; undefined where there is none, or where it was given as int32. */
  readonly real: number | undefined
  /** `real / (sx*sw)`: what `codes` is the rounding of. */
  readonly exact: number
  /** As it is added to the accumulator. */
  readonly codes: number
}

/** The bounds of the output's codes. */
export interface OutputStep extends Operand {
  /** Least and largest code: the type's range, narrowed by a fused ReLU or clip. */
  readonly lo: number
  readonly hi: number
}

/** The data of an {@link Explanation}. */
export interface ExplanationData {
  /** `conv1d`, `conv2d`, `conv3d` or `linear`. */
  readonly op: string
  /** The element, in logical order: `[n, channel, y, x]`. */
  readonly index: readonly number[]
  readonly channel: number
  readonly input: Operand
  readonly weight: Operand
  readonly output: OutputStep
  /** The window, kernel positions outermost, in the weight's order. */
  readonly taps: readonly Tap[]
  readonly terms: Terms
  readonly bias: BiasStep
  /** `Σ (x - zx)(w - zw) + bias`: the int32 sum, and what it stands for: `value * sx * sw`. */
  readonly accumulator: { readonly value: number; readonly real: number }
  /** `M = f(f(sx*sw) / sy)` */
  readonly multiplier: number
  /** `f(f(acc) * M)`: steps of the output, from its zero point. */
  readonly scaled: number
  /** `scaled` clamped and rounded, half to even. */
  readonly rounded: number
  /** Where `scaled` was cut off: at a bound of the type, at that of a fused activation, or not. */
  readonly clamped: 'no' | 'range' | 'activation'
  /** The result. */
  readonly code: number
  /** What the result stands for: `f(f(code - zy) * sy)`. */
  readonly real: number
  /** The same element computed in float64 from what the codes of x and w stand for and the float bias, then activated. */
  readonly float: number
  /** The same from the float x, weight and bias that were quantized, where they were given. */
  readonly original: number | undefined
  /** What is wrong, worst first; empty where nothing is. */
  readonly faults: readonly Fault[]
}

/** How one output element came about: the steps as data; `toString()` as a page of text. */
export class Explanation implements ExplanationData {
  declare readonly op: string
  declare readonly index: readonly number[]
  declare readonly channel: number
  declare readonly input: Operand
  declare readonly weight: Operand
  declare readonly output: OutputStep
  declare readonly taps: readonly Tap[]
  declare readonly terms: Terms
  declare readonly bias: BiasStep
  declare readonly accumulator: { readonly value: number; readonly real: number }
  declare readonly multiplier: number
  declare readonly scaled: number
  declare readonly rounded: number
  declare readonly clamped: 'no' | 'range' | 'activation'
  declare readonly code: number
  declare readonly real: number
  declare readonly float: number
  declare readonly original: number | undefined
  declare readonly faults: readonly Fault[]

  /** @internal Made by `explain`. */
  constructor(data: ExplanationData) {
    Object.assign(this, data)
    Object.freeze(this)
  }

  /** The steps as text, one line each. */
  toString(): string {
    return explanationText(this)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return explanationText(this)
  }
}
