/** Which observers watch a layer: how a user chooses the quantization of each. */
import { ArgumentError, show } from '../errors'
import { HistogramObserver, isObserver, MinMaxObserver, PerChannelMinMaxObserver, type Observer } from './observers'

/**
 * How a layer is quantized: functions that make the observers of its output and of its weights. PyTorch: `QConfig`.
 *
 * @example
 * const qconfig: QConfig = {
 *   activation: () => new MinMaxObserver(),
 *   weight: () => new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' }),
 * }
 */
export interface QConfig {
  /** Makes the observer of the layer's output: one of per-tensor parameters of quint8 or qint8. */
  readonly activation: () => Observer
  /**
   * Makes the observer of the layer's weight: per tensor, or per channel along axis 0. Transposed convolutions have their
   * output channels along axis 1: an observer along axis 0 gives them one scale, as PyTorch's default mapping does.
   */
  readonly weight: () => Observer
}

/** A QConfig for some layers, `null` for layers that stay float. PyTorch: `QConfigMapping`. */
export interface QConfigMapping {
  /** For every layer that the other fields do not name. @defaultValue null */
  readonly default?: QConfig | null
  /** By path (`features.0`), for the layer and all below it; the longest fitting path decides. */
  readonly byName?: Readonly<Record<string, QConfig | null>>
  /** By class (`nn.Linear`): the name that the layer's `typeName` gives; `byName` goes first. */
  readonly byType?: Readonly<Record<string, QConfig | null>>
}

const channelWeights = (): Observer => new PerChannelMinMaxObserver({ dtype: 'qint8', qscheme: 'perChannelSymmetric' })
const tensorWeights = (): Observer => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' })

/**
 * The choice for a server: activations quint8 affine, range searched in a histogram; weights qint8 symmetric per output
 * channel. PyTorch: `get_default_qconfig('onednn')`. All 8 bits are used: no kernel of ours saturates.
 */
export function getDefaultQConfig(): QConfig {
  return { activation: () => new HistogramObserver(), weight: channelWeights }
}

/** As {@link getDefaultQConfig}, with one scale for each weight. PyTorch: `get_default_qconfig('qnnpack')`. */
export function getPerTensorQConfig(): QConfig {
  return { activation: () => new HistogramObserver(), weight: tensorWeights }
}

/** As {@link getDefaultQConfig}, with activations spanning all they showed, outliers included. */
export function getMinMaxQConfig(): QConfig {
  return { activation: () => new MinMaxObserver(), weight: channelWeights }
}

/** Refuses what is not a QConfig; the usual mistakes are told the right call. */
export function checkQConfig(op: string, value: unknown, argument = 'qconfig'): asserts value is QConfig {
  if (typeof value !== 'object' || value === null)
    throw new ArgumentError({
      op,
      argument,
      expected: 'a QConfig, { activation, weight }',
      received: show(value),
      hint:
        typeof value === 'function'
          ? 'Call it: getDefaultQConfig().'
          : 'Take quantization.getDefaultQConfig() to begin.',
    })
  for (const field of ['activation', 'weight'] as const) {
    const maker: unknown = Reflect.get(value, field)
    const isClass = typeof maker === 'function' && /^class\b/.test(Function.prototype.toString.call(maker))
    if (typeof maker !== 'function' || isClass)
      throw new ArgumentError({
        op,
        argument: `${argument}.${field}`,
        expected: 'a function that makes an observer',
        received: isObserver(maker) ? `an observer (${maker.kind})` : isClass ? 'a class' : show(maker),
        hint: `Each layer needs an observer of its own: write ${field}: () => new ${nameOf(maker)}({ … }).`,
      })
  }
}

function nameOf(maker: unknown): string {
  if (isObserver(maker)) return maker.kind
  return typeof maker === 'function' && maker.name !== '' ? maker.name : 'HistogramObserver'
}

/** Makes an observer, refusing a function that makes something else. */
export function makeObserver(op: string, qconfig: QConfig, field: 'activation' | 'weight'): Observer {
  const made: unknown = qconfig[field]()
  if (!isObserver(made))
    throw new ArgumentError({ op, argument: `qconfig.${field}()`, expected: 'an observer', received: show(made) })
  return made
}
