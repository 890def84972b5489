/** Watches the values of a float model while it runs on samples. */
import { ArgumentError, show } from '../../errors'
import { Graph } from '../../graph/graph'
import { parametersOf, type Range } from '../../quantization/observers/formulas'
import { resolveSettings } from '../../quantization/observers/settings'
import {
  HistogramObserver,
  MinMaxObserver,
  PowerOfTwoHistogramObserver,
  type Observer,
} from '../../quantization/observers'
import { InferenceSession } from '../../runtime/session'
import type { Feeds } from '../../runtime/feeds'
import type { PerTensorQParams } from '../../tensor/qparams'
import { sizeOf } from '../../tensor/shape'
import { tensor } from '../../tensor/tensor'
import type { Model } from '../read'
import { entropyRange, percentileRange } from './ranges'
import type { Layer } from './select'

const op = 'quantizeOnnx'

/** How a value's range follows from what was seen. */
export type CalibrationMethod = 'minmax' | 'mse' | 'grid' | 'percentile' | 'entropy'

/** Names of the methods. */
export const calibrationMethods: readonly CalibrationMethod[] = ['minmax', 'mse', 'grid', 'percentile', 'entropy']

/** Samples: feeds for the model, one after the other; nothing of them is kept. */
export type Samples = Iterable<Feeds> | AsyncIterable<Feeds>

/** What calibration is to find out, and how. */
export interface CalibrationSettings {
  readonly method: CalibrationMethod
  /** Share of the values that the percentile method keeps. */
  readonly percentile: number
  readonly onSample: () => void
}

/** What calibration has seen. */
export interface Calibration {
  /** Parameters of values, by name. */
  readonly qparams: ReadonlyMap<string, PerTensorQParams>
  /** Smallest and largest element seen, by name. */
  readonly seen: ReadonlyMap<string, Range>
  /** Means of the channels of the layers' inputs, by name. */
  readonly means: ReadonlyMap<string, Float64Array>
  readonly samples: number
}

/** Watches one value. */
interface Watch {
  readonly observer: Observer
  readonly extent: MinMaxObserver
  readonly qparams: () => PerTensorQParams
}

function watch({ method, percentile }: CalibrationSettings): Watch {
  const options = { dtype: 'quint8' } as const
  const extent = new MinMaxObserver(options)
  if (method === 'minmax') return { observer: extent, extent, qparams: () => extent.calculateQParams() }
  if (method === 'mse') {
    const observer = new HistogramObserver(options)
    return { observer, extent, qparams: () => observer.calculateQParams() }
  }
  const observer = new PowerOfTwoHistogramObserver(options)
  if (method === 'grid') return { observer, extent, qparams: () => observer.calculateQParams() }
  const rangeOf = method === 'entropy' ? entropyRange : (h: typeof observer.histogram) => percentileRange(h, percentile)
  const settings = resolveSettings(op, options, ['perTensorAffine'])
  return {
    observer,
    extent,
    qparams: () => {
      const { min, max } = rangeOf(observer.histogram)
      const range = { min: Math.max(min, observer.minVal), max: Math.min(max, observer.maxVal) }
      return { kind: 'perTensor', ...parametersOf(range, settings) }
    },
  }
}

/** A session that also gives the values of these names. */
export function sessionWith(model: Model, names: Iterable<string>): InferenceSession {
  const { graph } = model
  const given = new Set(graph.inputs.map(({ name }) => name))
  const outputs = [...new Set([...graph.outputs.map(({ name }) => name), ...names])]
    .filter((name) => !given.has(name))
    .map(
      (name) =>
        graph.outputs.find((output) => output.name === name) ?? { name, type: 'float32' as const, dims: undefined },
    )
  const { name, inputs, nodes, constants, infos } = graph
  const copy = new Graph({ name, inputs, outputs, nodes, constants: new Map(constants), infos })
  return InferenceSession.fromModel({ ...model, graph: copy })
}

/** Runs the samples and computes the parameters of every value. `layers`: those whose inputs' means are wanted. */
export async function calibrate(
  model: Model,
  names: readonly string[],
  layers: readonly Layer[],
  samples: Samples,
  settings: CalibrationSettings,
): Promise<Calibration> {
  const session = sessionWith(model, [...names, ...layers.map(({ input }) => input)])
  const watches = new Map(names.map((name) => [name, watch(settings)]))
  const means = new Map(layers.map(({ input, node }) => [input, new Means(node.op === 'Conv')]))
  let count = 0
  for await (const feeds of samples) {
    const results = await session.run(feeds)
    const read = (name: string): { readonly data: Float32Array; readonly dims: readonly number[] } => {
      const { type, data, dims = [] } = results[name] ?? feeds[name] ?? {}
      if (type === 'float32') return { data: data as Float32Array, dims }
      throw new ArgumentError({
        op,
        argument: 'calibration',
        expected: `float32 for "${name}"`,
        received: show(type),
      })
    }
    for (const [name, { observer, extent }] of watches) {
      const { data } = read(name)
      const values = tensor(data, [data.length])
      observer.forward(values)
      if (extent !== observer) extent.forward(values)
    }
    for (const [name, mean] of means) {
      const { data, dims } = read(name)
      mean.add(data, dims)
    }
    count++
    settings.onSample()
  }
  session.dispose()
  if (count === 0)
    throw new ArgumentError({
      op,
      argument: 'calibration',
      expected: 'at least one sample',
      received: 'none',
      hint: 'Some dozen samples of real data are enough for most models.',
    })
  return {
    qparams: new Map([...watches].map(([name, { qparams }]) => [name, qparams()])),
    seen: new Map([...watches].map(([name, { extent }]) => [name, { min: extent.minVal, max: extent.maxVal }])),
    means: new Map([...means].map(([name, mean]) => [name, mean.values])),
    samples: count,
  }
}

/** Means of channels: along the second axis of images, along the last one of anything else. */
class Means {
  private readonly second: boolean
  private sums = new Float64Array(0)
  private count = 0

  constructor(second: boolean) {
    this.second = second
  }

  add(data: Float32Array, dims: readonly number[]): void {
    const axis = this.second ? 1 : dims.length - 1
    const channels = dims[axis] ?? 1
    const inner = sizeOf(dims.slice(axis + 1))
    if (this.sums.length !== channels) this.sums = new Float64Array(channels)
    for (let begin = 0, row = 0; begin < data.length; begin += inner, row++) {
      const c = row % channels
      let sum = 0
      for (let i = begin; i < begin + inner; i++) sum += data[i] ?? 0
      this.sums[c] = (this.sums[c] ?? 0) + sum
    }
    this.count += data.length / Math.max(1, channels)
  }

  get values(): Float64Array {
    return this.sums.map((sum) => sum / Math.max(1, this.count))
  }
}
