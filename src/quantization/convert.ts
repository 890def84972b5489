/** Converting: every watched layer becomes its quantized form. */
import { ArgumentError, NotCalibratedError, show } from '../errors'
import type { Functional } from '../nn/functional-modules'
import {
  isModule,
  isObservable,
  type Activation,
  type Layer,
  type ObservableModule,
  type StateValue,
} from '../nn/module'
import { observedDType } from '../nn/quantized/output'
import { checkOptions } from '../ops/options'
import { FloatIsland, FunctionalIsland, isWatchedIsland } from './island'
import { staticConversions } from './mappings'
import { replaceModules } from './replace'

const op = 'quantization.convert'

/** Options of {@link convert}. */
export interface ConvertOptions {
  /**
   * Weights, scales and zero points of a quantized model, by name: ours or PyTorch's. The model then needs no calibration,
   * only {@link prepare}, which says which layers are quantized.
   */
  readonly stateDict?: ReadonlyMap<string, StateValue>
}

type Watched = ObservableModule<Activation, Activation>

/**
 * The quantized model of a prepared one: layers keep their names and change their class. PyTorch:
 * `torch.ao.quantization.convert`.
 *
 * @param prepared - What {@link prepare} gave, after it has run on real inputs; it stays as it is.
 * @throws NotCalibratedError that names every layer whose observer has seen no data (PyTorch warns, and sets scale 1)
 * @throws FormatError where `stateDict` does not fit
 * @example
 * const quantized = convert(prepared)
 * const loaded = convert(prepare(float, { qconfig }), { stateDict: quantized.stateDict() })
 */
export function convert<M extends Layer>(prepared: M, options: ConvertOptions = {}): M {
  if (!isModule(prepared))
    throw new ArgumentError({ op, argument: 'prepared', expected: 'a Module', received: show(prepared) })
  checkOptions(op, options, ['stateDict'])
  const { stateDict } = options
  refuseUnprepared(prepared)
  if (stateDict === undefined) refuseUncalibrated(prepared)
  const quantized = prepared.clone()
  replaceModules(quantized, undefined, (module) => {
    const replacement = quantizedForm(module, stateDict !== undefined)
    return replacement === undefined ? { state: undefined } : { replacement, state: undefined }
  })
  if (stateDict !== undefined) quantized.loadStateDict(stateDict)
  return quantized
}

function quantizedForm(module: Layer, empty: boolean): Layer | undefined {
  const watched = isObservable(module) ? module : undefined
  const observer = watched?.activationPostProcess
  if (isWatchedIsland(module)) {
    const island = new FloatIsland(module.inner, observedDType(module, observer))
    return empty ? island : island.calibrated(observer)
  }
  const conversion = staticConversions.get(module.typeName)
  if (conversion === undefined || (watched !== undefined && observer === undefined)) return undefined
  const unseen = empty || observer?.observed === false
  if (isFunctional(module) && module.qconfig === null) {
    const island = new FunctionalIsland(module, observedDType(module, observer))
    return unseen ? island : island.calibrated(observer)
  }
  return unseen ? conversion.like(module) : conversion.fromFloat(module)
}

function isFunctional(module: Layer): module is Layer & Functional {
  return module.typeName === 'nn.FloatFunctional'
}

function watchedLayers(model: Layer): [string, Watched][] {
  return model
    .namedModules()
    .filter(
      (entry): entry is [string, Watched] => isObservable(entry[1]) && entry[1].activationPostProcess !== undefined,
    )
}

function refuseUnprepared(model: Layer): void {
  const watched = watchedLayers(model)
  if (watched.length === 0)
    throw new ArgumentError({
      op,
      argument: 'prepared',
      expected: 'a model that quantization.prepare has given observers',
      received: `a ${model.typeName} without any`,
      hint: 'Call prepare(model, { qconfig }), run the result on real inputs, then convert it.',
    })
  if (watched[0]?.[0] === '')
    throw new ArgumentError({
      op,
      argument: 'prepared',
      expected: 'a model that holds layers',
      received: `a single layer, ${model.typeName}`,
      hint: 'Use the fromFloat of its quantized class, or put it in an nn.Sequential between a QuantStub and a DeQuantStub.',
    })
}

/** A FloatFunctional may have nothing to watch: its scalar methods need no parameters. */
function refuseUncalibrated(model: Layer): void {
  const watched = watchedLayers(model)
  const unseen = watched
    .filter(([, layer]) => layer.activationPostProcess?.observed === false && layer.typeName !== 'nn.FloatFunctional')
    .map(([path]) => path)
  if (unseen.length === 0) return
  const seenAny = watched.some(
    ([, { activationPostProcess }]) =>
      activationPostProcess?.observed === true && activationPostProcess.kind !== 'FixedQParamsObserver',
  )
  const names = unseen.map((path) => `'${path}'`).join(', ')
  throw new NotCalibratedError({
    op,
    message: seenAny
      ? `the observers of ${names} have seen no data`
      : `this model has seen no data: the observers of ${names} are empty`,
    hint: seenAny
      ? 'These layers did not run in calibration, or saw no finite value: calibrate on inputs that reach them, or leave them float by the mapping { byName: { name: null } }.'
      : 'Run the prepared model on some hundred real inputs before converting it, or pass { stateDict } of a quantized model.',
  })
}
