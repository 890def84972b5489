/** Shape arithmetic of convolutions: options against the weight once, then against each input. */
import type { ConvGeometry } from '../../backend/contract'
import { ShapeError } from '../../errors'
import { checkShape, sameShape, shapeText, sizeOf, type Shape } from '../../tensor/shape'
import { checkOptions, checkWhole, readPerAxis, type PerAxis } from '../options'
import {
  dims3,
  imageShape,
  readImage,
  readPadding,
  windowCount,
  type Padding,
  type PadPair,
  type SpatialAxes,
} from './axes'

/** Options of every convolution. */
export interface ConvOptions {
  /** Step of the window. @defaultValue 1 */
  readonly stride?: PerAxis
  /** @defaultValue 0 */
  readonly padding?: Padding
  /** Distance between the elements of the kernel. @defaultValue 1 */
  readonly dilation?: PerAxis
  /** Input and output channels are divided into this many groups that do not see each other. @defaultValue 1 */
  readonly groups?: number
}

/** Keys of {@link ConvOptions}. */
export const convOptionKeys = ['stride', 'padding', 'dilation', 'groups'] as const

/** A convolution's geometry apart from its input, resolved. */
export interface ConvParams {
  readonly axes: SpatialAxes
  /** `[outChannels, inPerGroup, kernel…]` */
  readonly weightShape: Shape
  readonly outChannels: number
  readonly inPerGroup: number
  readonly kernel: readonly number[]
  readonly stride: readonly number[]
  readonly dilation: readonly number[]
  readonly padding: readonly PadPair[]
  readonly groups: number
}

/** Reads a convolution's options against its weight. */
export function readConv(op: string, weightShape: Shape, axes: SpatialAxes, options: ConvOptions): ConvParams {
  if (weightShape.length !== axes + 2)
    throw new ShapeError({
      op,
      argument: 'weight',
      expected: `of rank ${String(axes + 2)}: [outChannels, inChannels / groups, kernel…]`,
      received: shapeText(weightShape),
    })
  const [outChannels = 0, inPerGroup = 0, ...kernel] = weightShape
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options
  if (kernel.includes(0))
    throw new ShapeError({
      op,
      argument: 'weight',
      expected: 'of a kernel of at least 1',
      received: shapeText(weightShape),
    })
  checkWhole(op, 'options.groups', groups, 1)
  if (outChannels % groups !== 0)
    throw new ShapeError({
      op,
      argument: 'options.groups',
      expected: `a divisor of the ${String(outChannels)} output channels of weight ${shapeText(weightShape)}`,
      received: String(groups),
    })
  const strides = readPerAxis(op, 'options.stride', stride, axes, 1)
  const dilations = readPerAxis(op, 'options.dilation', dilation, axes, 1)
  const reach = kernel.map((size, axis) => (dilations[axis] ?? 1) * (size - 1))
  const same = strides.every((step) => step === 1) ? reach : null
  return {
    axes,
    weightShape,
    outChannels,
    inPerGroup,
    kernel,
    stride: strides,
    dilation: dilations,
    padding: readPadding(op, 'options.padding', padding, axes, same),
    groups,
  }
}

/** A convolution against its input. */
export interface ConvPlan {
  /** What the kernel computes; one input channel per group, of zeros, where the input has none. */
  readonly geometry: ConvGeometry
  /** Shape of the result, with a batch axis only where the input has one. */
  readonly shape: Shape
  readonly batched: boolean
}

/** Plans of the shapes that a convolution has seen lately: a server's inputs have few. */
const plans = new WeakMap<ConvParams, { readonly input: Shape; readonly plan: ConvPlan }[]>()
const keptPlans = 4

/** The geometry of a convolution over an input of this shape, which may lack its batch axis where `unbatched` says so. */
export function convGeometry(op: string, shape: Shape, params: ConvParams, unbatched = false): ConvPlan {
  const known = plans.get(params) ?? []
  for (const { input, plan } of known) if (sameShape(input, shape)) return plan
  const plan = planConv(op, shape, params, unbatched)
  plans.set(params, [{ input: shape, plan }, ...known.slice(0, keptPlans - 1)])
  return plan
}

