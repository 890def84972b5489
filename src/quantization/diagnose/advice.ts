/** What the figures of a layer mean, and what to do, in words. */
import type { LayerReport } from './report'

/** A share of values beyond the range that is worth a word. */
const muchSaturated = 0.01
/** A share of unused range that costs one bit. */
const muchUnused = 0.5
/** Below this many decibels a layer is poor: its error is a tenth of its signal. */
const poorDb = 20
/** A loss against the layers before it that makes a layer the culprit. */
const bigLossDb = 6

/**
 * Advice for a layer.
 *
 * @param layer - Its figures.
 * @param before - The worst SQNR of the layers that ran before it.
 * @param own - What is its own: an output scale (pools, flatten and the like keep their input's, and get no advice on
 *   it), and a weight of one scale for all channels.
 */
export function adviceFor(
  layer: Omit<LayerReport, 'advice'>,
  before: number,
  own: { readonly scale: boolean; readonly perTensorWeight: boolean },
): string[] {
  const advice: string[] = []
  const { skipped, saturatedLow, saturatedHigh, unusedRange, clippedBias, deadChannels, channels, sqnrDb } = layer
  if (skipped.nan > 0 || skipped.inf > 0)
    advice.push(
      `Calibration met NaN ${String(skipped.nan)} times and infinity ${String(skipped.inf)} times here: look for a division by zero or an overflow in the float model.`,
    )
  if (!own.scale) return advice
  for (const [share, side] of [
    [saturatedLow, 'below'],
    [saturatedHigh, 'above'],
  ] as const)
    if (share > muchSaturated)
      advice.push(
        `${percent(share)} of the values lie ${side} the range and are clipped: calibrate on data like this, or take a MinMaxObserver for this layer.`,
      )
  if (unusedRange > muchUnused)
    advice.push(
      `${percent(unusedRange)} of the codes are not used, so steps are coarser than they need be: calibration saw larger values than these (an outlier?); take a HistogramObserver, or calibrate on typical data.`,
    )
  if (clippedBias > 0)
    advice.push(
      `The bias of ${String(clippedBias)} channels exceeds 2^30 steps of sx*sw: the weights are tiny beside it; raise the weights' scale, or leave the layer float.`,
    )
  if (deadChannels > 0)
    advice.push(
      `${String(deadChannels)} of ${String(channels)} channels have one code for all their values: their range is far smaller than the layer's; equalize the channels, or leave the layer float.`,
    )
  if (sqnrDb < poorDb && before - sqnrDb > bigLossDb)
    advice.push(
      own.perTensorWeight
        ? 'The error begins here, and the weight has one scale for all channels: take PerChannelMinMaxObserver for weights.'
        : 'The error begins here: leave this layer float by the mapping { byName: { name: null } } and see what that gains.',
    )
  return advice
}

/** `12.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
