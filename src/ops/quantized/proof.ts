/**
 * The proof that an accumulator cannot overflow (numerics.md 4): for every output channel, the worst case over all
 * inputs, from the actual weights, bias and range of x. Most layers are too short to overflow whatever their weights are.
 */
import { OverflowError } from '../../errors'
import { codeRange, type QDType8 } from '../../tensor/dtype'

const limit = 2147483648

/** Sums of each channel's positive and negative weights `w - zw`, each as a positive number; added up when first read. */
export class WeightSums {
  /** No channel's two sums together are larger: known from the type and the number of weights. */
  readonly most: number
  private readonly codes: () => ArrayLike<number>
  private readonly zeroPoints: Int32Array
  private readonly perChannel: number
  private added: { readonly positive: Float64Array; readonly negative: Float64Array } | undefined

  /** `codes` gives `perChannel` of them for one channel after the other. */
  constructor(codes: () => ArrayLike<number>, dtype: QDType8, zeroPoints: Int32Array, perChannel: number) {
    const [min, max] = codeRange[dtype]
    this.codes = codes
    this.zeroPoints = zeroPoints
    this.perChannel = perChannel
    let reach = 0
    for (const zeroPoint of zeroPoints) reach = Math.max(reach, max - zeroPoint, zeroPoint - min)
    this.most = perChannel * reach
  }

  get positive(): Float64Array {
    return this.add().positive
  }

  get negative(): Float64Array {
    return this.add().negative
  }

  private add(): { readonly positive: Float64Array; readonly negative: Float64Array } {
    this.added ??= addUp(this.codes(), this.zeroPoints, this.perChannel)
    return this.added
  }
}

function addUp(
  codes: ArrayLike<number>,
  zeroPoints: Int32Array,
  perChannel: number,
): { readonly positive: Float64Array; readonly negative: Float64Array } {
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
export function proveWeights(op: string, layer: string, sums: WeightSums): void {
  if (255 * sums.most < limit) return
  const { positive, negative } = sums
  positive.forEach((above, channel) => {
    const bound = 255 * Math.max(above, negative[channel] ?? 0)
    if (bound >= limit) throw overflow(op, layer, channel, bound, 'the weights')
  })
}

/** Refuses weights and bias that could overflow with this type and zero point of x: the exact bounds of `acc`. */
export function proveAccumulators(
  op: string,
  layer: string,
  sums: WeightSums,
  bias: Int32Array,
  dtype: QDType8,
  zeroPoint: number,
): void {
  const [min, max] = codeRange[dtype]
  const up = max - zeroPoint
  const down = zeroPoint - min
  let largest = 0
  for (const offset of bias) largest = Math.max(largest, Math.abs(offset))
  if (Math.max(up, down) * sums.most + largest < limit) return
  const { positive, negative } = sums
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
