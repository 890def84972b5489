/**
 * The proof that an accumulator cannot overflow (numerics.md 4): for every output channel, the worst case over all
 * inputs, from the actual weights, bias and range of x.
 */
import { OverflowError } from '../../errors'
import { codeRange, type QDType8 } from '../../tensor/dtype'

const limit = 2147483648

/** Sums of a channel's positive and negative weights `w - zw`, each as a positive number. */
export interface WeightSums {
  readonly positive: Float64Array
  readonly negative: Float64Array
}

/** Adds up the weights of each channel; `codes` holds `perChannel` of them for one channel after the other. */
export function sumWeights(codes: ArrayLike<number>, zeroPoints: Int32Array, perChannel: number): WeightSums {
  const positive = new Float64Array(zeroPoints.length)
  const negative = new Float64Array(zeroPoints.length)
  let at = 0
  zeroPoints.forEach((zeroPoint, channel) => {
    let above = 0
    let below = 0
    for (const end = at + perChannel; at < end; at++) {
      const weight = (codes[at] ?? 0) - zeroPoint
      if (weight > 0) above += weight
      else below -= weight
    }
    positive[channel] = above
    negative[channel] = below
  })
  return { positive, negative }
}

/**
 * Refuses weights that could overflow at some zero point of x, which is not known yet: `x - zx` lies in -255..255 and
 * spans 255, so the worst case over inputs and zero points is `255 * max(P, N)`.
 */
export function proveWeights(op: string, layer: string, { positive, negative }: WeightSums): void {
  positive.forEach((above, channel) => {
    const bound = 255 * Math.max(above, negative[channel] ?? 0)
    if (bound >= limit) throw overflow(op, layer, channel, bound, 'the weights')
  })
}

/** Refuses weights and bias that could overflow with this type and zero point of x: the exact bounds of `acc`. */
export function proveAccumulators(
  op: string,
  layer: string,
  { positive, negative }: WeightSums,
  bias: Int32Array,
  dtype: QDType8,
  zeroPoint: number,
): void {
  const [min, max] = codeRange[dtype]
  const up = max - zeroPoint
  const down = zeroPoint - min
  positive.forEach((above, channel) => {
    const below = negative[channel] ?? 0
    const offset = bias[channel] ?? 0
    const bound = Math.max(up * above + down * below + offset, down * above + up * below - offset)
    if (bound >= limit) throw overflow(op, layer, channel, bound, `the weights and the bias of ${String(offset)} steps`)
  })
}

function overflow(op: string, layer: string, channel: number, bound: number, cause: string): OverflowError {
  return new OverflowError({
    op,
    argument: `weight[${String(channel)}]`,
    message:
      `output channel ${String(channel)}${layer} could reach an accumulator of ${String(bound)}, ` +
      `and int32 holds less than 2^31 (${cause})`,
    hint: 'Split the input channels over two layers whose outputs are added, or raise the weight scale of this channel.',
  })
}
