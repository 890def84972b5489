/** Quantizes float ONNX models: calibrates, and writes QDQ models that any runtime with QuantizeLinear runs. */
import { ArgumentError, show } from '../../errors'
import type { GraphNode } from '../../graph/graph'
import { checkBoolean, checkOptions } from '../../ops/options'
import type { Feeds } from '../../runtime/feeds'
import { parseModel } from '../read'
import { calibrate, calibrationMethods, type Calibration, type CalibrationMethod, type Samples } from './calibrate'
import { Comparison } from './compare'
import { equalize } from './equalize'
import { insertDynamic } from './dynamic'
import { insertQdq } from './insert'
import { readFloatModel, writeQuantized, type FloatModel } from './prepare'
import { checkProgress, counterOf, countOf, type OnProgress } from './progress'
import { adviceFor, type LayerReport, type QuantizationReport } from './report'
import { readTarget, searchSteps, searchTarget, type SearchResult, type Target } from './search'
import { selectNodes, type Selection } from './select'

/** Options that {@link quantizeOnnx} and {@link quantizeOnnxDynamic} share. */
export interface CommonQuantizeOptions {
  /** Held-out samples on which float and int8 are compared. @defaultValue none: the report has no figures */
  readonly validation?: Samples
  /** Names of nodes that stay float. */
  readonly exclude?: readonly string[]
  /** Operators that stay float. */
  readonly excludeTypes?: readonly string[]
  /** Called after each step of a stage. */
  readonly onProgress?: OnProgress
}

/** Options of {@link quantizeOnnx}. */
export interface QuantizeOptions extends CommonQuantizeOptions {
  /** Samples of real data: feeds, one after the other. They are run once and not kept. */
  readonly calibration: Samples
  /** @defaultValue 'mse' */
  readonly method?: CalibrationMethod
  /** Percent of the values that the method 'percentile' keeps, above 50 and up to 100. @defaultValue 99.99 */
  readonly percentile?: number
  /** Add to biases what the rounding of weights takes from the channels' means. @defaultValue false */
  readonly biasCorrection?: boolean
  /**
   * Scale channels between convolutions so that each uses the range of its tensor, as far as the first samples show it.
   * For depthwise networks; the float model's results do not change while values stay in what was seen. @defaultValue false
   */
  readonly equalize?: boolean
  /** Keep the costliest nodes in float until this holds. The validation samples are then kept in memory. */
  readonly target?: Target
}

/** Options of {@link quantizeOnnxDynamic}. */
export type DynamicQuantizeOptions = CommonQuantizeOptions

/** What {@link quantizeOnnx} returns. */
export interface QuantizeResult {
  /** The quantized model, an ONNX file's bytes. */
  readonly model: Uint8Array
  readonly report: QuantizationReport
}

/**
 * Quantizes a float ONNX model to int8: activations per tensor (uint8, affine), weights per output channel (int8,
 * symmetric), biases int32. onnxruntime (Python): `quantize_static`.
 *
 * @param model - A path, or a file's bytes.
 * @throws ArgumentError where there is no sample; FormatError, ModelError, UnsupportedOperatorError as
 * `InferenceSession.create`.
 */
export async function quantizeOnnx(model: string | Uint8Array, options: QuantizeOptions): Promise<QuantizeResult> {
  const op = 'quantizeOnnx'
  const read = readOptions(op, options)
  const { method = 'mse', biasCorrection = false, percentile = 99.99, exclude = [], excludeTypes = [] } = options
  const float = await readFloatModel(op, model, exclude, excludeTypes)
  const { graph } = float.model
  let samples = options.calibration
  if (options.equalize === true) {
    const { first, all: rest } = await peek(samples, equalizedSamples)
    await equalize(float.model, first)
    samples = rest
  }
  const select = (isExcluded: (node: GraphNode) => boolean): Selection =>
    selectNodes(graph, (node) => float.isExcluded(node) || isExcluded(node))
  const all = select(() => false)
  const sources = [...new Set(all.values.values())]
  const calibration = await calibrate(float.model, sources, biasCorrection ? all.layers : [], samples, {
    method,
    percentile,
    onSample: counterOf(options.onProgress, 'calibration', countOf(options.calibration)),
  })
  const means = biasCorrection ? calibration.means : undefined
  const write = (selection: Selection): Uint8Array =>
    writeQuantized(float, insertQdq(graph, selection, calibration.qparams, float.opset, means))

  let search: SearchResult | undefined
  let { validation } = options
  if (read.target !== undefined) {
    const kept = await collect(validation)
    validation = kept
    const candidates = [...all.heads.keys()]
    search = await searchTarget(float.model, candidates, kept, read.target, {
      build: (isQuantized) => parseModel(write(select((node) => all.heads.has(node) && !isQuantized(node)))),
      onModel: counterOf(options.onProgress, 'search', searchSteps(candidates.length)),
    })
  }
  const selection = search === undefined ? all : select((node) => search.kept.has(node))
  const bytes = write(selection)
  const report = await reportOf(float, bytes, selection, { ...options, validation }, method, calibration, search)
  return { model: bytes, report }
}

/**
 * Quantizes the weights of a float ONNX model to int8, per output channel; activations are quantized while the model
 * runs, by the range of each tensor. For models of Gemm and MatMul layers, such as transformers: it needs no samples.
 * onnxruntime (Python): `quantize_dynamic`.
 *
 * @param model - A path, or a file's bytes.
 * @throws FormatError, ModelError, UnsupportedOperatorError as `InferenceSession.create`.
 */
