/** `int8 quantize`: a float ONNX model to int8, with figures on what it cost. */
import { writeFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { parseArgs } from 'node:util'
import {
  quantizeOnnx,
  quantizeOnnxDynamic,
  type OnProgress,
  type QuantizeResult,
  type QuantizeStage,
  type Target,
} from '../../onnx/quantize'
import { calibrationMethods } from '../../onnx/quantize/calibrate'
import { InferenceSession } from '../../runtime/session'
import type { Feeds } from '../../runtime/feeds'
import { openArrays } from '../arrays'
import {
  readSeed,
  sampleHelp,
  sampleOptions,
  samplesOf,
  seedHelp,
  seedOptions,
  someFeeds,
  type Command,
} from '../command'
import { digestOf, digestPath } from '../digest'
import { stages, type Stages } from '../progress'
import { htmlReport } from '../report/html'
import { summarize, type Measured } from '../report/summary'
import type { SampleSet } from '../samples'
import { timeRuns } from '../timing'
import { listOption, numberOption, onlyFile, print, UsageError, wordOption } from '../usage'
import { digestText } from './verify'

const help = `Quantizes a float ONNX model: weights to int8, activations to uint8 by what calibration samples show.

Usage: int8 quantize MODEL --calibration PATH [options]
       int8 quantize MODEL --dynamic [options]

  --out FILE          the int8 model (MODEL.int8.onnx)
  --report FILE       an HTML report with plots
  --digest            hashes of the int8 model's outputs beside it, for int8 verify
  --calibration PATH  samples of real data
  --validation PATH   samples on which float and int8 are compared (every tenth sample of the calibration, held out)
${sampleHelp}
  --method NAME       ${calibrationMethods.join(', ')} (mse)
  --percentile P      percent of the values that method percentile keeps (99.99)
  --bias-correction   add to biases what the rounding of weights takes from the channels' means
  --equalize          scale channels between convolutions so that each uses its tensor's range: for depthwise networks
  --exclude A,B       names of nodes that stay float
  --exclude-types A,B operators that stay float
  --target-drop X     keep the costliest nodes in float until the metric falls by X at most
  --metric NAME       agreement: percent of classes as float has them; accuracy: percent of classes as --labels has them
  --labels FILE       the class of each sample that float and int8 are compared on, counted from the first of its file:
                      an .npy file, or the tensor "labels" of a .safetensors file
  --dynamic           ranges of activations are measured while the model runs: for models of Gemm and MatMul
${seedHelp}`

const options = {
  ...sampleOptions,
  ...seedOptions,
  out: { type: 'string' },
  report: { type: 'string' },
  digest: { type: 'boolean' },
  calibration: { type: 'string' },
  validation: { type: 'string' },
  method: { type: 'string' },
  percentile: { type: 'string' },
  'bias-correction': { type: 'boolean' },
  equalize: { type: 'boolean' },
  exclude: { type: 'string' },
  'exclude-types': { type: 'string' },
  'target-drop': { type: 'string' },
  metric: { type: 'string' },
  labels: { type: 'string' },
  dynamic: { type: 'boolean' },
} as const

type Values = ReturnType<typeof parseArgs<{ readonly options: typeof options }>>['values']

/** Options that mean nothing without calibration. */
const staticOnly = [
  'calibration',
  'method',
  'percentile',
  'bias-correction',
  'target-drop',
  'metric',
  'labels',
] as const
/** Seconds spent on timing both models. */
const timingSeconds = 2

export const quantize: Command = {
  summary: 'quantize a float ONNX model to int8',
  help,
  run: async (args) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options })
    const path = onlyFile(positionals, 'int8 quantize MODEL --calibration PATH')
    const out = values.out ?? `${path.slice(0, path.length - extname(path).length)}.int8.onnx`
    if (values.calibration === undefined && values.dynamic !== true)
      throw new UsageError('give samples of real data by --calibration PATH, or choose --dynamic')
    const floatSession = await InferenceSession.create(path)
    const { result, feeds } = await (values.dynamic === true ? dynamic : calibrated)(path, floatSession, values)
    await writeFile(out, result.model)
    const quantizedSession = await InferenceSession.create(result.model)
    const [float, int8] = await timeRuns(
      [
        { session: floatSession, feeds },
        { session: quantizedSession, feeds },
      ],
      timingSeconds,
    )
    const measured: Measured = { model: basename(path), report: result.report, times: float && int8 && { float, int8 } }
    print(summarize(measured))
    print(`\nint8 model: ${out}`)
    if (values.report !== undefined) {
      await writeFile(values.report, htmlReport(measured))
      print(`report: ${values.report}`)
    }
    if (values.digest === true) {
      const { seed, sizes: given } = readSeed(values)
      const sizes = new Map([...sizesOf(floatSession, feeds), ...given])
      await writeFile(digestPath(out), digestText(await digestOf(result.model, quantizedSession, seed, sizes)))
      print(`digest: ${digestPath(out)}`)
    }
    floatSession.dispose()
    quantizedSession.dispose()
    return 0
  },
}

/** Sizes of free axes in some feeds, by symbol. */
function sizesOf({ inputMetadata }: InferenceSession, feeds: Feeds): Map<string, number> {
  return new Map(
    inputMetadata.flatMap(({ name, shape = [] }) =>
      shape.flatMap((dim, axis) => (typeof dim === 'string' ? [[dim, feeds[name]?.dims[axis] ?? 1] as const] : [])),
    ),
  )
}

