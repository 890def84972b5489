/** What every layer with a quantized output of its own has: a scale, a zero point, a dtype. */
import { ArgumentError, DTypeError, NotCalibratedError, QParamsError, show } from '../../errors'
import type { Observer } from '../../quantization/observers/observer'
import { checkQDType, type DType, type QDType8 } from '../../tensor/dtype'
import { checkScale, checkZeroPoint } from '../../tensor/qparams'
import { checkQTensor, type QTensor } from '../../tensor/qtensor'
import { isTensor, Tensor } from '../../tensor/tensor'
import { isModule, Module, type Activation, type Layer, type StateSlot, type StateValue } from '../module'
import { describe } from '../state'

/** Parameters of a layer's output. */
export interface OutputQParams {
  readonly scale: number
  readonly zeroPoint: number
}

/** Options of layers whose output is quantized. */
export interface QuantizedOptions {
  /** Type of the output's codes. @defaultValue 'quint8' */
  readonly dtype?: QDType8
}

/** The keys of {@link QuantizedOptions}, for layers that have more. */
export const quantizedKeys = ['dtype'] as const

/** A layer whose output has a scale and a zero point, unset until given. */
export abstract class QuantizedModule<In extends Activation = QTensor, Out extends Activation = QTensor> extends Module<
  In,
  Out
> {
  /** Type of the output's codes. */
  readonly dtype: QDType8
  private outputScale: number | undefined = undefined
  private outputZeroPoint: number | undefined = undefined

  constructor(op: string, { dtype = 'quint8' }: QuantizedOptions) {
    super()
    checkQDType(op, dtype, ['quint8', 'qint8'] as const)
    this.dtype = dtype
  }

  /** Real size of one step of the output (float32); undefined until set. */
  get scale(): number | undefined {
    return this.outputScale
  }

  set scale(value: number | undefined) {
    this.outputScale = value === undefined ? undefined : checkScale(this.label(), value)
  }

  /** Code of 0.0 in the output; undefined until set. */
  get zeroPoint(): number | undefined {
    return this.outputZeroPoint
  }

  set zeroPoint(value: number | undefined) {
    this.outputZeroPoint = value === undefined ? undefined : checkZeroPoint(this.label(), value, this.dtype)
  }

  /** Scale and zero point, once both are there. @throws NotCalibratedError while they are not */
  requireQParams(): OutputQParams {
    const { scale, zeroPoint } = this
    if (scale === undefined || zeroPoint === undefined)
      throw new NotCalibratedError({
        op: this.label(),
        message: `the output's ${scale === undefined ? 'scale' : 'zero point'} is not set`,
        hint: 'Make the layer by fromFloat or quantization.convert from one that calibration has watched, load a state dict, or set scale and zeroPoint.',
      })
    return { scale, zeroPoint }
  }

  override state(): Readonly<Record<string, StateSlot>> {
    const { scale, zeroPoint } = this
    return {
      scale: {
        kind: 'buffer',
        value: scale === undefined ? undefined : new Tensor('float32', [], Float32Array.of(scale)),
        check: (value) => checkNumber(value, ['float32'], (number) => checkScale('', number)),
      },
      zero_point: {
        kind: 'buffer',
        value: zeroPoint === undefined ? undefined : new Tensor('int32', [], Int32Array.of(zeroPoint)),
        check: (value) =>
          checkNumber(value, ['int32', 'int64'], (number) => checkZeroPoint('', number, this.dtype, 'zero_point')),
      },
    }
  }

  override prepareLoad(values: ReadonlyMap<string, StateValue>): () => void {
    const scale = numberOf(values.get('scale'))
    const zeroPoint = numberOf(values.get('zero_point'))
    return () => {
      if (scale !== undefined) this.scale = scale
      if (zeroPoint !== undefined) this.zeroPoint = zeroPoint
    }
  }

  /** Refuses what is not a tensor of 8-bit codes. */
  protected checkCodes(x: unknown, method?: string, argument = 'x'): asserts x is QTensor<QDType8> {
    checkQTensor(this.label(method), x, argument, ['quint8', 'qint8'])
  }

  /** Refuses codes of another type than the output's, where the op keeps the type. */
  protected checkDType(x: QTensor<QDType8>, method?: string, argument = 'x'): void {
    if (x.dtype !== this.dtype)
      throw new DTypeError({
        op: this.label(method),
        argument,
        expected: `a QTensor of ${this.dtype}, as this module's output`,
        received: `one of ${x.dtype}`,
        hint: 'Give every activation observer of the model the same dtype.',
      })
  }

  /** Takes over what an observer saw, and its module's path. */
  protected adopt(source: Layer, observer: Observer | undefined): this {
    if (source.modulePath !== undefined) this.modulePath = source.modulePath
    const { scale, zeroPoint } = observedQParams(source, observer)
    this.scale = scale
    this.zeroPoint = zeroPoint
    return this
  }
}

function checkNumber(
  value: StateValue,
  dtypes: readonly DType[],
  check: (number: unknown) => void,
): string | undefined {
  const number = isTensor(value) && dtypes.includes(value.dtype) ? numberOf(value) : undefined
  if (number === undefined)
    return `must be a Tensor of ${dtypes.join(' or ')} of one element, but got ${describe(value)}`
  try {
    check(number)
    return undefined
  } catch (error) {
    if (!(error instanceof QParamsError)) throw error
    return `must be ${String(error.expected)}, but got ${String(error.received)}`
  }
}

function numberOf(value: StateValue | undefined): number | undefined {
  return isTensor(value) && value.size === 1 ? Number(value.storage[0]) : undefined
}

/** Refuses a module that is not of the one class that a `fromFloat` takes. */
export function checkSource(op: string, module: unknown, typeName: string): asserts module is Layer {
  if (!isModule(module) || module.typeName !== typeName)
    throw new ArgumentError({
      op: `${op}.fromFloat`,
      argument: 'module',
      expected: `an ${typeName} that calibration has watched`,
      received: isModule(module) ? `an ${module.typeName}` : show(module),
    })
}

/** The per-tensor parameters that a layer's observer arrived at. */
export function observedQParams(source: Layer, observer: Observer | undefined): OutputQParams & { dtype: QDType8 } {
  const op = source.label()
  if (observer === undefined)
    throw new NotCalibratedError({
      op,
      message: 'this layer has no observer, so its output range is unknown',
      hint: 'Run quantization.prepare on the model, then the prepared model on real inputs.',
    })
  if (!observer.observed)
    throw new NotCalibratedError({
      op,
      message: "this layer's observer has seen no data",
      hint: 'Run the prepared model on real inputs (some hundred are enough) before converting it.',
    })
  const dtype = observedDType(source, observer)
  const qparams = observer.calculateQParams()
  if (qparams.kind !== 'perTensor')
    throw new QParamsError({
      op,
      message: 'an activation needs one scale, but its observer gives one per channel',
      hint: 'Per-channel observers are for weights: use MinMaxObserver or HistogramObserver as qconfig.activation.',
    })
  return { scale: qparams.scale, zeroPoint: qparams.zeroPoint, dtype }
}

/** Type of the codes that a layer's observer is for; quint8 where it has none. */
export function observedDType(source: Layer, observer: Observer | undefined): QDType8 {
  const dtype = observer?.dtype ?? 'quint8'
  if (dtype === 'qint32')
    throw new DTypeError({
      op: source.label(),
      argument: 'activationPostProcess',
      expected: 'an observer of quint8 or qint8',
      received: 'one of qint32',
    })
  return dtype
}
