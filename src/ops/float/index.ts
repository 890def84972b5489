/** Functional float ops: PyTorch's `torch.nn.functional`, in float32, to the byte (numerics.md 7). */
export { conv1d, conv1dAsync, conv2d, conv2dAsync, conv3d, conv3dAsync, linear, linearAsync } from './conv'
export {
  convTranspose1d,
  convTranspose1dAsync,
  convTranspose2d,
  convTranspose2dAsync,
  convTranspose3d,
  convTranspose3dAsync,
} from './convTranspose'
export { add, addAsync, batchNorm, batchNormAsync, mul, mulAsync, type BatchNormOptions } from './arithmetic'
export * from './activations'
export { cat, catAsync, flatten, flattenAsync, pad, padAsync, type PadOptions } from './shaping'
export * from './pool'
export { mean, meanAsync, softmax, softmaxAsync } from './reduce'
export { fold, foldAsync, unfold, unfoldAsync, type UnfoldOptions } from './unfold'
export { convOutputShape, type ConvOptions } from '../shapes/conv'
export type { ConvTransposeOptions } from '../shapes/convTranspose'
export type { AvgPoolOptions, MaxPoolOptions, OutputSize } from '../shapes/pool'
export type { Dims, ReduceOptions } from '../shapes/reduce'
export type { FlattenOptions } from '../movement'
export type { Padding } from '../shapes/axes'
export type { PerAxis } from '../options'