interface Quantized {
  readonly result: QuantizeResult
  /** A sample for timing. */
  readonly feeds: Feeds
}

async function dynamic(path: string, session: InferenceSession, values: Values): Promise<Quantized> {
  for (const name of staticOnly)
    if (values[name] !== undefined) throw new UsageError(`--${name} has no meaning with --dynamic`)
  const validation = values.validation === undefined ? undefined : samplesOf(values.validation, session, values)
  const line = stages()
  const result = await quantizeOnnxDynamic(path, {
    ...selection(values),
    ...(validation && { validation: part(validation, all(validation)) }),
    onProgress: tell(line, { comparison: validation?.count ?? 0 }),
  }).finally(line.end)
  return { result, feeds: validation?.at(0) ?? someFeeds(session, values) }
}

async function calibrated(path: string, session: InferenceSession, values: Values): Promise<Quantized> {
  const set = samplesOf(values.calibration ?? '', session, values)
  const given = values.validation === undefined ? undefined : samplesOf(values.validation, session, values)
  const isHeldOut = (index: number): boolean =>
    given === undefined && set.count > 1 && (set.count < 10 ? index === set.count - 1 : index % 10 === 9)
  const calibration = all(set).filter((index) => !isHeldOut(index))
  const validationSet = given ?? set
  const validation = given === undefined ? all(set).filter(isHeldOut) : all(given)
  const method = wordOption('method', values.method, calibrationMethods)
  const percentile = numberOption('percentile', values.percentile)
  const target = targetOf(values, validationSet, validation)
  const line = stages()
  const result = await quantizeOnnx(path, {
    ...selection(values),
    ...(method !== undefined && { method }),
    ...(percentile !== undefined && { percentile }),
    ...(target !== undefined && { target }),
    biasCorrection: values['bias-correction'] === true,
    equalize: values.equalize === true,
    calibration: part(set, calibration),
    ...(validation.length > 0 && { validation: part(validationSet, validation) }),
    onProgress: tell(line, { calibration: calibration.length, comparison: validation.length }),
  }).finally(line.end)
  return { result, feeds: set.at(0) }
}

const labels: Readonly<Record<QuantizeStage, string>> = {
  calibration: 'calibrating',
  search: 'searching',
  comparison: 'comparing',
}

/** Shows the stages; `totals` of those whose samples are read one at a time. */
function tell(line: Stages, totals: Partial<Record<QuantizeStage, number>>): OnProgress {
  return ({ stage, done, total }) => {
    line.show(labels[stage], done, total ?? totals[stage] ?? done)
  }
}

function selection(values: Values): { readonly exclude: string[]; readonly excludeTypes: string[] } {
  return { exclude: listOption(values.exclude), excludeTypes: listOption(values['exclude-types']) }
}

function all({ count }: SampleSet): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** Some samples of a set, read one at a time, each time anew. */
function part(set: SampleSet, indices: readonly number[]): Iterable<Feeds> {
  return {
    *[Symbol.iterator]() {
      for (const index of indices) yield set.at(index)
    },
  }
}

function targetOf(values: Values, set: SampleSet, validation: readonly number[]): Target | undefined {
  const drop = numberOption('target-drop', values['target-drop'])
  const metric = wordOption('metric', values.metric, ['agreement', 'accuracy'])
  if (drop === undefined) {
    if (metric !== undefined) throw new UsageError('--metric has a meaning with --target-drop only')
    return undefined
  }
  if (metric !== 'accuracy') {
    if (values.labels !== undefined) throw new UsageError('--labels has a meaning with --metric accuracy only')
    return { drop }
  }
  if (values.labels === undefined) throw new UsageError('--metric accuracy needs the right classes: --labels FILE.npy')
  const arrays = openArrays(values.labels)
  const labels = arrays.find(({ name }) => name === 'labels') ?? (arrays.length === 1 ? arrays[0] : undefined)
  if (labels === undefined) throw new UsageError(`${values.labels} holds several tensors, and none is named "labels"`)
  const classes = Array.from(labels.rows(0, labels.shape[0] ?? 1), Number)
  return { drop, metric: (session) => accuracy(session, set, validation, classes) }
}

/** Percent of the rows of the first float output whose largest element is the one that the labels name. */
async function accuracy(
  session: InferenceSession,
  set: SampleSet,
  samples: readonly number[],
  labels: readonly number[],
): Promise<number> {
  const output = session.outputMetadata.find(({ type }) => type === 'float32')?.name
  if (output === undefined) throw new UsageError('--metric accuracy needs a float output')
  let [right, rows] = [0, 0]
  for (const sample of samples) {
    const { data, dims } = (await session.run(set.at(sample), [output]))[output] ?? { data: [], dims: [] }
    const count = dims[0] ?? 1
    const classes = data.length / count
    for (let row = 0; row < count; row++, rows++) {
      const scores = data.slice(row * classes, (row + 1) * classes) as Float32Array
      const label = labels[sample * count + row]
      if (label === undefined)
        throw new UsageError(`--labels has ${String(labels.length)} classes, and there are more samples`)
      if (scores.indexOf(Math.max(...scores)) === label) right++
    }
  }
  return rows === 0 ? 0 : (100 * right) / rows
}
