/** How the results of two models differ, on samples that both run. */
import { InferenceSession, type Results } from '../../runtime/session'
import type { Feeds } from '../../runtime/feeds'
import type { Model } from '../read'
import { sessionWith } from './calibrate'

/** How one value differs between the float and the int8 model. */
export interface ValueReport {
  readonly name: string
  /** `10 log10(sum y^2 / sum (yq - y)^2)` over all validation samples. */
  readonly sqnrDb: number
  /** Largest difference of one element. */
  readonly largestError: number
  /** Share of rows (last axis) whose largest element is the same one; undefined where the last axis has one element. */
  readonly classAgreement: number | undefined
  /**
   * Samples in which the two have different sizes, as where a network selects boxes: nothing stands beside what is left out,
   * so the int8 value counts as zeros there, and none of its rows as agreeing.
   */
  readonly otherSizes: number
}

/** Runs a float and an int8 model side by side and measures their outputs and some values between. */
export class Comparison {
  samples = 0
  private readonly float: InferenceSession
  private readonly quantized: InferenceSession
  private readonly outputs: ReadonlyMap<string, Meter>
  private readonly inner: ReadonlyMap<string, Meter>

  /** @param names - Values between that both models have. */
  constructor(float: Model, quantized: Model, names: Iterable<string> = []) {
    const between = [...new Set(names)].filter((name) => !float.graph.isOutput(name))
    const meters = (list: readonly string[]): Map<string, Meter> => new Map(list.map((name) => [name, new Meter()]))
    this.outputs = meters(float.graph.outputs.flatMap(({ name, type }) => (type === 'float32' ? [name] : [])))
    this.inner = meters(between)
    this.float = sessionWith(float, between)
    this.quantized = sessionWith(quantized, between)
  }

  /** Runs both models on a sample. */
  async add(feeds: Feeds): Promise<void> {
    const [expected, got] = await Promise.all([this.float.run(feeds), this.quantized.run(feeds)])
    for (const [name, meter] of [...this.outputs, ...this.inner]) addTo(meter, expected, got, name)
    this.samples++
  }

  /** Figures of the models' float results. */
  outputReports(): ValueReport[] {
    return [...this.outputs].map(([name, meter]) => ({ name, ...meter.figures() }))
  }

  /** Figures of a value between. */
  valueReport(name: string): ValueReport | undefined {
    const meter = this.inner.get(name) ?? this.outputs.get(name)
    return meter && { name, ...meter.figures() }
  }

  dispose(): void {
    this.float.dispose()
    this.quantized.dispose()
  }
}

function addTo(meter: Meter, expected: Results, got: Results, name: string): void {
  const [a, b] = [expected[name], got[name]]
  if (a === undefined || b === undefined) return
  meter.add(a.data as Float32Array, b.data as Float32Array, a.dims.at(-1) ?? 1)
}

/** Sums of one value's differences. */
export class Meter {
  private signal = 0
  private noise = 0
  private largest = 0
  private rows = 0
  private agreeing = 0
  private classes = 1
  private otherSizes = 0

  /** @param classes - Length of a row: elements of which one is the largest. */
  add(expected: Float32Array, got: Float32Array, classes: number): void {
    this.classes = Math.max(this.classes, classes)
    const isAlike = got.length === expected.length
    if (!isAlike) this.otherSizes++
    expected.forEach((value, i) => {
      const error = (isAlike ? (got[i] ?? NaN) : 0) - value
      this.signal += value * value
      this.noise += error * error
      this.largest = Math.max(this.largest, Math.abs(error))
    })
    for (let begin = 0; classes > 1 && begin < expected.length; begin += classes) {
      this.rows++
      if (isAlike && argmax(expected, begin, classes) === argmax(got, begin, classes)) this.agreeing++
    }
  }

  figures(): Omit<ValueReport, 'name'> {
    return {
      sqnrDb: this.noise === 0 ? Infinity : 10 * Math.log10(this.signal / this.noise),
      largestError: this.largest,
      classAgreement: this.classes > 1 && this.rows > 0 ? this.agreeing / this.rows : undefined,
      otherSizes: this.otherSizes,
    }
  }
}

function argmax(values: Float32Array, begin: number, count: number): number {
  let best = begin
  for (let i = begin; i < begin + count; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i
  return best
}
