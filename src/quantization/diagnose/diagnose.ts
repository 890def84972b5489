/** Where a quantized model loses accuracy, layer by layer. */
import { ArgumentError, ShapeError, show } from '../../errors'
import { isModule, isObservable, type Activation, type Layer } from '../../nn/module'
import type { PackedModule } from '../../nn/quantized/packed'
import type { Packed } from '../../nn/quantized/packed-state'
import { isQTensor, type QTensor } from '../../tensor/qtensor'
import { sameShape, shapeText } from '../../tensor/shape'
import { isTensor, type Tensor } from '../../tensor/tensor'
import { isWatchedIsland } from '../island'
import { adviceFor } from './advice'
import { recordingCopy, type Call } from './capture'
import { decibels, LayerMeter } from './measure'
import { DiagnoseReport, type LayerReport } from './report'

const op = 'quantization.diagnose'
/** Bias in steps beyond which conversion and prepack warn (numerics.md 4). */
const largestBias = 2 ** 30
const { fround } = Math

/** What is known of a layer while batches go by. */
interface LayerRecord {
  readonly layer: Layer
  readonly meter: LayerMeter
  inputScale: number | undefined
}

/**
 * Runs a float model and its quantized form on the same inputs and compares them layer by layer.
 *
 * Layers are paired by path. Hand over the float model that was converted: the prepared one (its observers then tell
 * what they skipped), or the fused one. An unfused one will do: a fused layer is compared with the last of its group.
 *
 * @param float - The float model; it stays as it is, its observers see nothing of this.
 * @param quantized - What {@link convert} gave.
 * @param batches - Inputs of both: one tensor, or several. A few hundred images tell enough.
 * @returns Figures per layer with advice, as data; `toString()` gives a table.
 * @throws ArgumentError where no layer of the second model puts out codes, or there is no batch
 * @example
 * console.log(String(diagnose(prepared, quantized, images)))
 */
export function diagnose(float: Layer, quantized: Layer, batches: Tensor | Iterable<Tensor>): DiagnoseReport {
  for (const [argument, model] of Object.entries({ float, quantized }))
    if (!isModule(model)) throw new ArgumentError({ op, argument, expected: 'a Module', received: show(model) })
  const floatCalls: Call[] = []
  const quantizedCalls: Call[] = []
  const reference = recordingCopy(float, (call) => floatCalls.push(call))
  const tested = recordingCopy(quantized, (call) => quantizedCalls.push(call))
  const records = new Map<string, LayerRecord>()
  const output = { signal: 0, noise: 0 }
  let count = 0
  for (const batch of isTensor(batches) ? [batches] : batches) {
    floatCalls.length = quantizedCalls.length = 0
    addOutput(output, reference.forward(batch), tested.forward(batch))
    compare(records, floatCalls, quantizedCalls)
    count++
  }
  if (count === 0)
    throw new ArgumentError({ op, argument: 'batches', expected: 'at least one batch', received: 'none' })
  if (records.size === 0)
    throw new ArgumentError({
      op,
      argument: 'quantized',
      expected: 'a converted model: one with layers whose output is codes',
      received: `a ${quantized.typeName} without any`,
      hint: 'Call diagnose(prepared, convert(prepared), batches).',
    })
  return new DiagnoseReport(reports(records, float), decibels(output.signal, output.noise), count)
}

/** Pairs the calls of a batch and takes their outputs in. */
function compare(records: Map<string, LayerRecord>, floatCalls: readonly Call[], calls: readonly Call[]): void {
  const pending = new Map<string, Call[]>()
  for (const call of floatCalls) pending.set(call.path, [...(pending.get(call.path) ?? []), call])
  let last: { readonly record: LayerRecord; readonly output: QTensor; reference: Activation | undefined } | undefined
  const flush = (): void => {
    if (last !== undefined) addPair(last.record, last.reference, last.output)
    last = undefined
  }
  for (const { path, layer, inputScale, output } of calls) {
    const partner = pending.get(path)?.shift()
    if (layer.typeName === 'nn.Identity' && partner !== undefined && partner.layer.typeName !== 'nn.Identity') {
      // Fused away here, a layer of its own there: what it put out is what the fused layer before it stands for.
      if (last?.output === output) last.reference = partner.output
      continue
    }
    flush()
    if (!isQTensor(output) || output.qparams.kind !== 'perTensor' || layer.typeName === 'nn.Identity') continue
    const record = records.get(path) ?? { layer, meter: new LayerMeter(), inputScale }
    record.inputScale = inputScale
    records.set(path, record)
    last = { record, output, reference: partner?.output }
  }
  flush()
}

function addPair(record: LayerRecord, reference: Activation | undefined, output: QTensor): void {
  if (!isTensor(reference)) return
  if (!sameShape(reference.shape, output.shape))
    throw new ShapeError({
      op,
      message: `${record.layer.label()} puts out ${shapeText(output.shape)}, but ${shapeText(reference.shape)} in the float model`,
      hint: 'Hand over the float model that was converted.',
    })
  record.meter.add(reference, output)
}

function addOutput(sums: { signal: number; noise: number }, float: Activation, quantized: Activation): void {
  const y = (isQTensor(float) ? float.dequantize() : float).data
  const yq = (isQTensor(quantized) ? quantized.dequantize() : quantized).data
  for (const [i, value] of y.entries()) {
    sums.signal += value * value
    sums.noise += ((yq[i] ?? 0) - value) ** 2
  }
}

function reports(records: ReadonlyMap<string, LayerRecord>, float: Layer): LayerReport[] {
  const floatLayers = new Map(float.namedModules())
  const found: LayerReport[] = []
  let worst = Infinity
  for (const [name, { layer, meter, inputScale }] of records) {
    const figures = meter.figures()
    if (figures === undefined) continue
    const source = floatLayers.get(name)
    const observer = source !== undefined && isObservable(source) ? source.activationPostProcess : undefined
    const packed = isPacked(layer) ? layer : undefined
    const report = {
      name,
      type: source !== undefined && isWatchedIsland(source) ? source.inner.typeName : layer.typeName,
      ...figures,
      clippedBias: packed === undefined || inputScale === undefined ? 0 : clippedBias(packed, inputScale),
      skipped: observer?.skipped ?? { nan: 0, inf: 0 },
    }
    const own = {
      scale: 'requireQParams' in layer,
      perTensorWeight: packed?.weight.qparams.kind === 'perTensor' && report.channels > 1,
    }
    found.push({ ...report, advice: adviceFor(report, worst, own) })
    worst = Math.min(worst, figures.sqnrDb)
  }
  return found
}

function isPacked(layer: Layer): layer is Layer & PackedModule<Packed> {
  return 'setWeightBias' in layer && 'weightShape' in layer
}

/** Channels whose float bias exceeds 2^30 steps of `sx * sw`. */
function clippedBias(layer: PackedModule<Packed>, inputScale: number): number {
  const { weight, bias } = layer
  if (bias?.dtype !== 'float32') return 0
  const { qparams } = weight
  let count = 0
  for (const [c, value] of bias.data.entries()) {
    const scale = qparams.kind === 'perTensor' ? qparams.scale : (qparams.scales[c % qparams.scales.length] ?? 1)
    if (Math.abs(fround(value * fround(1 / fround(inputScale * scale)))) > largestBias) count++
  }
  return count
}
