/** Fusing: a convolution or linear layer takes in the batch norm and the activation that follow it. */
import { ArgumentError, show } from '../errors'
import type { BatchNormNd } from '../nn/batchnorm'
import type { ConvNd, ConvOptions } from '../nn/conv'
import { Conv1d, Conv2d, Conv3d } from '../nn/conv'
import { ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, type ConvTransposeNd } from '../nn/convTranspose'
import * as intrinsic from '../nn/intrinsic'
import { Linear, type LinearModule } from '../nn/linear'
import { isModule, type Layer } from '../nn/module'
import { Identity } from '../nn/shaping'
import { fromKernelOrder, toKernelOrder } from '../ops/convTransposeWeights'
import { Tensor } from '../tensor/tensor'

const op = 'quantization.fuseModules'
const { fround, sqrt } = Math

/** What an activation clamps to; absent: nothing. */
interface Clamp {
  readonly kind: 'none' | 'relu' | 'clip'
  readonly min: number
  readonly max: number
}

const noClamp: Clamp = { kind: 'none', min: -Infinity, max: Infinity }
const convTypes = ['nn.Conv1d', 'nn.Conv2d', 'nn.Conv3d']
const transposedTypes = ['nn.ConvTranspose1d', 'nn.ConvTranspose2d', 'nn.ConvTranspose3d']
const normTypes = ['nn.BatchNorm1d', 'nn.BatchNorm2d', 'nn.BatchNorm3d']
const clampTypes = ['nn.ReLU', 'nn.ReLU6', 'nn.Hardtanh']
const supported =
  'conv or transposed conv + batch norm; conv [+ batch norm] + ReLU, ReLU6 or Hardtanh; linear + batch norm; linear [+ batch norm] + ReLU; batch norm + ReLU'

/**
 * A copy of the model in which each group of layers is one: the first has the fused layer, the others are identities.
 * PyTorch: `fuse_modules` of a model in `eval` mode, which cannot fuse ReLU6 and hardtanh.
 *
 * Fused: transposed conv + batch norm; conv + batch norm, either also with ReLU, ReLU6 or hardtanh; linear + batch norm, either also with ReLU; batch
 * norm + ReLU. A batch norm is folded into the weights as `w * (g / sqrt(var + eps))`, so the model must have its weights.
 *
 * @param model - A float model; it stays as it is.
 * @param groups - Paths of the layers of each group, in the order in which they run.
 * @throws ArgumentError where a path names no module, a group is none of these patterns, or a layer is in two groups
 * @example
 * fuseModules(model, [['conv1', 'bn1', 'relu1']])
 */
export function fuseModules<M extends Layer>(model: M, groups: readonly (readonly string[])[]): M {
  if (!isModule(model)) throw new ArgumentError({ op, argument: 'model', expected: 'a Module', received: show(model) })
  checkGroups(groups)
  const fused = model.clone()
  const used = new Set<string>()
  for (const [index, paths] of groups.entries()) {
    const argument = `groups[${String(index)}]`
    for (const path of paths) {
      if (used.has(path))
        throw new ArgumentError({ op, argument, message: `'${path}' is in two groups, or twice in one` })
      used.add(path)
    }
    const layers = paths.map((path) => fused.getSubmodule(path))
    const [first = '', ...rest] = paths
    fused.setSubmodule(first, fuseGroup(layers, paths, argument))
    for (const path of rest) fused.setSubmodule(path, new Identity())
  }
  return fused
}

function checkGroups(groups: unknown): void {
  if (!Array.isArray(groups) || groups.some((group: unknown) => !Array.isArray(group)))
    throw new ArgumentError({
      op,
      argument: 'groups',
      expected: "an array of groups, each an array of paths: [['conv1', 'bn1', 'relu1']]",
      received: show(groups),
    })
}

function isConv(layer: Layer): layer is Layer & ConvNd {
  return convTypes.includes(layer.typeName)
}

function isTransposed(layer: Layer): layer is Layer & ConvTransposeNd {
  return transposedTypes.includes(layer.typeName)
}

