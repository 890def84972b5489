/**
 * What happens to accumulators, computed once per layer, input and output (numerics.md 4, 5): the int32 bias, the
 * multipliers, the bounds; and the last step of the overflow proof, now that the input's zero point is known.
 */
import type { Backend, BoundQuantized } from '../../backend/contract'
import { ArgumentError } from '../../errors'
import { quantizeValue } from '../../tensor/rounding'
import type { Input } from './cache'
import { codeBounds, none, productRatio, type Activation, type Target } from './params'
import { proveAccumulators } from './proof'
import { warn } from './warnings'
import type { PackedWeights } from './weights'

export type { Input } from './cache'

const { fround } = Math
const int32 = [-2147483648, 2147483647] as const
const biasLimit = 2 ** 30

/** The op that turns accumulators into codes. */
export function bindCodes(
  op: string,
  packed: PackedWeights,
  backend: Backend,
  x: Input,
  target: Target,
  activation: Activation,
): BoundQuantized {
  const known = packed.epilogues.find(x, target, activation)
  if (known !== undefined) return known.handle(packed, backend)
  const { dtype, scale, zeroPoint } = target
  const [lo, hi] = codeBounds(target, activation)
  const bias = provenBias(op, packed, x)
  const multipliers = packed.scales.map((weightScale) => productRatio(op, x.scale, weightScale, scale))
  const output = { kind: 'codes', dtype, multipliers, zeroPoint, lo, hi } as const
  const epilogue = { xDType: x.dtype, xZeroPoint: x.zeroPoint, bias, output }
  return packed.epilogues.add(x, target, activation, epilogue).handle(packed, backend)
}

/** The op that returns accumulators, bias included. */
export function bindInt32(op: string, packed: PackedWeights, backend: Backend, x: Input): BoundQuantized {
  const known = packed.epilogues.find(x, null, none)
  if (known !== undefined) return known.handle(packed, backend)
  const bias = provenBias(op, packed, x)
  const epilogue = { xDType: x.dtype, xZeroPoint: x.zeroPoint, bias, output: { kind: 'int32' } } as const
  return packed.epilogues.add(x, null, none, epilogue).handle(packed, backend)
}

/**
 * The op that returns real numbers: `clamp(f(f(acc0) * p) + bias, lo, hi)` with a float bias. Not cached: dynamic
 * quantization gives every input parameters of its own.
 */
export function bindFloat(
  op: string,
  packed: PackedWeights,
  backend: Backend,
  x: Input,
  lo: number,
  hi: number,
): BoundQuantized {
  const { bias } = packed
  if (bias instanceof Int32Array)
    throw new ArgumentError({
      op,
      argument: 'packed',
      expected: 'packed with a float32 bias',
      received: 'one with an int32 bias, whose scale belongs to one input scale',
      hint: 'Dequantize the bias before prepacking.',
    })
  const noBias = new Int32Array(packed.scales.length)
  proveAccumulators(op, packed.layer, packed.sums, noBias, x.dtype, x.zeroPoint)
  return backend.bindQuantized(packed.handle(backend), {
    xDType: x.dtype,
    xZeroPoint: x.zeroPoint,
    bias: noBias,
    output: { kind: 'float32', scales: packed.scales.map((scale) => fround(x.scale * scale)), bias, lo, hi },
  })
}

/** The bias for this input, with which no accumulator can overflow. */
export function provenBias(op: string, packed: PackedWeights, x: Input): Int32Array {
  const bias = biasCodes(op, packed, x.scale)
  proveAccumulators(op, packed.layer, packed.sums, bias, x.dtype, x.zeroPoint)
  return bias
}

/**
 * The bias in steps of the accumulator: `clamp(rne(f(bias * f(1 / f(sx*sw)))))` (numerics.md 4); an int32 bias is taken
 * as it is. Warns, once per layer, of one that had to be clamped or exceeds 2^30.
 */
export function biasCodes(op: string, packed: PackedWeights, xScale: number): Int32Array {
  const { bias, scales } = packed
  if (bias === null) return new Int32Array(scales.length)
  const codes =
    bias instanceof Int32Array
      ? bias.slice()
      : Int32Array.from(bias, (value, channel) =>
          quantizeValue(value, fround(xScale * (scales[channel] ?? 1)), 0, ...int32),
        )
  const channel = codes.findIndex((code) => Math.abs(code) > biasLimit)
  if (channel >= 0 && !packed.biasWarned) {
    packed.biasWarned = true
    const code = codes[channel] ?? 0
    const clamped = code === int32[0] || code === int32[1]
    warn(
      'INT8_BIAS_RANGE',
      `${op}: bias[${String(channel)}]${packed.layer} is ${String(code)} steps of the accumulator` +
        `${clamped ? ', the nearest that int32 holds' : ', above 2^30'}: the weight scale of its channel ` +
        `(${String(scales[channel])}) is too small for it. Conversion from float raises such scales by itself.`,
    )
  }
  return codes
}
