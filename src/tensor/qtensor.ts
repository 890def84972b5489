/** Quantized tensors. */
import { runSync, step, type Steps } from '../backend/steps'
import { DTypeError, QParamsError, ShapeError, show } from '../errors'
import {
  allocate,
  allocateCodes,
  checkArray,
  checkMemory,
  checkQDType,
  codeArrayClass,
  type DType,
  type QDType,
  type QuantizedArrays,
} from './dtype'
import { qtensorText } from './format'
import { permuteSteps, reformatSteps } from './movement'
import { checkScale, checkZeroPoint, type PerChannelQParams, type PerTensorQParams, type QParams } from './qparams'
import { checkMemoryFormat, checkShape, resolveAxis, shapeText, sizeOf, type MemoryFormat, type Shape } from './shape'
import { isTensor, Tensor } from './tensor'
import { channelSplit } from './split'
import { checkPermutation, resolveReshape } from './views'

const brand: unique symbol = Symbol.for('int8.QTensor')

/** The plain dtype that holds a quantized dtype's codes. */
export interface CodeDTypes {
  readonly quint8: 'uint8'
  readonly qint8: 'int8'
  readonly qint32: 'int32'
}

/** PyTorch's `torch.per_tensor_affine`, `torch.per_channel_affine`. */
export type QScheme = 'perTensorAffine' | 'perChannelAffine'

/**
 * A tensor of codes, each standing for `(code - zeroPoint) * scale`: PyTorch's quantized tensor.
 *
 * Made by `quantizePerTensor`, `quantizePerChannel`, {@link fromIntRepr} and the quantized ops. The shape is logical
 * (`[N, C, H, W]`) whatever the memory format.
 */
export class QTensor<D extends QDType = QDType> {
  declare readonly [brand]: 'QTensor'
  readonly dtype: D
  readonly shape: Shape
  readonly memoryFormat: MemoryFormat
  readonly qparams: QParams
  /** The codes in the order of the memory format; the tensor's own memory, not a copy. */
  readonly storage: QuantizedArrays[D]

  static {
    Object.defineProperty(this.prototype, brand, { value: 'QTensor' })
  }