function isLinear(layer: Layer): layer is Layer & LinearModule {
  return layer.typeName === 'nn.Linear'
}

function isNorm(layer: Layer): layer is Layer & BatchNormNd {
  return normTypes.includes(layer.typeName)
}

function fuseGroup(layers: readonly Layer[], paths: readonly string[], argument: string): Layer {
  const [first, ...rest] = layers
  const norm = rest.find(isNorm)
  const clamps = rest.filter((layer) => clampTypes.includes(layer.typeName))
  const inOrder =
    rest.length === (norm === undefined ? 0 : 1) + clamps.length && (norm === undefined || rest[0] === norm)
  const clamp = clamps[0] === undefined ? noClamp : clampOf(clamps[0])
  const fused = rest.length > 0 && clamps.length <= 1 && inOrder ? fuse(first, norm, clamp) : undefined
  if (fused === undefined)
    throw new ArgumentError({
      op,
      argument,
      message: `${layers.map((layer, i) => `${layer.typeName} '${String(paths[i])}'`).join(' + ')} cannot be fused`,
      hint: `What can: ${supported}.`,
    })
  if (first?.qconfig !== undefined) fused.qconfig = first.qconfig
  return fused
}

function clampOf(layer: Layer): Clamp {
  if (layer.typeName === 'nn.ReLU') return { kind: 'relu', min: 0, max: Infinity }
  if (layer.typeName === 'nn.ReLU6') return { kind: 'clip', min: 0, max: 6 }
  const { min, max } = layer as Layer & { readonly min: number; readonly max: number }
  return { kind: 'clip', min, max }
}

function fuse(first: Layer | undefined, norm: BatchNormNd | undefined, clamp: Clamp): Layer | undefined {
  if (first === undefined) return undefined
  if (isConv(first)) {
    const fits = norm === undefined || convTypes.indexOf(first.typeName) === normTypes.indexOf(norm.typeName)
    return fits ? fuseConv(first, norm, clamp) : undefined
  }
  if (isTransposed(first)) {
    const fits = norm !== undefined && transposedTypes.indexOf(first.typeName) === normTypes.indexOf(norm.typeName)
    return fits && clamp.kind === 'none' ? fuseTransposed(first, norm) : undefined
  }
  if (isLinear(first)) {
    const fits = norm === undefined || norm.typeName === 'nn.BatchNorm1d'
    return fits && clamp.kind !== 'clip' ? fuseLinear(first, norm, clamp) : undefined
  }
  if (isNorm(first) && first.typeName !== 'nn.BatchNorm1d')
    return norm === undefined && clamp.kind === 'relu' ? fuseNorm(first) : undefined
  return undefined
}

function fuseConv(conv: ConvNd, norm: BatchNormNd | undefined, clamp: Clamp): Layer {
  const { inChannels, outChannels, kernelSize, spatialAxes } = conv
  const folded = norm === undefined ? conv.requireWeights() : fold(conv.requireWeights(), norm)
  const options: ConvOptions = { ...conv.options, bias: folded.bias !== null }
  const make = (): ConvNd => {
    if (clamp.kind === 'none') {
      const Plain = { 1: Conv1d, 2: Conv2d, 3: Conv3d }[spatialAxes]
      return new Plain(inChannels, outChannels, kernelSize, options)
    }
    if (clamp.kind === 'relu') {
      const WithReLU = { 1: intrinsic.ConvReLU1d, 2: intrinsic.ConvReLU2d, 3: intrinsic.ConvReLU3d }[spatialAxes]
      return new WithReLU(inChannels, outChannels, kernelSize, options)
    }
    const WithClip = { 1: intrinsic.ConvClip1d, 2: intrinsic.ConvClip2d, 3: intrinsic.ConvClip3d }[spatialAxes]
    return new WithClip(inChannels, outChannels, kernelSize, { ...options, min: clamp.min, max: clamp.max })
  }
  return withWeights(make(), folded)
}

