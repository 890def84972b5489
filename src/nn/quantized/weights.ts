/** Float weights to codes: the weight observer's parameters, raised where the bias would leave int32. */
import { ArgumentError } from '../../errors'
import { scaleForBias } from '../../quantization/bias-scale'
import { makeObserver } from '../../quantization/qconfig'
import { MinMaxObserver } from '../../quantization/observers/min-max'
import type { Observer } from '../../quantization/observers/observer'
import type { QParams } from '../../tensor/qparams'
import type { QTensor } from '../../tensor/qtensor'
import { quantizePerChannel, quantizePerTensor } from '../../tensor/quantize'
import type { Tensor } from '../../tensor/tensor'
import type { WeightedModule } from '../weighted'

/**
 * The weight observer that a layer's qconfig makes. One along axis 0, which suits all other layers, gives a transposed
 * convolution one scale; one along axis 1 gives it a scale per output channel.
 */
export function weightObserver(source: WeightedModule): Observer {
  const { qconfig } = source
  if (qconfig === undefined || qconfig === null)
    throw new ArgumentError({
      op: source.label(),
      message: 'this layer has no qconfig, which says how its weight is quantized',
      hint: 'Run quantization.prepare on the model, or set the layer’s qconfig: quantization.getDefaultQConfig().',
    })
  const observer = makeObserver(source.label(), qconfig, 'weight')
  const axis: unknown = Reflect.get(observer, 'chAxis')
  if (source.channelAxis === 0 || axis !== 0) return observer
  // One scale for all: PyTorch's default mapping of transposed convolutions too.
  const { dtype, quantMin, quantMax, eps } = observer
  const qscheme = observer.qscheme === 'perChannelSymmetric' ? 'perTensorSymmetric' : 'perTensorAffine'
  return new MinMaxObserver({ dtype, qscheme, quantMin, quantMax, eps })
}

/** A layer's weight as codes. `inputScale` is known where calibration watched the input. */
export function quantizeWeight(source: WeightedModule, observer: Observer, inputScale: number | undefined): QTensor {
  const { weight, bias } = source.requireWeights()
  observer.forward(weight)
  const qparams = raiseScales(observer.calculateQParams(), bias, inputScale)
  if (qparams.kind === 'perTensor') return quantizePerTensor(weight, qparams.scale, qparams.zeroPoint, observer.dtype)
  return quantizePerChannel(weight, qparams.scales, qparams.zeroPoints, qparams.axis, observer.dtype)
}

/** Scale of a layer's input, where calibration watched it. */
export function observedInputScale(source: WeightedModule): number | undefined {
  if (source.inputObserver?.observed !== true) return undefined
  const qparams = source.inputObserver.calculateQParams()
  return qparams.kind === 'perTensor' ? qparams.scale : undefined
}

/** Raises weight scales until every bias fits (bias-scale.ts). */
export function raiseScales(qparams: QParams, bias: Tensor | null, inputScale: number | undefined): QParams {
  if (bias === null || inputScale === undefined) return qparams
  const values = bias.data
  if (qparams.kind === 'perTensor') {
    const scale = values.reduce((scale, value) => scaleForBias(scale, value, inputScale), qparams.scale)
    return { ...qparams, scale }
  }
  // Along axis 1 (a transposed convolution's) a scale holds for its channel of every group.
  const channels = qparams.scales.length
  return {
    ...qparams,
    scales: qparams.scales.map((scale, c) =>
      values
        .filter((_, o) => o % channels === c)
        .reduce((raised, value) => scaleForBias(raised, value, inputScale), scale),
    ),
  }
}
