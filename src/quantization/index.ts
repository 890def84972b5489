/** From float models to quantized ones. PyTorch: `torch.ao.quantization`. */
export {
  FixedQParamsObserver,
  HistogramObserver,
  isObserver,
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  MovingAveragePerChannelMinMaxObserver,
  Observer,
  PerChannelMinMaxObserver,
  PlaceholderObserver,
  PowerOfTwoHistogramObserver,
  type FixedQParamsOptions,
  type FloatChannelQParams,
  type HistogramOptions,
  type MovingAverageOptions,
  type ObserverOptions,
  type ObserverScheme,
  type ObserverState,
  type PerChannelOptions,
  type PowerOfTwoHistogramOptions,
  type Skipped,
} from './observers'
export { getDefaultQConfig, getMinMaxQConfig, getPerTensorQConfig, type QConfig, type QConfigMapping } from './qconfig'
export { fuseModules } from './fuse'
export { prepare, type PrepareOptions } from './prepare'
export { calibrationState, loadCalibration, mergeCalibration } from './calibration'
export { convert, type ConvertOptions } from './convert'
export { getDefaultDynamicQConfig, quantizeDynamic, type QuantizeDynamicOptions } from './dynamic'
export { QuantWrapper } from './wrapper'
export { diagnose } from './diagnose/diagnose'
export { DiagnoseReport, type LayerReport } from './diagnose/report'
export type { LayerFigures } from './diagnose/measure'
export {
  explain,
  Explanation,
  type BiasStep,
  type ExplainOptions,
  type ExplanationData,
  type Fault,
  type FaultCode,
  type Operand,
  type Originals,
  type OutputStep,
  type Tap,
  type Terms,
} from './explain'
