/** Quantized weights made ready for kernels: checked, proven, laid out once; packed per backend when first run. */
import type {
  Backend,
  Codes,
  PackedImage,
  PackedQuantized,
  QuantizedWeights,
  TransposedSteps,
} from '../../backend/contract'
import { runSync } from '../../backend/steps'
import { ArgumentError, QParamsError, ShapeError, show } from '../../errors'
import { allocateCodes, codeArrayClass, type QDType8 } from '../../tensor/dtype'
import { reformatSteps } from '../../tensor/movement'
import type { QParams } from '../../tensor/qparams'
import { QTensor, toFormatSteps } from '../../tensor/qtensor'
import { shapeText, sizeOf, type MemoryFormat, type Shape } from '../../tensor/shape'
import { checkTensor, isTensor, Tensor } from '../../tensor/tensor'
import { PerBackend } from '../perBackend'
import { dims3 } from '../shapes/axes'
import { EpilogueCache } from './cache'
import { proveWeights, WeightSums } from './proof'
import { warnClipped } from './warnings'

/** A bias: float32, quantized at scale sx*sw for each input; or int32 at that scale already, as ONNX has it. */
export type Bias = Tensor | Tensor<'int32'> | null

/** Where weights come from. */
export interface WeightSource {
  readonly dtype: QDType8
  /** `[outChannels, inPerGroup, kernel…]` */
  readonly shape: Shape
  readonly qparams: QParams
  /** The codes, in whichever order. */
  readonly storage: Codes
  /** The codes as `[outChannels, taps, inPerGroup]`, which nobody writes to; made each time, or kept. */
  readonly layOut: () => Codes
  /** The same weights as a backend packed them before. */
  readonly image?: PackedImage | undefined
}

/** Weights of a tensor that may change later: the codes are copied. */
export function copied(weight: QTensor<QDType8>): WeightSource {
  const codes = layOut(weight)
  const own = codes === weight.storage ? codes.slice() : codes
  const { dtype, shape, qparams } = weight
  return { dtype, shape, qparams, storage: own, layOut: () => own }
}

/** Weights of a tensor that nobody changes: codes are laid out when they are asked for, and not kept. */
export function constant(weight: QTensor<QDType8>, image: PackedImage | undefined): WeightSource {
  const { dtype, shape, qparams, storage } = weight
  return { dtype, shape, qparams, storage, layOut: () => layOut(weight), image }
}

/** The weights of a quantized convolution or linear layer. */
export class PackedWeights {
  /** The layer's name in messages: `" of layer features.0"`, or nothing. */
  readonly layer: string
  readonly dtype: QDType8
  readonly shape: Shape
  readonly qparams: QParams
  /** One per output channel, whatever the scheme. */
  readonly scales: Float32Array
  /** The weights as backends pack them. */
  readonly weights: QuantizedWeights
  readonly bias: Float32Array | Int32Array | null
  readonly sums: WeightSums
  /** Whether each output sums over nothing: the weights then hold one zero per output and tap. */
  readonly empty: boolean
  /** What has been computed for the inputs and outputs seen lately. */
  readonly epilogues: EpilogueCache = new EpilogueCache()
  /** Whether the bias has been warned of. */
  biasWarned = false
  private readonly handles = new PerBackend<PackedQuantized>()

  constructor(
    op: string,
    source: WeightSource,
    bias: Bias,
    groups: number,
    name: unknown,
    transposed?: TransposedSteps,
  ) {
    if (name !== undefined && typeof name !== 'string')
      throw new ArgumentError({ op, argument: 'options.name', expected: 'a string', received: show(name) })
    const { dtype, shape, qparams, image } = source
    const [outChannels = 0, inPerGroup = 0, ...kernel] = shape
    const perChannel = outChannels === 0 ? 0 : sizeOf(shape) / outChannels
    const { scales, zeroPoints } = expand(op, qparams, outChannels)
    this.layer = name === undefined || name === '' ? '' : ` of layer ${name}`
    this.dtype = dtype
    this.shape = shape
    this.qparams = qparams
    this.scales = scales
    this.bias = readBias(op, bias, outChannels)
    this.empty = perChannel === 0
    this.sums = new WeightSums(source.layOut, dtype, zeroPoints, perChannel)
    proveWeights(op, this.layer, this.sums)
    // What was saved has been looked at before.
    if (image === undefined) warnClipped(op, this.layer, source)
    const layout = { zeroPoints, groups, outChannels, kernel: dims3(kernel, 1), ...(transposed && { transposed }) }
    this.weights = this.empty
      ? { ...layout, codes: zeroWeights(dtype, zeroPoints, layout.kernel), inPerGroup: 1 }
      : {
          ...layout,
          get codes() {
            return source.layOut()
          },
          inPerGroup,
          ...(image && { image }),
        }
  }

