/** Modules: the base class, float layers, and the fused and quantized ones that conversion makes. */
export {
  isModule,
  isObservable,
  Module,
  ObservableModule,
  type Activation,
  type Layer,
  type LoadResult,
  type StateDict,
  type StateSlot,
  type StateValue,
} from './module'
export { ModuleList, Sequential } from './container'
export { Conv1d, Conv2d, Conv3d, type ConvConfig, type ConvNd, type ConvOptions } from './conv'
export {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeConfig,
  type ConvTransposeNd,
  type ConvTransposeOptions,
} from './convTranspose'
export { Linear, type LinearConfig, type LinearModule, type LinearOptions } from './linear'
export { type WeightedModule } from './weighted'
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormNd, type BatchNormOptions } from './batchnorm'
export {
  Hardswish,
  Hardtanh,
  LeakyReLU,
  ReLU,
  ReLU6,
  Sigmoid,
  Softmax,
  Tanh,
  type HardtanhOptions,
  type LeakyReLUOptions,
} from './activation'
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
  type AdaptiveAvgPoolNd,
  type AdaptiveMaxPoolNd,
  type AvgPoolNd,
  type MaxPoolNd,
} from './pool'
export { Dropout, Flatten, Identity, type FlattenOptions } from './shaping'
export { type PolymorphicModule } from './polymorphic'
export { DeQuantStub, QuantStub } from './stubs'
export { FloatFunctional, type Functional } from './functional-modules'
export * as intrinsic from './intrinsic'
export * as quantized from './quantized'
