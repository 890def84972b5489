/** What `explain` is called with, checked: the layer, the window of the element, and what was asked for. */
import { readClip, none, relu, type Activation, type Target } from '../../ops/quantized/params'
import type { Input } from '../../ops/quantized/epilogue'
import { isPackedConv, isPackedLinear } from '../../ops/quantized/prepack'
import type { PackedWeights } from '../../ops/quantized/weights'
import { linearShape } from '../../ops/float/conv'
import { checkOptions } from '../../ops/options'
import { convGeometry } from '../../ops/shapes/conv'
import { ArgumentError, ShapeError, show } from '../../errors'
import type { QDType8 } from '../../tensor/dtype'
import type { QTensor } from '../../tensor/qtensor'
import { sameShape, shapeText, type Shape } from '../../tensor/shape'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { checkIndex, convWindow, linearWindow, type Position } from './window'

/** The float tensors that x and the weight were quantized from. */
export interface Originals {
  readonly x?: Tensor
  readonly weight?: Tensor
}

/** A checked call. */
export interface Call {
  readonly op: string
  readonly x: QTensor<QDType8>
  readonly weight: QTensor<QDType8>
  readonly input: Input
  readonly target: Target
  readonly activation: Activation
  readonly layer: Layer
  readonly original: Originals
}

/** The layer and the element's window. */
export interface Layer {
  readonly op: string
  readonly packed: PackedWeights
  readonly index: readonly number[]
  readonly channel: number
  readonly positions: readonly Position[]
}

/** The layer and the element of it that `index` names; a layer of another shape, or an index outside, is refused. */
export function readLayer(op: string, xShape: Shape, packed: unknown, index: unknown): Layer {
  if (isPackedConv(packed)) {
    checkIndex(op, index, convGeometry(op, xShape, packed.params).shape)
    const positions = convWindow(index, xShape, packed.params)
    return { op: `conv${String(packed.axes)}d`, packed: packed.packed, index, channel: index[1] ?? 0, positions }
  }
  if (isPackedLinear(packed)) {
    const { inFeatures, outFeatures } = packed
    checkIndex(op, index, linearShape(op, xShape, inFeatures, outFeatures).shape)
    const positions = linearWindow(index, inFeatures)
    return { op: 'linear', packed: packed.packed, index, channel: index.at(-1) ?? 0, positions }
  }
  throw new ArgumentError({
    op,
    argument: 'packed',
    expected: 'what conv2dPrepack, conv1dPrepack, conv3dPrepack or linearPrepack returns',
    received: show(packed),
  })
}

/** What is applied to the result. */
export function readActivation(op: string, activation: unknown): Activation {
  if (activation === undefined) return none
  if (activation === 'relu') return relu
  if (typeof activation === 'object' && activation !== null) {
    checkOptions(op, activation, ['min', 'max'])
    const { min, max } = activation as { readonly min?: unknown; readonly max?: unknown }
    return readClip(op, min, max)
  }
  throw new ArgumentError({
    op,
    argument: 'options.activation',
    expected: "'relu' or { min, max }",
    received: show(activation),
  })
}

/** The float tensors, of the shapes that were quantized. */
export function readOriginals(op: string, original: unknown, xShape: Shape, weightShape: Shape): Originals {
  if (original === undefined) return {}
  checkOptions(op, original, ['x', 'weight'])
  const { x, weight } = original as { readonly x?: unknown; readonly weight?: unknown }
  const read = (name: string, value: unknown, shape: Shape): Tensor => {
    checkTensor(op, value, `options.original.${name}`)
    if (!sameShape(value.shape, shape))
      throw new ShapeError({
        op,
        argument: `options.original.${name}`,
        expected: `of shape ${shapeText(shape)}, as what was quantized`,
        received: shapeText(value.shape),
      })
    return value
  }
  return {
    ...(x !== undefined && { x: read('x', x, xShape) }),
    ...(weight !== undefined && { weight: read('weight', weight, weightShape) }),
  }
}
