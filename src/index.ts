/**
 * int8: quantized neural-network inference for Node.
 *
 * Names and semantics are PyTorch's, in camelCase; keyword arguments become one options object.
 *
 * @packageDocumentation
 */
export {
  tensor,
  zeros,
  fromStorage,
  equal,
  isTensor,
  Tensor,
  type Element,
  type Nested,
  type TensorData,
} from './tensor/tensor'
export { fromIntRepr, isQTensor, QTensor, type ChannelParams, type CodeDTypes, type QScheme } from './tensor/qtensor'
export {
  quantizePerChannel,
  quantizePerChannelAsync,
  quantizePerTensor,
  quantizePerTensorAsync,
  quantizePerTensorDynamic,
  quantizePerTensorDynamicAsync,
  type DynamicOptions,
} from './tensor/quantize'
export type { DType, PlainArrays, QDType, QDType8, QuantizedArrays } from './tensor/dtype'
export type { PerChannelQParams, PerTensorQParams, QParams } from './tensor/qparams'
export type { MemoryFormat, Shape } from './tensor/shape'
export * as onnx from './onnx'
export { InferenceSession } from './runtime/session'
export { quantizeOnnx } from './onnx/quantize'
export * as ops from './ops'
export * as functional from './ops/float'
export type { Padding, PadPair, SpatialAxes } from './ops/shapes/axes'
export * as nn from './nn'
export * as quantization from './quantization'
export {
  fromTensors,
  loadSafetensors,
  loadSafetensorsSync,
  parseSafetensors,
  saveSafetensors,
  saveSafetensorsSync,
  serializeSafetensors,
  toTensors,
  type SafetensorsFile,
} from './io/safetensors'
export { backend, type BackendInfo, type BackendStatus, type LoadFailure } from './backend/public'
export {
  ArgumentError,
  BackendError,
  DTypeError,
  FormatError,
  Int8Error,
  ModelError,
  NotCalibratedError,
  OverflowError,
  QParamsError,
  ShapeError,
  UnsupportedOperatorError,
  type Issue,
} from './errors'
