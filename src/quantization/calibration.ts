/** What a prepared model has seen, as tensors: calibration spread over workers and machines. */
import { ArgumentError, show } from '../errors'
import { isModule, isObservable, type Layer } from '../nn/module'
import type { DType } from '../tensor/dtype'
import type { Tensor } from '../tensor/tensor'
import type { Observer, ObserverState } from './observers'

/** The observers of a prepared model by PyTorch's names: `features.0.activation_post_process`. */
function observersOf(op: string, prepared: Layer): Map<string, Observer> {
  if (!isModule(prepared))
    throw new ArgumentError({ op, argument: 'prepared', expected: 'a Module', received: show(prepared) })
  const found = new Map<string, Observer>()
  for (const [path, module] of prepared.namedModules()) {
    const at = path === '' ? '' : `${path}.`
    if (isObservable(module) && module.activationPostProcess !== undefined)
      found.set(`${at}activation_post_process`, module.activationPostProcess)
    const input: unknown = Reflect.get(module, 'inputObserver')
    if (input !== undefined) found.set(`${at}input_observer`, input as Observer)
  }
  if (found.size === 0)
    throw new ArgumentError({
      op,
      argument: 'prepared',
      expected: 'a model that quantization.prepare has given observers',
      received: `a ${prepared.typeName} without any`,
    })
  return found
}

/**
 * The state of all observers of a prepared model, by name: save it as safetensors, load it elsewhere by
 * {@link loadCalibration}.
 */
export function calibrationState(prepared: Layer): ObserverState {
  const state: ObserverState = new Map()
  for (const [name, observer] of observersOf('quantization.calibrationState', prepared))
    for (const [key, value] of observer.stateDict()) state.set(`${name}.${key}`, value)
  return state
}

/**
 * Gives a prepared model what {@link calibrationState} of the same model, prepared with the same QConfig, has returned.
 *
 * @throws FormatError where a tensor is missing or unknown
 */
export function loadCalibration(prepared: Layer, state: ReadonlyMap<string, Tensor<DType>>): void {
  const op = 'quantization.loadCalibration'
  const observers = observersOf(op, prepared)
  const parts = new Map<string, ObserverState>([...observers.keys()].map((name) => [name, new Map()]))
  for (const [key, value] of state) {
    const dot = key.lastIndexOf('.')
    const part = parts.get(key.slice(0, dot))
    if (part === undefined)
      throw new ArgumentError({
        op,
        argument: 'state',
        expected: "names of this model's observers",
        received: show(key),
      })
    part.set(key.slice(dot + 1), value)
  }
  for (const [name, observer] of observers) observer.loadStateDict(parts.get(name) ?? new Map())
}

/**
 * Adds what another copy of the prepared model has seen, as if this one had seen it. Exact, so it needs observers that can
 * merge: MinMax, PerChannelMinMax, PowerOfTwoHistogram.
 *
 * @throws ArgumentError where the models differ, or an observer cannot merge exactly
 */
export function mergeCalibration(prepared: Layer, other: Layer): void {
  const op = 'quantization.mergeCalibration'
  const mine = observersOf(op, prepared)
  const theirs = observersOf(op, other)
  const unpaired = [...mine.keys(), ...theirs.keys()].find((name) => !mine.has(name) || !theirs.has(name))
  if (unpaired !== undefined)
    throw new ArgumentError({
      op,
      argument: 'other',
      expected: 'a copy of the same prepared model',
      received: `one where only one of the two has ${unpaired}`,
    })
  for (const [name, observer] of mine) {
    const partner = theirs.get(name)
    if (partner !== undefined) observer.merge(partner)
  }
}
