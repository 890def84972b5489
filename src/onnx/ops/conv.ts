/** Float convolutions. */
import { step } from '../../backend/steps'
import { currentBackend } from '../../backend/current'
import type { GraphNode } from '../../graph/graph'
import { toKernelOrder } from '../../ops/convTransposeWeights'
import { packConv, PackedFloatWeights, type FloatPackedConv } from '../../ops/float/packed'
import { dims3 } from '../../ops/shapes/axes'
import { convGeometry } from '../../ops/shapes/conv'
import { channelsLast } from '../../runtime/format'
import type { Lowering } from '../../runtime/steps'
import { allocateFor, computed, ofType, type TypedValue, type Value } from '../../runtime/value'
import { checkShape, sameShape, shapeText, sizeOf } from '../../tensor/shape'
import { Tensor } from '../../tensor/tensor'
import { floatPair } from './elementwise'
import { need, needKnown, optionalKnown, unsupported, wrong, type Inputs, type Operators } from './operator'
import { perAxis, readWindow, spatialAxes } from './windows'

/** `Conv`; own domain: a fourth input is added to the result, which is clipped to `lo` and `hi`. */
function* conv(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'X', 'float32')
  const weight = ofType(node, needKnown(node, inputs, 1), 'W', 'float32')
  const biasValue = optionalKnown(node, inputs, 2)
  const bias = biasValue === undefined ? null : ofType(node, biasValue, 'B', 'float32')
  const axes = spatialAxes(node, x.dims.length)
  const kernel = weight.dims.slice(2)
  const given = node.attributes.ints('kernel_shape')
  if (given !== undefined && given.join() !== kernel.join())
    throw wrong(node, `kernel_shape is ${given.join('x')}, and the weight's kernel is ${kernel.join('x')}`)
  const { strides, dilations, pads } = readWindow(node, kernel, x.dims.slice(2))
  const packed = node.memo('packed', [weight.data, bias?.data, pads.join()], (): FloatPackedConv =>
    packConv(node.op, tensorOf(weight), bias === null ? null : tensorOf(bias), axes, {
      stride: strides,
      dilation: dilations,
      padding: pads,
      groups: node.attributes.int('group', 1),
    }),
  )
  const { geometry, shape } = convGeometry(node.op, x.dims, packed.params)
  const added = inputs[3] === undefined ? undefined : ofType(node, inputs[3], 'residual', 'float32')
  // One that is broadcast has a step of its own, and so has the clip behind it.
  const fits = added !== undefined && sameShape(added.dims, shape)
  const alone = added !== undefined && !fits
  const [lo, hi] = [node.attributes.float('lo', -Infinity), node.attributes.float('hi', Infinity)]
  const y = allocateFor('float32', shape)
  if (y.length > 0)
    yield step('fconv', {
      op: packed.packed.handle(currentBackend()),
      x: (yield* channelsLast(x)).data,
      residual: fits ? (yield* channelsLast(added)).data : null,
      y,
      geometry,
      lo: alone ? -Infinity : lo,
      hi: alone ? Infinity : hi,
    })
  const result = computed('float32', shape, y, 'channelsLast')
  if (!alone) return [result]
  const sum = yield* floatPair(node, 'add', result, added)
  if (lo === -Infinity && hi === Infinity) return [sum]
  const clipped = allocateFor('float32', sum.dims)
  if (clipped.length > 0) yield step('fclamp', { x: sum.data, y: clipped, lo, hi })
  return [computed('float32', sum.dims, clipped, sum.format)]
}

