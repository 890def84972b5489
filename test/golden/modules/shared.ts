/** What the checks of the modules' goldens share: PyTorch's QConfigs and state dicts, and how close scales must be. */
import type { StateDict } from '../../../src/nn'
import { HistogramObserver, MinMaxObserver, PerChannelMinMaxObserver } from '../../../src/quantization/observers'
import type { QConfig } from '../../../src/quantization/qconfig'
import { isQTensor } from '../../../src/tensor/qtensor'
import { isTensor, type Tensor } from '../../../src/tensor/tensor'
import { difference } from '../../support/compare'
import { toQTensor, type Value, type Values } from '../../support/goldens'

export const channelWeights = (): PerChannelMinMaxObserver =>
  new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' })
export const tensorWeights = (): MinMaxObserver => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })
const half = (): MinMaxObserver => new MinMaxObserver({ quantMin: 0, quantMax: 127 })

/** PyTorch 1.13's QConfigs by the names that the goldens give them. */
export const qconfigs: Readonly<Record<string, QConfig>> = {
  default: { activation: half, weight: tensorWeights },
  per_channel: { activation: half, weight: channelWeights },
  'minmax full range': { activation: () => new MinMaxObserver(), weight: channelWeights },
  fbgemm: { activation: () => new HistogramObserver({ reduceRange: true }), weight: channelWeights },
  qnnpack: { activation: () => new HistogramObserver(), weight: tensorWeights },
  onednn: { activation: () => new HistogramObserver(), weight: channelWeights },
}

/** Float values of a golden's state dict, under other names. */
export function floatDict(values: Values, rename: (key: string) => string = (key) => key): StateDict {
  return new Map(Object.keys(values.map).map((key) => [rename(key), values.plain(key)]))
}

/** A quantized state dict of PyTorch; linear layers keep weight and bias together in theirs. */
export function quantizedDict(values: Values): StateDict {
  const dict: StateDict = new Map()
  const put = (key: string, value: Value | undefined): void => {
    if (isTensor(value)) dict.set(key, value)
    else if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'quantized')
      dict.set(key, toQTensor(value as Parameters<typeof toQTensor>[0]))
  }
  for (const [key, value] of Object.entries(values.map)) {
    if (!key.includes('_packed_params')) put(key, value)
    if (!/(^|\.)_packed_params\._packed_params$/.test(key)) continue
    const [weight, bias] = values.list(key)
    const layer = key.replace('_packed_params._packed_params', '')
    put(`${layer}weight`, weight)
    put(`${layer}bias`, bias)
  }
  return dict
}

/** Scales that follow from float sums may differ in their last bit. */
export function expectScale(actual: number | undefined, expected: number): void {
  expect(Math.abs((actual ?? NaN) / expected - 1)).toBeLessThan(2e-6)
}

/** Largest difference of two logits, in steps of the last layer. */
export function stepsApart(actual: Tensor, expected: Tensor, scale: number): number {
  return difference(actual.data, expected.data).max / scale
}

/**
 * Expects the weights, biases and parameters that PyTorch converted to: codes, zero points and biases exactly, scales up to
 * their last bit. Only keys that `wanted` accepts are compared.
 */
export function expectState(actual: StateDict, expected: StateDict, wanted: (key: string) => boolean): void {
  for (const [key, theirs] of expected) {
    if (!wanted(key)) continue
    const ours = actual.get(key)
    if (isQTensor(theirs)) {
      expect(isQTensor(ours) && ours.qparams).toEqual(theirs.qparams)
      expect([key, isQTensor(ours) && ours.intRepr().data]).toEqual([key, theirs.intRepr().data])
    } else if (key.endsWith('scale')) {
      expectScale(isTensor(ours) ? Number(ours.item()) : undefined, Number(theirs.item()))
    } else {
      expect([key, isTensor(ours) && Array.from(ours.data, Number)]).toEqual([key, Array.from(theirs.data, Number)])
    }
  }
}
