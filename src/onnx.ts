/**
 * ONNX models: run them, quantize them. The names are onnxruntime's, so that most programs change nothing but the import.
 *
 * @packageDocumentation
 */
export { InferenceSession, type Results, type SessionOptions, type StepProfile } from './runtime/session'
export type { Feeds, ValueMetadata } from './runtime/feeds'
export { Tensor, type TensorLike } from './runtime/tensor'
export type { ElementArrays, ElementType } from './onnx/types'
export type { OptimizeOptions, PassName } from './graph/passes'
export type { Dim } from './graph/graph'
export {
  quantizeOnnx,
  quantizeOnnxDynamic,
  type CalibrationMethod,
  type CommonQuantizeOptions,
  type DynamicQuantizeOptions,
  type LayerReport,
  type OnProgress,
  type QuantizationReport,
  type QuantizeOptions,
  type QuantizeProgress,
  type QuantizeResult,
  type QuantizeStage,
  type Samples,
  type SearchPoint,
  type Target,
  type ValueReport,
} from './onnx/quantize'
