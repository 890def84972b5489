/** Runs packed convolutions and linear layers: shape, epilogue, layout, kernel (numerics.md 4, 5). */
import type { BoundQuantized, Codes, ConvGeometry } from '../../backend/contract'
import { currentBackend } from '../../backend/current'
import { step, type Steps } from '../../backend/steps'
import { allocate, allocateCodes, codeArrayClass, type QDType8 } from '../../tensor/dtype'
import { reformatSteps } from '../../tensor/movement'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import { checkOptions } from '../options'
import { linearShape } from '../float/conv'
import type { SpatialAxes } from '../shapes/axes'
import { convGeometry } from '../shapes/conv'
import { codesOf } from './codes'
import { bindCodes, bindInt32 } from './epilogue'
import { qparamsOf, readQTensor, readTarget, type Activation } from './params'
import { checkPackedConv, checkPackedLinear, type PackedConv, type PackedLinear } from './prepack'

/** Options of quantized convolutions and linear layers. */
export interface OutputOptions<D extends QDType8> {
  /** Type of the result's codes. @defaultValue that of x */
  readonly dtype?: D
}

/** Options of those that clip. */
export interface ClipOptions<D extends QDType8> extends OutputOptions<D> {
  /** Least real value of the result. */
  readonly min: number
  /** Largest real value of the result. */
  readonly max: number
}

/** x as a convolution's kernel reads it: channels-last. */
function* imageSteps(x: QTensor<QDType8>, { packed }: PackedConv, geometry: ConvGeometry): Steps<Codes> {
  if (!packed.empty) return yield* reformatSteps<Codes>(x, 'channelsLast', codesOf(x.dtype))
  return zeroCodes(x, geometry.batch * geometry.inChannels * sizeOf(geometry.input))
}

/** Results of kernels that run packed weights. */
type Output = Codes | Int32Array | Float32Array

/** Codes of 0.0: the input of a layer without input channels, whose weights have one of value 0 instead. */
export function zeroCodes(x: QTensor<QDType8>, length: number): Codes {
  return new (codeArrayClass(x.dtype))(length).fill(x.zeroPoint)
}

/** A convolution with an 8-bit result; `makeActivation` reads its arguments, with the op's name. */
export function* convSteps<D extends QDType8>(
  op: string,
  axes: SpatialAxes,
  x: QTensor<QDType8>,
  packed: PackedConv,
  out: { readonly scale: number; readonly zeroPoint: number; readonly dtype: D | undefined },
  activation: Activation,
): Steps<QTensor<D>> {
  readQTensor(op, x, 'x')
  checkPackedConv(op, packed, axes)
  const target = readTarget<D>(op, out.scale, out.zeroPoint, out.dtype ?? (x.dtype as D))
  const { geometry, shape } = convGeometry(op, x.shape, packed.params)
  const y = allocateCodes(target.dtype, sizeOf(shape))
  if (y.length > 0) {
    const bound = bindCodes(op, packed.packed, currentBackend(), x, target, activation)
    yield step('qconv', { op: bound, x: yield* imageSteps(x, packed, geometry), y, geometry })
  }
  return new QTensor(target.dtype, shape, y, qparamsOf(target), 'channelsLast')
}

/** A convolution that returns its accumulators. */
export function* convInt32Steps(
  op: string,
  axes: SpatialAxes,
  x: QTensor<QDType8>,
  packed: PackedConv,
): Steps<Tensor<'int32'>> {
  readQTensor(op, x, 'x')
  checkPackedConv(op, packed, axes)
  const { geometry, shape } = convGeometry(op, x.shape, packed.params)
  const y = allocate('int32', sizeOf(shape))
  if (y.length > 0) {
    const bound = bindInt32(op, packed.packed, currentBackend(), x)
    yield step('qconv', { op: bound, x: yield* imageSteps(x, packed, geometry), y, geometry })
  }
  return new Tensor('int32', shape, y, 'channelsLast')
}

/** Runs a linear layer's kernel over x, whose last axis is the features: writes `y`, which has at least one element. */
export function* linearKernel(
  bound: BoundQuantized,
  x: QTensor<QDType8>,
  { packed }: PackedLinear,
  rows: number,
  y: Output,
): Steps<void> {
  const codes = packed.empty ? zeroCodes(x, rows) : yield* reformatSteps<Codes>(x, 'contiguous', codesOf(x.dtype))
  yield step('qlinear', { op: bound, x: codes, y, rows })
}

/** A linear layer with an 8-bit result. */
export function* linearSteps<D extends QDType8>(
  op: string,
  x: QTensor<QDType8>,
  packed: PackedLinear,
  out: { readonly scale: number; readonly zeroPoint: number; readonly dtype: D | undefined },
  activation: Activation,
): Steps<QTensor<D>> {
  readQTensor(op, x, 'x')
  checkPackedLinear(op, packed)
  const target = readTarget<D>(op, out.scale, out.zeroPoint, out.dtype ?? (x.dtype as D))
  const { rows, shape } = linearShape(op, x.shape, packed.inFeatures, packed.outFeatures)
  const y = allocateCodes(target.dtype, sizeOf(shape))
  if (y.length > 0) {
    const bound = bindCodes(op, packed.packed, currentBackend(), x, target, activation)
    yield* linearKernel(bound, x, packed, rows, y)
  }
  return new QTensor(target.dtype, shape, y, qparamsOf(target))
}

/** A linear layer that returns its accumulators. */
export function* linearInt32Steps(op: string, x: QTensor<QDType8>, packed: PackedLinear): Steps<Tensor<'int32'>> {
  readQTensor(op, x, 'x')
  checkPackedLinear(op, packed)
  const { rows, shape } = linearShape(op, x.shape, packed.inFeatures, packed.outFeatures)
  const y = allocate('int32', sizeOf(shape))
  if (y.length > 0) {
    const bound = bindInt32(op, packed.packed, currentBackend(), x)
    yield* linearKernel(bound, x, packed, rows, y)
  }
  return new Tensor('int32', shape, y)
}

/** Reads the options of an op with an 8-bit result. */
export function readOutput<D extends QDType8>(
  op: string,
  scale: number,
  zeroPoint: number,
  options: OutputOptions<D>,
  keys: readonly string[] = ['dtype'],
): { readonly scale: number; readonly zeroPoint: number; readonly dtype: D | undefined } {
  checkOptions(op, options, keys)
  return { scale, zeroPoint, dtype: options.dtype }
}
