/** The figures of one layer, gathered batch by batch in O(channels) memory. */
import { codeRange } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { splitAt } from '../../tensor/split'
import type { Tensor } from '../../tensor/tensor'

/** What a `LayerMeter` has found. */
export interface LayerFigures {
  /** `10 log10(sum y^2 / sum (yq - y)^2)`, y the float layer's output, yq the quantized one's real values. */
  readonly sqnrDb: number
  /** Share of values that lie below what the least code stands for, by more than half a step. */
  readonly saturatedLow: number
  /** Share of values that lie above what the largest code stands for, by more than half a step. */
  readonly saturatedHigh: number
  /** Share of the codes' range that no value used, at its ends. */
  readonly unusedRange: number
  /** Channels (axis 1) whose codes are all the same while the float layer's values are not. */
  readonly deadChannels: number
  /** Number of channels. */
  readonly channels: number
}

interface ChannelRange {
  readonly min: Float64Array
  readonly max: Float64Array
}

/** Compares a layer's float outputs with its quantized ones. */
export class LayerMeter {
  private signal = 0
  private noise = 0
  private elements = 0
  private low = 0
  private high = 0
  private codes: ChannelRange | undefined = undefined
  private floats: ChannelRange | undefined = undefined
  private range: readonly [number, number] = [0, 255]

  /** Takes in one pair of outputs of one shape. */
  add(float: Tensor, quantized: QTensor): void {
    const { scale, zeroPoint } = quantized
    this.range = codeRange[quantized.dtype]
    const [qmin, qmax] = this.range
    const lowest = (qmin - zeroPoint - 0.5) * scale
    const highest = (qmax - zeroPoint + 0.5) * scale
    const { outer, channels, inner } = splitAt(float.shape, 'contiguous', float.rank > 1 ? 1 : 0)
    const codes = (this.codes = grown(this.codes, channels))
    const floats = (this.floats = grown(this.floats, channels))
    const y = float.data
    const q = quantized.contiguous().storage
    let at = 0
    for (let o = 0; o < outer; o++)
      for (let c = 0; c < channels; c++)
        for (const end = at + inner; at < end; at++) {
          const value = y[at] ?? 0
          const code = q[at] ?? 0
          widen(codes, c, code)
          if (value - value !== 0) continue
          widen(floats, c, value)
          const error = (code - zeroPoint) * scale - value
          this.signal += value * value
          this.noise += error * error
          if (value < lowest) this.low++
          else if (value > highest) this.high++
        }
    this.elements += y.length
  }

  /** The figures so far; undefined where nothing was compared. */
  figures(): LayerFigures | undefined {
    const { codes, floats, elements } = this
    if (codes === undefined || floats === undefined || elements === 0) return undefined
    const [qmin, qmax] = this.range
    const used = Math.max(...codes.max) - Math.min(...codes.min)
    let dead = 0
    for (let c = 0; c < codes.min.length; c++)
      if (codes.min[c] === codes.max[c] && (floats.min[c] ?? 0) < (floats.max[c] ?? 0)) dead++
    return {
      sqnrDb: decibels(this.signal, this.noise),
      saturatedLow: this.low / elements,
      saturatedHigh: this.high / elements,
      unusedRange: 1 - used / (qmax - qmin),
      deadChannels: dead,
      channels: codes.min.length,
    }
  }
}

/** `10 log10(signal / noise)`; without noise Infinity. */
export function decibels(signal: number, noise: number): number {
  return noise === 0 ? Infinity : 10 * Math.log10(signal / noise)
}

function grown(known: ChannelRange | undefined, channels: number): ChannelRange {
  if (known?.min.length === channels) return known
  return { min: new Float64Array(channels).fill(Infinity), max: new Float64Array(channels).fill(-Infinity) }
}

function widen({ min, max }: ChannelRange, channel: number, value: number): void {
  if (value < (min[channel] ?? 0)) min[channel] = value
  if (value > (max[channel] ?? 0)) max[channel] = value
}
