/** All observers. */
export { FixedQParamsObserver, PlaceholderObserver, type FixedQParamsOptions } from './fixed'
export { HistogramObserver, type HistogramOptions } from './histogram'
export { MinMaxObserver, MovingAverageMinMaxObserver, type MovingAverageOptions } from './min-max'
export { isObserver, Observer, type ObserverState, type Skipped } from './observer'
export {
  MovingAveragePerChannelMinMaxObserver,
  PerChannelMinMaxObserver,
  type FloatChannelQParams,
  type PerChannelOptions,
} from './per-channel'
export { PowerOfTwoHistogramObserver, type PowerOfTwoHistogramOptions } from './power-of-two-histogram'
export type { ObserverOptions, ObserverScheme } from './settings'
