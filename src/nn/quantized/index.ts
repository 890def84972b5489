/** Layers on codes; PyTorch: `torch.nn.quantized` and `torch.nn.intrinsic.quantized`. */
export { Conv1d, Conv2d, Conv3d, type QuantizedConvNd, type QuantizedConvOptions } from './conv'
export {
  ConvClip1d,
  ConvClip2d,
  ConvClip3d,
  ConvReLU1d,
  ConvReLU2d,
  ConvReLU3d,
  type QuantizedClipOptions,
  type QuantizedConvClipNd,
  type QuantizedConvReLUNd,
} from './conv-fused'
export {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type QuantizedConvTransposeNd,
  type QuantizedConvTransposeOptions,
} from './convTranspose'
export { Linear, LinearReLU, type QuantizedLinearModule } from './linear'
export {
  BatchNorm2d,
  BatchNorm3d,
  BNReLU2d,
  BNReLU3d,
  type QuantizedBatchNormNd,
  type QuantizedBatchNormOptions,
} from './batchnorm'
export { Hardswish, LeakyReLU, ReLU6, Sigmoid, Softmax, Tanh } from './activation'
export { DeQuantize, Quantize } from './stubs'
export { QFunctional } from './functional'
export { type OutputQParams, type QuantizedModule, type QuantizedOptions } from './output'
export { type PackedModule } from './packed'
export { type Packed } from './packed-state'
export * as dynamic from './dynamic'
