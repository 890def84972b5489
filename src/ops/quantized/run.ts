/** Runs packed convolutions and linear layers: shape, epilogue, layout, kernel (numerics.md 4, 5). */
import type { Backend, BoundQuantized, Codes } from '../../backend/contract'
import { currentBackend } from '../../backend/current'
import { step, type Steps } from '../../backend/steps'
import { allocate, allocateCodes, codeArrayClass, type QDType8 } from '../../tensor/dtype'
import { reformatSteps } from '../../tensor/movement'
import { QTensor } from '../../tensor/qtensor'
import { sizeOf, type Shape } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import { checkOptions } from '../options'
import { linearShape } from '../float/conv'
import type { SpatialAxes } from '../shapes/axes'
import { convGeometry } from '../shapes/conv'
import { bindCodes, bindInt32, type Input } from './epilogue'
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

/** Results of kernels that run packed weights. */
type Output = Codes | Int32Array | Float32Array

function* convKernel<A extends Output>(
  op: string,
  x: QTensor<QDType8>,
  { params, packed }: PackedConv,
  bind: (backend: Backend) => BoundQuantized,
  make: (length: number) => A,
): Steps<{ readonly y: A; readonly shape: Shape }> {
  const backend = currentBackend()
  const { geometry, shape } = convGeometry(op, x.shape, params)
  const size = sizeOf(shape)
  if (size === 0) return { y: make(0), shape }
  const bound = bind(backend)
  const y = make(size)
  const { batch, groups, input } = geometry
  if (packed.empty) {
    const codes = zeroCodes(x, batch * input[0] * input[1] * input[2] * groups)
    yield step('qconv', { op: bound, x: codes, y, geometry: { ...geometry, inChannels: groups } })
  } else {
    const codes = yield* reformatSteps<Codes>(x, 'channelsLast', (length) => allocateCodes(x.dtype, length))
    yield step('qconv', { op: bound, x: codes, y, geometry })
  }
  return { y, shape }
}

/** Codes of 0.0: the input of a layer without input channels, whose weights have one of value 0 instead. */
function zeroCodes(x: QTensor<QDType8>, length: number): Codes {
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
  const input = readInput(op, x)
  checkPackedConv(op, packed, axes)
  const target = readTarget<D>(op, out.scale, out.zeroPoint, out.dtype ?? (x.dtype as D))
  const { y, shape } = yield* convKernel(
    op,
    x,
    packed,
    (backend) => bindCodes(op, packed.packed, backend, input, target, activation),
    (length) => allocateCodes(target.dtype, length),
  )
  return new QTensor(target.dtype, shape, y, qparamsOf(target), 'channelsLast')
}

/** A convolution that returns its accumulators. */
export function* convInt32Steps(
  op: string,
  axes: SpatialAxes,
  x: QTensor<QDType8>,
  packed: PackedConv,
): Steps<Tensor<'int32'>> {
  const input = readInput(op, x)
  checkPackedConv(op, packed, axes)
  const { y, shape } = yield* convKernel(
    op,
    x,
    packed,
    (backend) => bindInt32(op, packed.packed, backend, input),
    (length) => allocate('int32', length),
  )
  return new Tensor('int32', shape, y, 'channelsLast')
}

/** A linear layer's kernel over x, whose last axis is the features. */
export function* linearKernel<A extends Output>(
  op: string,
  x: QTensor<QDType8>,
  { inFeatures, outFeatures, packed }: PackedLinear,
  bind: (backend: Backend) => BoundQuantized,
  make: (length: number) => A,
): Steps<{ readonly y: A; readonly shape: Shape }> {
  const backend = currentBackend()
  const { rows, shape } = linearShape(op, x.shape, inFeatures, outFeatures)
  const size = sizeOf(shape)
  if (size === 0) return { y: make(0), shape }
  const bound = bind(backend)
  const y = make(size)
  const codes = packed.empty
    ? zeroCodes(x, rows)
    : yield* reformatSteps<Codes>(x, 'contiguous', (length) => allocateCodes(x.dtype, length))
  yield step('qlinear', { op: bound, x: codes, y, rows })
  return { y, shape }
}

/** A linear layer with an 8-bit result. */
export function* linearSteps<D extends QDType8>(
  op: string,
  x: QTensor<QDType8>,
  packed: PackedLinear,
  out: { readonly scale: number; readonly zeroPoint: number; readonly dtype: D | undefined },
  activation: Activation,
): Steps<QTensor<D>> {
  const input = readInput(op, x)
  checkPackedLinear(op, packed)
  const target = readTarget<D>(op, out.scale, out.zeroPoint, out.dtype ?? (x.dtype as D))
  const { y, shape } = yield* linearKernel(
    op,
    x,
    packed,
    (backend) => bindCodes(op, packed.packed, backend, input, target, activation),
    (length) => allocateCodes(target.dtype, length),
  )
  return new QTensor(target.dtype, shape, y, qparamsOf(target))
}

/** A linear layer that returns its accumulators. */
export function* linearInt32Steps(op: string, x: QTensor<QDType8>, packed: PackedLinear): Steps<Tensor<'int32'>> {
  const input = readInput(op, x)
  checkPackedLinear(op, packed)
  const { y, shape } = yield* linearKernel(
    op,
    x,
    packed,
    (backend) => bindInt32(op, packed.packed, backend, input),
    (length) => allocate('int32', length),
  )
  return new Tensor('int32', shape, y)
}

/** Reads the input's type and parameters. */
function readInput(op: string, x: QTensor<QDType8>): Input {
  return { ...readQTensor(op, x, 'x'), dtype: x.dtype }
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
