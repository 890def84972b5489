/** Quantized ops: PyTorch's `torch.ops.quantized`, on 8-bit codes, to the byte (numerics.md 4 to 6). */
export {
  conv1dPrepack,
  conv2dPrepack,
  conv3dPrepack,
  isPackedConv,
  isPackedLinear,
  linearPrepack,
  PackedConv,
  PackedLinear,
  type ConvPrepackOptions,
  type PrepackOptions,
  type Unpacked,
} from './prepack'
export type { Bias } from './weights'
export type { ClipOptions, OutputOptions } from './run'
export * from './conv1d'
export * from './conv2d'
export * from './conv3d'
export {
  convTranspose1dPrepack,
  convTranspose2dPrepack,
  convTranspose3dPrepack,
  PackedConvTranspose,
  type ConvTransposePrepackOptions,
} from './convTransposePrepack'
export {
  convTranspose1d,
  convTranspose1dAsync,
  convTranspose1dRelu,
  convTranspose1dReluAsync,
  convTranspose1dInt32,
  convTranspose1dInt32Async,
  convTranspose2d,
  convTranspose2dAsync,
  convTranspose2dRelu,
  convTranspose2dReluAsync,
  convTranspose2dInt32,
  convTranspose2dInt32Async,
  convTranspose3d,
  convTranspose3dAsync,
  convTranspose3dRelu,
  convTranspose3dReluAsync,
  convTranspose3dInt32,
  convTranspose3dInt32Async,
} from './convTranspose'
export * from './linear'
export * from './dynamic'
export {
  add,
  addAsync,
  addClip,
  addClipAsync,
  addRelu,
  addReluAsync,
  mul,
  mulAsync,
  mulRelu,
  mulReluAsync,
  type FusedClipOptions,
} from './arithmetic'
export * from './scalar'
export { mean, meanAsync } from './average'
export * from './batchnorm'
export * from './clamp'
export * from './pool'
export {
  cat,
  catAsync,
  catRelu,
  catReluAsync,
  flatten,
  flattenAsync,
  pad,
  padAsync,
  requantize,
  requantizeAsync,
  type CatOptions,
  type RequantizeOptions,
} from './shaping'
export { softmax, softmaxAsync, type SoftmaxOptions } from './softmax'
export {
  hardswish,
  hardswishAsync,
  leakyRelu,
  leakyReluAsync,
  sigmoid,
  sigmoidAsync,
  tanh,
  tanhAsync,
  type FixedQParamsOptions,
} from './unary'