function fuseTransposed(conv: ConvTransposeNd, norm: BatchNormNd): Layer {
  const { inChannels, outChannels, kernelSize, spatialAxes } = conv
  const { weight, bias } = conv.requireWeights()
  // [in, out / groups, …] with its output channels in front, folded as a convolution's weight is, and back.
  const groups = conv.options.groups ?? 1
  const taps = kernelSize.reduce((count, size) => count * size, 1)
  const sizes = { groups, inPerGroup: inChannels / groups, outPerGroup: outChannels / groups, taps }
  const ordered = toKernelOrder(weight.data, new Float32Array(weight.size), sizes)
  const folded = fold({ weight: new Tensor('float32', [outChannels, weight.size / outChannels], ordered), bias }, norm)
  const values = fromKernelOrder(folded.weight.data, new Float32Array(weight.size), sizes)
  const Plain = { 1: ConvTranspose1d, 2: ConvTranspose2d, 3: ConvTranspose3d }[spatialAxes]
  const fused = new Plain(inChannels, outChannels, kernelSize, { ...conv.options, bias: true })
  return withWeights(fused, { weight: new Tensor('float32', weight.shape, values), bias: folded.bias })
}

function fuseLinear(linear: LinearModule, norm: BatchNormNd | undefined, clamp: Clamp): Layer {
  const { inFeatures, outFeatures } = linear
  const folded = norm === undefined ? linear.requireWeights() : fold(linear.requireWeights(), norm)
  const Class = clamp.kind === 'relu' ? intrinsic.LinearReLU : Linear
  return withWeights(new Class(inFeatures, outFeatures, { bias: folded.bias !== null }), folded)
}

function fuseNorm(norm: BatchNormNd): Layer {
  const { features, eps, affine } = norm
  const Class = norm.typeName === 'nn.BatchNorm2d' ? intrinsic.BNReLU2d : intrinsic.BNReLU3d
  const fused = new Class(features, { eps, affine })
  const { mean, variance, weight, bias } = norm.requireStatistics()
  fused.runningMean = mean
  fused.runningVar = variance
  if (weight !== null) fused.weight = weight
  if (bias !== null) fused.bias = bias
  return fused
}

/** Weight and bias of a layer. */
interface Weights {
  readonly weight: Tensor
  readonly bias: Tensor | null
}

function withWeights(layer: ConvNd | ConvTransposeNd | LinearModule, { weight, bias }: Weights): Layer {
  layer.weight = weight
  if (bias !== null) layer.bias = bias
  return layer
}

/**
 * The layer followed by a batch norm, as one layer: `r = 1 / sqrt(var + eps)`, `w' = w * (g * r)`,
 * `b' = (b - mean) * r * g + beta`, every step rounded to float32 as PyTorch rounds it.
 */
function fold({ weight, bias }: Weights, norm: BatchNormNd): Weights {
  const { mean, variance, weight: gamma, bias: beta } = norm.requireStatistics()
  const [channels = 0] = weight.shape
  if (channels !== norm.features)
    throw new ArgumentError({
      op,
      message: `${norm.label()} has ${String(norm.features)} features, but the layer before it has ${String(channels)} outputs`,
    })
  const w = weight.data.slice()
  const b = new Float32Array(channels)
  const inner = w.length / channels
  for (let c = 0; c < channels; c++) {
    const r = fround(1 / fround(sqrt(fround((variance.data[c] ?? 0) + fround(norm.eps)))))
    const g = gamma === null ? 1 : (gamma.data[c] ?? 0)
    const factor = fround(g * r)
    for (let i = c * inner; i < (c + 1) * inner; i++) w[i] = fround((w[i] ?? 0) * factor)
    const centred = fround((bias?.data[c] ?? 0) - (mean.data[c] ?? 0))
    b[c] = fround(fround(fround(centred * r) * g) + (beta?.data[c] ?? 0))
  }
  return { weight: new Tensor('float32', weight.shape, w), bias: new Tensor('float32', [channels], b) }
}