function planConv(op: string, shape: Shape, params: ConvParams, unbatched: boolean): ConvPlan {
  const { kernel, stride, dilation, padding, groups, outChannels, inPerGroup } = params
  const image = readImage(op, shape, params.axes, unbatched)
  if (image.channels !== inPerGroup * groups) throw wrongChannels(op, image.channels, params)
  const output = image.spatial.map((size, axis) =>
    windowCount(
      op,
      axis,
      {
        size,
        kernel: kernel[axis] ?? 1,
        stride: stride[axis] ?? 1,
        dilation: dilation[axis] ?? 1,
        pad: padding[axis] ?? [0, 0],
      },
      false,
    ),
  )
  const result = imageShape(op, image, outChannels, output)
  const geometry: ConvGeometry = {
    batch: image.batch,
    groups,
    inChannels: image.channels,
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
  checkBorder(op, geometry)
  return {
    geometry: inPerGroup === 0 ? { ...geometry, inChannels: groups } : geometry,
    shape: Object.freeze(result),
    batched: image.batched,
  }
}

/** Elements of one image with its border that any convolution may have, whatever the size of its data. */
const maxPadded = 2 ** 26

/**
 * Refuses a border that dwarfs the data on both sides: kernels copy parts of the input with its border, and nothing but a
 * mistake asks for one 64 times as large as input and output together.
 */
function checkBorder(op: string, geometry: ConvGeometry): void {
  const { input, output, kernel, stride, dilation, padding, inChannels, outChannels } = geometry
  const reach = (axis: 0 | 1 | 2): number =>
    Math.max(input[axis], (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1) + padding[axis]
  const padded = inChannels * reach(0) * reach(1) * reach(2)
  const data = inChannels * sizeOf(input) + outChannels * sizeOf(output)
  if (padded > maxPadded && padded >= 64 * (data + 1))
    throw new ShapeError({
      op,
      argument: 'options.padding',
      expected: 'in proportion to the data',
      received: `a border that makes ${String(padded)} elements of an image whose input and output have ${String(data)}`,
      hint: 'Padding, stride or dilation is far larger than input and output.',
    })
}

function wrongChannels(op: string, channels: number, params: ConvParams): ShapeError {
  const { inPerGroup, groups, weightShape } = params
  const wanted = inPerGroup * groups
  const [outChannels, , ...kernel] = weightShape
  const fitting = channels % groups === 0 ? shapeText([outChannels ?? 0, channels / groups, ...kernel]) : null
  return new ShapeError({
    op,
    argument: 'x',
    message:
      `x has ${String(channels)} channels, but weight expects ${String(wanted)}` +
      (groups === 1 ? '' : ` (${String(inPerGroup)} per group × ${String(groups)} groups)`),
    hint: `Pass x with ${String(wanted)} channels${fitting === null ? '' : `, or a weight of shape ${fitting}`}.`,
  })
}

/**
 * The shape that a convolution returns: along each axis `floor((size + pads - dilation * (kernel - 1) - 1) / stride) + 1`.
 *
 * @param inputShape - `[N, C, space…]` or `[C, space…]`, one to three spatial axes.
 * @param weightShape - `[outChannels, C / groups, kernel…]`.
 * @throws ShapeError where they do not fit each other, or nothing is left of the input.
 * @example
 * convOutputShape([1, 3, 32, 32], [16, 3, 3, 3], { stride: 2, padding: 1 }) // [1, 16, 16, 16]
 */
export function convOutputShape(inputShape: Shape, weightShape: Shape, options: ConvOptions = {}): Shape {
  const op = 'functional.convOutputShape'
  checkOptions(op, options, convOptionKeys)
  checkShape(op, inputShape, 'inputShape')
  checkShape(op, weightShape, 'weightShape')
  const axes = weightShape.length - 2
  if (axes !== 1 && axes !== 2 && axes !== 3)
    throw new ShapeError({ op, argument: 'weightShape', expected: 'of rank 3 to 5', received: shapeText(weightShape) })
  return convGeometry(op, inputShape, readConv(op, weightShape, axes, options), true).shape
}
