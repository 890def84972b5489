/** The scale of a weight whose bias has to fit the accumulator: both conversions, of modules and of ONNX files. */

/** Largest |bias_q| that conversion leaves: half of what prepack still packs (numerics.md 4). */
const largestBias = 2 ** 30

const { fround } = Math

/**
 * The scale, raised until `|bias_q| = |rne(f(bias * f(1/f(sx*sw))))|` is at most 2^30 (numerics.md 4). A channel whose
 * weights are tiny beside its bias loses weight resolution and keeps its bias.
 */
export function scaleForBias(scale: number, bias: number, inputScale: number): number {
  const inSteps = (weightScale: number): number => Math.abs(fround(bias * fround(1 / fround(inputScale * weightScale))))
  if (!Number.isFinite(bias) || inSteps(scale) <= largestBias) return scale
  let raised = fround(Math.abs(bias) / (inputScale * largestBias))
  // A step or two makes up for rounding. Only where the product of the scales is subnormal there is further to go.
  let step = 2 ** -22
  for (let steps = 0; inSteps(raised) > largestBias; steps++) {
    if (steps >= 8) step = Math.min(2 * step, 1)
    raised = fround(raised * (1 + step))
  }
  return raised
}