  /** The weights as this backend runs them. */
  handle(backend: Backend): PackedQuantized {
    return this.handles.get(backend, (owner) => owner.packQuantized(this.weights))
  }

  /** Copies of the weight and bias that were packed; changing them changes nothing here. */
  unpack(): { readonly weight: QTensor<QDType8>; readonly bias: Bias } {
    const { bias } = this
    const length = bias?.length ?? 0
    return {
      weight: this.unpackWeight(),
      bias:
        bias === null
          ? null
          : bias instanceof Int32Array
            ? new Tensor('int32', [length], bias.slice())
            : new Tensor('float32', [length], bias.slice()),
    }
  }

  private unpackWeight(): QTensor<QDType8> {
    const codes = this.empty ? new (codeArrayClass(this.dtype))(0) : this.weights.codes.slice()
    const format: MemoryFormat = this.shape.length > 2 ? 'channelsLast' : 'contiguous'
    return runSync(toFormatSteps(new QTensor(this.dtype, this.shape, codes, this.qparams, format), 'contiguous'))
  }
}

/** Codes as `[outChannels, taps, inPerGroup]`; the same array where they lie so already. */
function layOut(weight: QTensor<QDType8>): Codes {
  const make = (length: number): Codes => allocateCodes(weight.dtype, length)
  return weight.rank === 2 ? weight.storage : runSync(reformatSteps<Codes>(weight, 'channelsLast', make))
}

/** One weight of value 0 per output and tap: what stands in where there is no input channel. */
function zeroWeights(
  dtype: QDType8,
  zeroPoints: Int32Array,
  [depth, height, width]: QuantizedWeights['kernel'],
): Codes {
  const taps = depth * height * width
  const codes = new (codeArrayClass(dtype))(zeroPoints.length * taps)
  zeroPoints.forEach((zeroPoint, channel) => codes.fill(zeroPoint, channel * taps, (channel + 1) * taps))
  return codes
}

function expand(
  op: string,
  qparams: QParams,
  outChannels: number,
): { readonly scales: Float32Array; readonly zeroPoints: Int32Array } {
  if (qparams.kind === 'perTensor')
    return {
      scales: new Float32Array(outChannels).fill(qparams.scale),
      zeroPoints: new Int32Array(outChannels).fill(qparams.zeroPoint),
    }
  if (qparams.axis !== 0)
    throw new QParamsError({
      op,
      argument: 'weight',
      expected: 'quantized per tensor, or per channel along axis 0 (the output channels)',
      received: `scales along axis ${String(qparams.axis)}`,
      hint: 'quantizePerChannel(weight, scales, zeroPoints, 0, dtype) gives one scale to each output channel.',
    })
  return { scales: qparams.scales.slice(), zeroPoints: qparams.zeroPoints.slice() }
}

function readBias(op: string, bias: Bias, outChannels: number): Float32Array | Int32Array | null {
  if (bias === null) return null
  if (!isTensor(bias) || bias.dtype !== 'int32') checkTensor(op, bias, 'bias')
  if (bias.rank !== 1 || bias.size !== outChannels)
    throw new ShapeError({
      op,
      argument: 'bias',
      expected: `of shape [${String(outChannels)}], one value per output channel`,
      received: shapeText(bias.shape),
    })
  bias.storage.forEach((value: number, channel: number) => {
    if (!Number.isFinite(value))
      throw new ArgumentError({
        op,
        argument: `bias[${String(channel)}]`,
        expected: 'a finite number',
        received: String(value),
      })
  })
  return bias.storage.slice()
}