export async function quantizeOnnxDynamic(
  model: string | Uint8Array,
  options: DynamicQuantizeOptions = {},
): Promise<QuantizeResult> {
  const op = 'quantizeOnnxDynamic'
  checkOptions(op, options, commonNames)
  checkProgress(op, options.onProgress)
  const { exclude = [], excludeTypes = [] } = options
  const float = await readFloatModel(op, model, exclude, excludeTypes)
  const selection = selectNodes(float.model.graph, float.isExcluded)
  const { graph, quantized } = insertDynamic(float.model.graph, selection.layers, float.opset)
  const bytes = writeQuantized(float, graph)
  const layers: Selection = {
    ...selection,
    nodes: quantized,
    heads: new Map([...quantized].map((node) => [node, selection.heads.get(node) ?? ''])),
  }
  return { model: bytes, report: await reportOf(float, bytes, layers, options) }
}

const commonNames = ['validation', 'exclude', 'excludeTypes', 'onProgress'] as const

function readOptions(op: string, options: QuantizeOptions): { readonly target: Target | undefined } {
  checkOptions(op, options, [
    ...['calibration', 'method', 'percentile', 'biasCorrection', 'equalize', 'target'],
    ...commonNames,
  ])
  const { method = 'mse', percentile, biasCorrection = false, validation } = options
  if (!calibrationMethods.includes(method))
    throw new ArgumentError({
      op,
      argument: 'options.method',
      expected: `one of ${calibrationMethods.join(', ')}`,
      received: show(method),
    })
  if (percentile !== undefined && !(method === 'percentile' && percentile > 50 && percentile <= 100))
    throw new ArgumentError({
      op,
      argument: 'options.percentile',
      expected: "a number above 50 and up to 100, with method 'percentile'",
      received: method === 'percentile' ? show(percentile) : `method ${show(method)}`,
    })
  checkProgress(op, options.onProgress)
  checkBoolean(op, 'options.biasCorrection', biasCorrection)
  checkBoolean(op, 'options.equalize', options.equalize ?? false)
  const target = options.target === undefined ? undefined : readTarget(options.target)
  if (target !== undefined && validation === undefined)
    throw new ArgumentError({
      op,
      argument: 'options.validation',
      expected: 'samples to measure the target on',
      received: 'none',
    })
  return { target }
}

/** Samples that equalization looks at: they are held in memory. */
const equalizedSamples = 8

/** The first samples, and all of them, each read once. */
async function peek(
  samples: Samples,
  count: number,
): Promise<{ readonly first: readonly Feeds[]; readonly all: Samples }> {
  const iterator = Symbol.asyncIterator in samples ? samples[Symbol.asyncIterator]() : samples[Symbol.iterator]()
  const first: Feeds[] = []
  while (first.length < count) {
    const next = await iterator.next()
    if (next.done === true) break
    first.push(next.value)
  }
  return {
    first,
    all: (async function* () {
      try {
        yield* first
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
      } finally {
        await iterator.return?.()
      }
    })(),
  }
}

async function collect(samples: Samples | undefined): Promise<Feeds[]> {
  const result: Feeds[] = []
  for await (const feeds of samples ?? []) result.push(feeds)
  return result
}

async function reportOf(
  float: FloatModel,
  bytes: Uint8Array,
  { heads, nodes }: Selection,
  { validation = [], onProgress }: Pick<CommonQuantizeOptions, 'onProgress'> & { validation?: Samples | undefined },
  method = 'dynamic',
  calibration?: Calibration,
  search?: SearchResult,
): Promise<QuantizationReport> {
  const { graph } = float.model
  const comparison = new Comparison(float.model, parseModel(bytes), heads.values())
  const tick = counterOf(onProgress, 'comparison', countOf(validation))
  for await (const feeds of validation) {
    await comparison.add(feeds)
    tick()
  }
  comparison.dispose()
  const layers = [...heads].map(([node, output]): LayerReport => {
    const qparams = calibration?.qparams.get(output)
    return {
      node: node.name,
      op: node.op,
      output,
      sqnrDb: comparison.samples === 0 ? undefined : comparison.valueReport(output)?.sqnrDb,
      seen: calibration?.seen.get(output),
      range: qparams && {
        min: (0 - qparams.zeroPoint) * qparams.scale,
        max: (255 - qparams.zeroPoint) * qparams.scale,
      },
    }
  })
  const report = {
    samples: calibration?.samples ?? 0,
    nodes: graph.nodes.length,
    quantizedNodes: nodes.size,
    floatBytes: float.bytes,
    quantizedBytes: bytes.length,
    validationSamples: comparison.samples,
    outputs: comparison.samples === 0 ? [] : comparison.outputReports(),
    layers,
    keptFloat: [...(search?.kept ?? [])].map(({ name }) => name),
    search: search?.points ?? [],
  }
  return { ...report, advice: adviceFor(report, method) }
}

export type { CalibrationMethod, Samples } from './calibrate'
export type { ValueReport } from './compare'
export type { OnProgress, QuantizeProgress, QuantizeStage } from './progress'
export type { LayerReport, QuantizationReport } from './report'
export type { SearchPoint, Target } from './search'