/** `ConvTranspose`: each input pixel adds the kernel, scaled, to the output. */
function* convTranspose(node: GraphNode, inputs: Inputs): Lowering<readonly Value[]> {
  const x = ofType(node, need(node, inputs, 0), 'X', 'float32')
  const weight = ofType(node, needKnown(node, inputs, 1), 'W', 'float32')
  const biasValue = optionalKnown(node, inputs, 2)
  const bias = biasValue === undefined ? null : ofType(node, biasValue, 'B', 'float32')
  const axes = spatialAxes(node, x.dims.length)
  const groups = node.attributes.int('group', 1)
  const [batch = 1, channels = 1, ...spatial] = x.dims
  const [inChannels = 1, outPerGroup = 1, ...kernel] = weight.dims
  if (weight.dims.length !== x.dims.length || channels !== inChannels || groups < 1 || inChannels % groups !== 0)
    throw wrong(node, `W ${shapeText(weight.dims)} in ${String(groups)} groups does not fit X ${shapeText(x.dims)}`)
  const strides = perAxis(node, 'strides', axes, 1)
  const dilations = perAxis(node, 'dilations', axes, 1)
  const { output, padding } = transposedSizes(node, spatial, kernel, strides, dilations)
  const outChannels = outPerGroup * groups
  const shape = [batch, outChannels, ...output]
  checkShape(node.op, shape, 'the output shape')
  const y = allocateFor('float32', shape)
  if (y.length === 0) return [computed('float32', shape, y)]
  const steps = { stride: dims3(strides, 1), dilation: dims3(dilations, 1) }
  const inPerGroup = inChannels / groups
  const packed = node.memo('packed', [weight.data, bias?.data], () => {
    const sizes = { groups, inPerGroup, outPerGroup, taps: sizeOf(kernel) }
    return new PackedFloatWeights({
      values: toKernelOrder(weight.data, new Float32Array(weight.data.length), sizes),
      bias: bias === null ? null : bias.data,
      groups,
      outChannels,
      kernel: dims3(kernel, 1),
      inPerGroup,
      transposed: steps,
    })
  })
  yield step('fconvTransposed', {
    op: packed.handle(currentBackend()),
    x: (yield* channelsLast(x)).data,
    y,
    geometry: {
      batch,
      groups,
      inChannels,
      outChannels,
      input: dims3(spatial, 1),
      output: dims3(output, 1),
      kernel: dims3(kernel, 1),
      ...steps,
      padding: dims3(padding, 0),
    },
    lo: -Infinity,
    hi: Infinity,
  })
  return [computed('float32', shape, y, 'channelsLast')]
}

/** Sizes of a transposed convolution's result, and what is cut off before its first pixel. */
function transposedSizes(
  node: GraphNode,
  spatial: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
): { readonly output: readonly number[]; readonly padding: readonly number[] } {
  const axes = spatial.length
  const added = perAxis(node, 'output_padding', axes, 0)
  const pads = node.attributes.ints('pads') ?? new Array<number>(2 * axes).fill(0)
  const wanted = node.attributes.ints('output_shape')?.slice(-axes)
  const autoPad = node.attributes.string('auto_pad', 'NOTSET')
  const along = spatial.map((size, axis) => {
    const stride = strides[axis] ?? 1
    const reach = (size - 1) * stride + (dilations[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) + 1 + (added[axis] ?? 0)
    const same = autoPad === 'SAME_UPPER' || autoPad === 'SAME_LOWER'
    const target = wanted?.[axis] ?? (same ? size * stride : undefined)
    const [before, after] =
      target === undefined
        ? [pads[axis] ?? 0, pads[axes + axis] ?? 0]
        : split(reach - target, autoPad === 'SAME_UPPER' || (wanted !== undefined && autoPad !== 'SAME_LOWER'))
    if (before < 0) throw unsupported(node, 'an output_shape that reaches beyond the first pixel')
    const left = target ?? reach - before - after
    if (left < 1) throw wrong(node, `nothing is left along spatial axis ${String(axis)}`)
    return { before, left }
  })
  return { output: along.map(({ left }) => left), padding: along.map(({ before }) => before) }
}

function split(total: number, lessFirst: boolean): readonly [number, number] {
  if (total < 0) return [0, total]
  const less = Math.floor(total / 2)
  return lessFirst ? [less, total - less] : [total - less, less]
}

function tensorOf(value: TypedValue<'float32'>): Tensor {
  return new Tensor('float32', value.dims, value.data, value.format)
}

export const convolutions: Operators = { Conv: conv, ConvTranspose: convTranspose }
/** Convolution with a fused activation. */
export const fusedConvolutions: Operators = { Conv: conv }
