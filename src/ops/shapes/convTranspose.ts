/** Shape arithmetic of transposed convolutions: options against the weight once, then against each input. */
import type { ConvGeometry } from '../../backend/contract'
import { ShapeError } from '../../errors'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { checkWhole, readPerAxis, type PerAxis } from '../options'
import { dims3, imageShape, readImage, readPadding, type PadPair, type SpatialAxes } from './axes'
import type { ConvPlan } from './conv'

/** Options of every transposed convolution. */
export interface ConvTransposeOptions {
  /** Output elements from one input element's contributions to the next one's. @defaultValue 1 */
  readonly stride?: PerAxis
  /** What is cut off the output at either end; or a `[before, after]` pair per axis. @defaultValue 0 */
  readonly padding?: PerAxis | readonly PadPair[]
  /** Output elements added behind: below stride or dilation. They hold what reaches them, or the bias. @defaultValue 0 */
  readonly outputPadding?: PerAxis
  /** Distance between the elements of the kernel. @defaultValue 1 */
  readonly dilation?: PerAxis
  /** Input and output channels are divided into this many groups that do not see each other. @defaultValue 1 */
  readonly groups?: number
}

/** Keys of {@link ConvTransposeOptions}. */
export const convTransposeKeys = ['stride', 'padding', 'outputPadding', 'dilation', 'groups'] as const

/** A transposed convolution's geometry apart from its input, resolved. */
export interface ConvTransposeParams {
  readonly axes: SpatialAxes
  /** `[inChannels, outChannels / groups, kernel…]` */
  readonly weightShape: Shape
  readonly inChannels: number
  readonly outChannels: number
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly PadPair[]
  readonly outputPadding: readonly number[]
  readonly groups: number
}

/** Reads a transposed convolution's options against its weight. */
export function readConvTranspose(
  op: string,
  weightShape: Shape,
  axes: SpatialAxes,
  options: ConvTransposeOptions,
): ConvTransposeParams {
  const [inChannels = 0, outPerGroup = 0, ...kernel] = weightShape
  if (weightShape.length !== axes + 2 || kernel.includes(0))
    throw new ShapeError({
      op,
      argument: 'weight',
      expected: `of rank ${String(axes + 2)}, [inChannels, outChannels / groups, kernel…], and a kernel of at least 1`,
      received: shapeText(weightShape),
    })
  const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options
  checkWhole(op, 'options.groups', groups, 1)
  if (inChannels % groups !== 0)
    throw new ShapeError({
      op,
      argument: 'options.groups',
      expected: `a divisor of the ${String(inChannels)} input channels of weight ${shapeText(weightShape)}`,
      received: String(groups),
    })
  if (typeof padding === 'string')
    throw new ShapeError({ op, argument: 'options.padding', expected: 'numbers', received: padding })
  const strides = readPerAxis(op, 'options.stride', stride, axes, 1)
  const dilations = readPerAxis(op, 'options.dilation', dilation, axes, 1)
  const added = readPerAxis(op, 'options.outputPadding', outputPadding, axes, 0)
  for (const [axis, more] of added.entries())
    if (more >= Math.max(strides[axis] ?? 1, dilations[axis] ?? 1))
      throw new ShapeError({
        op,
        argument: 'options.outputPadding',
        expected: `below stride or dilation along spatial axis ${String(axis)}`,
        received: String(more),
      })
  return {
    axes,
    weightShape,
    inChannels,
    outChannels: outPerGroup * groups,
    kernel,
    stride: strides,
    dilation: dilations,
    padding: readPadding(op, 'options.padding', padding, axes, null),
    outputPadding: added,
    groups,
  }
}

/** Plans of the shapes that a layer has seen lately. */
const plans = new WeakMap<ConvTransposeParams, { readonly input: Shape; readonly plan: ConvPlan }[]>()
const keptPlans = 4

/** The geometry over an input of this shape, which may lack its batch axis where `unbatched` says so. */
export function convTransposeGeometry(
  op: string,
  shape: Shape,
  params: ConvTransposeParams,
  unbatched = false,
): ConvPlan {
  const known = plans.get(params) ?? []
  for (const { input, plan } of known) if (sameShape(input, shape)) return plan
  const plan = planConvTranspose(op, shape, params, unbatched)
  plans.set(params, [{ input: shape, plan }, ...known.slice(0, keptPlans - 1)])
  return plan
}

function planConvTranspose(op: string, shape: Shape, params: ConvTransposeParams, unbatched: boolean): ConvPlan {
  const { kernel, stride, dilation, padding, outputPadding, groups, inChannels, outChannels } = params
  const image = readImage(op, shape, params.axes, unbatched)
  if (image.channels !== inChannels)
    throw new ShapeError({
      op,
      argument: 'x',
      message: `x has ${String(image.channels)} channels, but weight ${shapeText(params.weightShape)} expects ${String(inChannels)}`,
      hint: `Pass x with ${String(inChannels)} channels: axis 0 of a transposed convolution's weight is the input's.`,
    })
  const output = image.spatial.map((size, axis) => {
    const [before, after] = padding[axis] ?? [0, 0]
    const reach = (size - 1) * (stride[axis] ?? 1) + (dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1
    const left = reach + (outputPadding[axis] ?? 0) - before - after
    if (left < 1 || reach > 2147483647)
      throw new ShapeError({
        op,
        argument: left < 1 ? 'options.padding' : 'x',
        expected: `such that along spatial axis ${String(axis)} an output of 1 to 2147483647 remains`,
        received: `${String(left)}: ${String(reach)} less the padding of ${String(before)} + ${String(after)}`,
      })
    return left
  })
  const geometry: ConvGeometry = {
    batch: image.batch,
    groups,
    inChannels: inChannels === 0 ? groups : inChannels,
    outChannels,
    input: dims3(image.spatial, 1),
    output: dims3(output, 1),
    kernel: dims3(kernel, 1),
    stride: dims3(stride, 1),
    dilation: dims3(dilation, 1),
    padding: dims3(
      padding.map(([before]) => before),
      0,
    ),
  }
  return { geometry, shape: Object.freeze([...imageShape(op, image, outChannels, output)]), batched: image.batched }
}
