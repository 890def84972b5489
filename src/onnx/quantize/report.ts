/** What quantization did to a model: sizes, figures on held-out samples, and what to do about the worst layers. */
import type { Range } from '../../quantization/observers/formulas'
import type { ValueReport } from './compare'
import type { SearchPoint } from './search'

/** One node that is computed in int8, in the order of the graph. */
export interface LayerReport {
  /** The node's name, and its operator. */
  readonly node: string
  readonly op: string
  /** The value that holds its result, after what is fused into it. */
  readonly output: string
  /** Signal to noise ratio of that value in the int8 model, which the layers before it share in; undefined: not seen. */
  readonly sqnrDb: number | undefined
  /** Smallest and largest element of the result in calibration, and the range that its codes span. */
  readonly seen: Range | undefined
  readonly range: Range | undefined
}

/** Facts of a quantization. */
export interface QuantizationReport {
  /** Samples that calibrated it. */
  readonly samples: number
  /** Nodes of the float model, constants and folded ones not counted, and how many of them are computed in int8. */
  readonly nodes: number
  readonly quantizedNodes: number
  readonly floatBytes: number
  readonly quantizedBytes: number
  /** Samples that float and int8 were compared on, and the figures of each float output. */
  readonly validationSamples: number
  readonly outputs: readonly ValueReport[]
  /** Nodes computed in int8. */
  readonly layers: readonly LayerReport[]
  /** Names of nodes that the search for the target left in float, and what it tried. Empty where there was no target. */
  readonly keptFloat: readonly string[]
  readonly search: readonly SearchPoint[]
  /** What is worth a second look, in words; empty where nothing is. */
  readonly advice: readonly string[]
}

/** A ratio below which an output is worth a look, in decibels. */
const poorOutput = 20
/** A ratio below which a layer is named. */
const poorLayer = 15
/** Fewer samples say little of a network's ranges. */
const fewSamples = 8
const namedLayers = 5

/** What to look at, given the figures. */
export function adviceFor(report: Omit<QuantizationReport, 'advice'>, method: string): string[] {
  const advice: string[] = []
  if (method !== 'dynamic' && report.samples < fewSamples)
    advice.push(
      `Only ${String(report.samples)} samples calibrated the ranges: take some dozen that look like what the model will see.`,
    )
  if (report.quantizedNodes === 0)
    advice.push('No node could be quantized: the model has no Conv, Gemm or MatMul with constant float weights.')
  if (report.validationSamples === 0) {
    advice.push('Nothing was compared: give validation samples to learn what int8 costs.')
    return advice
  }
  const selecting = report.outputs.filter(({ otherSizes }) => otherSizes > 0)
  if (selecting.length > 0)
    advice.push(
      `${selecting.map(({ name, otherSizes }) => `Output "${name}" has other sizes than in float in ${String(otherSizes)} samples`).join(', ')}: the model selects something else. Judge it by a metric of your own.`,
    )
  const poor = report.outputs.filter(({ sqnrDb }) => sqnrDb < poorOutput)
  if (poor.length === 0) return advice
  const worst = worstLayers(report.layers).filter(({ sqnrDb = Infinity }) => sqnrDb < poorLayer)
  advice.push(
    `${poor.map(({ name, sqnrDb }) => `Output "${name}" has ${sqnrDb.toFixed(1)} dB`).join(', ')}; below ${String(poorOutput)} dB classes begin to change.`,
  )
  const clipped = worst.filter(({ seen, range }) => seen && range && spanOf(range) < 0.5 * spanOf(seen))
  if (clipped.length > 0)
    advice.push(
      `Half of the range or more is cut off at ${namesOf(clipped)}: try method "minmax", or more samples if these are outliers.`,
    )
  else if (method === 'minmax')
    advice.push('Outliers may widen the ranges: try method "mse", "percentile" or "entropy".')
  if (worst.length > 0)
    advice.push(
      `Keep the worst layers in float by \`exclude\`: ${namesOf(worst)}; or set a target, which finds out how many it takes.`,
    )
  return advice
}

/** The layers whose results have the least signal to noise ratio, the worst first. */
export function worstLayers(layers: readonly LayerReport[]): LayerReport[] {
  return layers
    .filter(({ sqnrDb }) => sqnrDb !== undefined)
    .sort((a, b) => (a.sqnrDb ?? 0) - (b.sqnrDb ?? 0))
    .slice(0, namedLayers)
}

function spanOf({ min, max }: Range): number {
  return max - min
}

function namesOf(layers: readonly LayerReport[]): string {
  return layers.map(({ node, output }) => JSON.stringify(node === '' ? output : node)).join(', ')
}