  /** @internal Use {@link fromIntRepr}: arguments are not checked here. */
  constructor(
    dtype: D,
    shape: Shape,
    storage: QuantizedArrays[D],
    qparams: QParams,
    memoryFormat: MemoryFormat = 'contiguous',
  ) {
    this.dtype = dtype
    this.shape = Object.isFrozen(shape) ? shape : Object.freeze([...shape])
    this.storage = storage
    this.qparams = qparams
    this.memoryFormat = memoryFormat
    Object.freeze(this)
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  /** PyTorch: `qscheme()`. */
  get qscheme(): QScheme {
    return this.qparams.kind === 'perTensor' ? 'perTensorAffine' : 'perChannelAffine'
  }

  /** The real size of one step (float32). PyTorch: `q_scale()`. @throws QParamsError where there is one per channel. */
  get scale(): number {
    return this.perTensor('scale', 'scales').scale
  }

  /** The code that stands for 0.0. PyTorch: `q_zero_point()`. @throws QParamsError where there is one per channel. */
  get zeroPoint(): number {
    return this.perTensor('zeroPoint', 'zeroPoints').zeroPoint
  }

  /** PyTorch: `q_per_channel_scales()`. @throws QParamsError where there is one for the tensor. */
  get scales(): Float32Array {
    return this.perChannel('scales', 'scale').scales
  }

  /** PyTorch: `q_per_channel_zero_points()`. @throws QParamsError where there is one for the tensor. */
  get zeroPoints(): Int32Array {
    return this.perChannel('zeroPoints', 'zeroPoint').zeroPoints
  }

  /** PyTorch: `q_per_channel_axis()`. @throws QParamsError where the parameters are those of the whole tensor. */
  get axis(): number {
    return this.perChannel('axis', 'scale').axis
  }

  private perTensor(field: string, other: string): PerTensorQParams {
    if (this.qparams.kind !== 'perTensor')
      throw new QParamsError({
        op: `QTensor.${field}`,
        message: 'this tensor is quantized per channel, so it has no single value',
        hint: `Read .${other}, one per index of axis ${String(this.qparams.axis)}.`,
      })
    return this.qparams
  }

  private perChannel(field: string, other: string): PerChannelQParams {
    if (this.qparams.kind !== 'perChannel')
      throw new QParamsError({
        op: `QTensor.${field}`,
        message: 'this tensor is quantized per tensor, so it has no values per channel',
        hint: `Read .${other}.`,
      })
    return this.qparams
  }

  /** The codes as a plain tensor of uint8, int8 or int32, row-major; a copy. PyTorch: `int_repr()`. */
  intRepr(): Tensor<CodeDTypes[D]> {
    const own = this.contiguous().storage
    const dtype = { quint8: 'uint8', qint8: 'int8', qint32: 'int32' }[this.dtype] as CodeDTypes[D]
    return new Tensor<DType>(dtype, this.shape, own === this.storage ? own.slice() : own) as Tensor<CodeDTypes[D]>
  }

  /**
   * The real values: `f(f(code - zeroPoint) * scale)` (numerics.md 2), in this tensor's memory format. PyTorch:
   * `dequantize()`.
   */
  dequantize(): Tensor {
    return runSync(dequantizeSteps(this))
  }

  /** This tensor in another memory format; itself where nothing changes. PyTorch: `contiguous(memory_format=…)`. */
  contiguous(format: MemoryFormat = 'contiguous'): QTensor<D> {
    checkMemoryFormat('QTensor.contiguous', format, this.rank)
    if (format === this.memoryFormat) return this
    return runSync(toFormatSteps(this, format))
  }

  /**
   * The same codes, in row-major order, under another shape; one size may be -1. Per channel, the axes up to the
   * channels' own must stay as they are. PyTorch: `reshape`.
   */
  reshape(shape: Shape): QTensor<D> {
    const to = resolveReshape('QTensor.reshape', this.shape, shape)
    const { qparams } = this
    if (qparams.kind === 'perChannel')
      for (let axis = 0; axis <= qparams.axis; axis++)
        if (to[axis] !== this.shape[axis])
          throw new ShapeError({
            op: 'QTensor.reshape',
            argument: 'shape',
            expected: `a shape that starts with ${shapeText(this.shape.slice(0, qparams.axis + 1))} (scales are per index of axis ${String(qparams.axis)})`,
            received: shapeText(to),
          })
    return new QTensor(this.dtype, to, this.contiguous().storage, qparams)
  }

  /** A copy with its axes in the order `axes`; per channel, the axis of the scales moves along. PyTorch: `permute`. */
  permute(axes: readonly number[]): QTensor<D> {
    const order = checkPermutation('QTensor.permute', axes, this.rank)
    const storage = runSync(permuteSteps(this, order, (length) => allocateCodes(this.dtype, length)))
    const { qparams } = this
    return new QTensor(
      this.dtype,
      order.map((axis) => this.shape[axis] ?? 1),
      storage,
      qparams.kind === 'perTensor' ? qparams : { ...qparams, axis: order.indexOf(qparams.axis) },
    )
  }

  /** The tensor as PyTorch prints it. */
  toString(): string {
    return qtensorText(this)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return qtensorText(this)
  }
}

/** Steps of {@link QTensor.contiguous}. */
export function* toFormatSteps<D extends QDType>(q: QTensor<D>, format: MemoryFormat): Steps<QTensor<D>> {
  if (format === q.memoryFormat) return q
  const storage = yield* reformatSteps(q, format, (length) => allocateCodes(q.dtype, length))
  return new QTensor(q.dtype, q.shape, storage, q.qparams, format)
}

/** Steps of {@link QTensor.dequantize}. */
export function* dequantizeSteps(q: QTensor): Steps<Tensor> {
  const y = allocate('float32', q.size)
  const { split, scales, zeroPoints } = channelSplit(q.shape, q.memoryFormat, q.qparams)
  yield step('dequantize', { x: q.storage, y, split, scales, zeroPoints })
  return new Tensor('float32', q.shape, y, q.memoryFormat)
}

/** Whether a value is a {@link QTensor}, of this or another copy of the library. */
export function isQTensor(value: unknown): value is QTensor {
  return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === 'QTensor'
}

/** Refuses what is not a quantized tensor of an allowed dtype; a float one is told how to become one. */
export function checkQTensor<D extends QDType>(
  op: string,
  value: unknown,
  argument: string,
  allowed: readonly D[],
): asserts value is QTensor<D> {
  if (!isQTensor(value))
    throw new DTypeError({
      op,
      argument,
      expected: `a QTensor of ${allowed.join(' or ')}`,
      received: isTensor(value) ? `a Tensor of ${value.dtype}` : show(value),
      ...(isTensor(value) && {
        hint: 'It is not quantized: call quantizePerTensor on it, or put an nn.QuantStub before this layer.',
      }),
    })
  if (!(allowed as readonly QDType[]).includes(value.dtype))
    throw new DTypeError({
      op,
      argument,
      expected: `a QTensor of ${allowed.join(' or ')}`,
      received: `a QTensor of ${value.dtype}`,
    })
  checkMemory(op, argument, value.storage, value.size)
}

/** Per-channel parameters as a user gives them. */
export interface ChannelParams {
  readonly scales: ArrayLike<number>
  readonly zeroPoints: ArrayLike<number>
  /** Axis that they belong to; negative counts from the end. */
  readonly axis: number
}

/**
 * Makes a quantized tensor from its codes. PyTorch: `torch._make_per_tensor_quantized_tensor` and
 * `torch._make_per_channel_quantized_tensor`.
 *
 * @param codes - Row-major codes; the array is taken over, not copied.
 * @param shape - Logical shape.
 * @param dtype - Type of the codes; the array must be the one that stores it.
 * @param params - `{ scale, zeroPoint }`, or `{ scales, zeroPoints, axis }`.
 * @throws QParamsError, ShapeError, DTypeError
 * @example
 * fromIntRepr(new Uint8Array([0, 10, 20]), [3], 'quint8', { scale: 0.5, zeroPoint: 10 }).dequantize().data // -5, 0, 5
 */
export function fromIntRepr<D extends QDType>(
  codes: QuantizedArrays[D],
  shape: Shape,
  dtype: D,
  params: { readonly scale: number; readonly zeroPoint: number } | ChannelParams,
): QTensor<D> {
  const op = 'fromIntRepr'
  checkQDType(op, dtype, ['quint8', 'qint8', 'qint32'] as const)
  checkShape(op, shape)
  checkArray(op, codes, codeArrayClass(dtype), dtype)
  if (codes.length !== sizeOf(shape))
    throw new ShapeError({
      op,
      argument: 'codes',
      expected: `${String(sizeOf(shape))} codes for shape ${shapeText(shape)}`,
      received: String(codes.length),
    })
  const qparams: QParams =
    'scales' in params
      ? checkChannelParams(op, params, shape, dtype)
      : {
          kind: 'perTensor',
          scale: checkScale(op, params.scale),
          zeroPoint: checkZeroPoint(op, params.zeroPoint, dtype),
        }
  return new QTensor(dtype, shape, codes, qparams)
}

/** Validates per-channel parameters against the tensor they are for; scales become float32. */
export function checkChannelParams(op: string, params: ChannelParams, shape: Shape, dtype: QDType): PerChannelQParams {
  const axis = resolveAxis(op, params.axis, shape.length)
  const channels = shape[axis] ?? 0
  for (const [name, list] of [
    ['scales', params.scales],
    ['zeroPoints', params.zeroPoints],
  ] as const)
    if (list.length !== channels)
      throw new QParamsError({
        op,
        argument: name,
        expected: `${String(channels)} values, one per index of axis ${String(axis)} of ${shapeText(shape)}`,
        received: String(list.length),
      })
  const indexed = (name: string, i: number): string => `${name}[${String(i)}]`
  return {
    kind: 'perChannel',
    axis,
    scales: Float32Array.from(params.scales, (scale, i) => checkScale(op, scale, indexed('scales', i))),
    zeroPoints: Int32Array.from(params.zeroPoints, (zp, i) => checkZeroPoint(op, zp, dtype, indexed('zeroPoints', i))),
  }
}
