/** Float weights made ready for kernels: checked, laid out, and packed once per backend. */
import type { Backend, FloatWeights, PackedFloat } from '../../backend/contract'
import { runSync } from '../../backend/steps'
import { ShapeError } from '../../errors'
import { reformatSteps } from '../../tensor/movement'
import { shapeText } from '../../tensor/shape'
import { checkTensor, type Tensor } from '../../tensor/tensor'
import { PerBackend } from '../perBackend'
import { readConv, type ConvOptions, type ConvParams } from '../shapes/conv'
import { dims3, type SpatialAxes } from '../shapes/axes'
import { allocate } from '../../tensor/dtype'

/** Weights in the kernels' layout, with the handle of each backend that has run them. */
export class PackedFloatWeights {
  readonly weights: FloatWeights
  /** Whether each output sums over nothing: the weights then hold one zero per output, for an input of zeros. */
  readonly empty: boolean
  private readonly handles = new PerBackend<PackedFloat>()

  constructor(weights: FloatWeights) {
    this.empty = weights.inPerGroup === 0
    this.weights = this.empty
      ? { ...weights, inPerGroup: 1, values: new Float32Array(weights.outChannels * taps(weights)) }
      : weights
  }

  /** The weights as this backend runs them. */
  handle(backend: Backend): PackedFloat {
    return this.handles.get(backend, (owner) => owner.packFloat(this.weights))
  }
}

function taps({ kernel }: FloatWeights): number {
  return kernel[0] * kernel[1] * kernel[2]
}

/** What float convolutions run with: made once per weight, kept by the layer. */
export interface FloatPackedConv {
  readonly params: ConvParams
  readonly packed: PackedFloatWeights
}

/** What float linear layers run with. */
export interface FloatPackedLinear {
  readonly inFeatures: number
  readonly outFeatures: number
  readonly packed: PackedFloatWeights
}

/**
 * Checks and packs a float convolution's weight `[outChannels, inChannels / groups, kernel…]` and bias. The tensors must
 * not be written to afterwards.
 */
export function packConv(
  op: string,
  weight: Tensor,
  bias: Tensor | null,
  axes: SpatialAxes,
  options: ConvOptions,
): FloatPackedConv {
  checkTensor(op, weight, 'weight')
  const params = readConv(op, weight.shape, axes, options)
  const values = runSync(reformatSteps(weight, 'channelsLast', (length) => allocate('float32', length)))
  const { groups, outChannels, inPerGroup, kernel } = params
  return {
    params,
    packed: new PackedFloatWeights({
      values,
      bias: readBias(op, bias, outChannels),
      groups,
      outChannels,
      kernel: dims3(kernel, 1),
      inPerGroup,
    }),
  }
}

/** Checks and packs a float linear layer's weight `[outFeatures, inFeatures]` and bias. */
export function packLinear(op: string, weight: Tensor, bias: Tensor | null): FloatPackedLinear {
  checkTensor(op, weight, 'weight')
  const [outFeatures, inFeatures] = weight.shape
  if (weight.rank !== 2 || outFeatures === undefined || inFeatures === undefined)
    throw new ShapeError({
      op,
      argument: 'weight',
      expected: 'of shape [outFeatures, inFeatures]',
      received: shapeText(weight.shape),
    })
  return {
    inFeatures,
    outFeatures,
    packed: new PackedFloatWeights({
      values: weight.storage,
      bias: readBias(op, bias, outFeatures),
      groups: 1,
      outChannels: outFeatures,
      kernel: [1, 1, 1],
      inPerGroup: inFeatures,
    }),
  }
}

/** The values of a bias, one per output channel. */
export function readBias(op: string, bias: Tensor | null, channels: number): Float32Array | null {
  if (bias === null) return null
  checkTensor(op, bias, 'bias')
  if (bias.rank !== 1 || bias.size !== channels)
    throw new ShapeError({
      op,
      argument: 'bias',
      expected: `of shape [${String(channels)}], one value per output channel`,
      received: shapeText(bias.shape),
    })
  return bias.storage
}
