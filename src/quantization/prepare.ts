/** Preparing: every layer that will be quantized gets observers. */
import { ArgumentError, show } from '../errors'
import { isModule, isObservable, type Layer } from '../nn/module'
import type { WeightedModule } from '../nn/weighted'
import { checkOptions } from '../ops/options'
import type { QDType8 } from '../tensor/dtype'
import { WatchedIsland } from './island'
import { fixedOutputs, staticConversions, takesCodes } from './mappings'
import { FixedQParamsObserver, MinMaxObserver, type Observer } from './observers'
import { checkQConfig, getDefaultQConfig, makeObserver, type QConfig, type QConfigMapping } from './qconfig'
import { replaceModules } from './replace'

const op = 'quantization.prepare'

/** Options of {@link prepare}: one QConfig for all layers, or a mapping; neither where modules' `qconfig` fields say it. */
export interface PrepareOptions {
  readonly qconfig?: QConfig
  readonly mapping?: QConfigMapping
}

/** What holds for a module: its QConfig, and whether a name (not only a class) has decided it. */
interface Choice {
  readonly qconfig: QConfig | null | undefined
  readonly named: boolean
}

/**
 * A copy of a float model that watches its activations: run it on a few hundred real inputs, then {@link convert} it.
 * PyTorch: `torch.ao.quantization.prepare`.
 *
 * Which QConfig a module has: its own `qconfig` field, else what the mapping says of its path, else its parent's where
 * that was found by name, else what the mapping says of its class, else its parent's, else the mapping's default. Layers
 * that compute on codes as they are (ReLU, ReLU6, hardtanh, pools, flatten, dropout) need no observer and get none.
 * `null` leaves a module and all below it float: conversion turns codes to floats before it and back behind it.
 * So it does with layers that have no quantized form, such as 1-D batch norm.
 *
 * @param model - A float model with its weights, fused ({@link fuseModules}); it stays as it is.
 * @throws ArgumentError where no layer gets a QConfig, the mapping names what the model does not have, or the model is
 *   already prepared
 * @example
 * const prepared = prepare(fused, { mapping: { default: getDefaultQConfig(), byName: { fc: null } } })
 */
export function prepare<M extends Layer>(model: M, options: PrepareOptions = {}): M {
  if (!isModule(model)) throw new ArgumentError({ op, argument: 'model', expected: 'a Module', received: show(model) })
  checkOptions(op, options, ['qconfig', 'mapping'])
  const mapping = mappingOf(options)
  checkNames(model, mapping)
  const prepared = model.clone()
  refusePrepared(prepared)
  let attached = 0
  const watch = (module: Layer, { qconfig }: Choice): void => {
    if (qconfig === undefined) return
    const observed = attach(module, qconfig)
    if (observed && qconfig !== null) attached++
  }
  const root = choose(prepared, '', mapping, { qconfig: mapping.default ?? undefined, named: false })
  watch(prepared, root)
  replaceModules(prepared, root, (module, path, inherited) => {
    const choice = choose(module, path, mapping, inherited)
    const island = islandOf(module, path, mapping, choice)
    if (island !== undefined) return { replacement: island, state: choice }
    watch(module, choice)
    return { state: choice }
  })
  if (attached === 0)
    throw new ArgumentError({
      op,
      message: 'no layer of this model has a QConfig, so there is nothing to quantize',
      hint: 'Pass { qconfig: quantization.getDefaultQConfig() }, or set the qconfig field of the modules to quantize.',
    })
  return prepared
}

function mappingOf({ qconfig, mapping }: PrepareOptions): QConfigMapping {
  if (qconfig !== undefined && mapping !== undefined)
    throw new ArgumentError({
      op,
      argument: 'options',
      expected: 'one with either qconfig or mapping',
      received: 'both',
      hint: 'Pass { mapping: { default: qconfig, … } }.',
    })
  if (qconfig !== undefined) {
    checkQConfig(op, qconfig, 'options.qconfig')
    return { default: qconfig }
  }
  if (mapping === undefined) return {}
  checkOptions(op, mapping, ['default', 'byName', 'byType'])
  const all = { default: mapping.default, ...mapping.byName, ...mapping.byType }
  for (const [name, value] of Object.entries(all))
    if (value !== undefined && value !== null) checkQConfig(op, value, `options.mapping, ${name}`)
  return mapping
}

function checkNames(model: Layer, { byName = {}, byType = {} }: QConfigMapping): void {
  for (const path of Object.keys(byName)) model.getSubmodule(path)
  const types = new Set(model.namedModules().map(([, module]) => module.typeName))
  for (const type of Object.keys(byType))
    if (!types.has(type))
      throw new ArgumentError({
        op,
        argument: 'options.mapping.byType',
        expected: 'classes that the model has',
        received: show(type),
        hint: `It has ${[...types].join(', ')}.`,
      })
}

function refusePrepared(model: Layer): void {
  const watched = model.namedModules().find(([, module]) => isObservable(module) && module.activationPostProcess)
  if (watched !== undefined)
    throw new ArgumentError({
      op,
      argument: 'model',
      expected: 'a float model without observers',
      received: `one whose '${watched[0]}' has one already`,
      hint: 'Prepare the float model, not the prepared one.',
    })
}

function choose(module: Layer, path: string, { byName, byType }: QConfigMapping, inherited: Choice): Choice {
  const { qconfig: own, typeName } = module
  if (own !== undefined) {
    if (own !== null) checkQConfig(module.label(), own)
    return { qconfig: own, named: true }
  }
  const named = byName !== undefined && Object.hasOwn(byName, path) ? byName[path] : undefined
  if (named !== undefined) return { qconfig: named, named: true }
  if (inherited.named) return inherited
  const typed = byType !== undefined && Object.hasOwn(byType, typeName) ? byType[typeName] : undefined
  return typed === undefined ? inherited : { qconfig: typed, named: false }
}

/** Attaches observers to a leaf; whether it has got any. */
function attach(module: Layer, qconfig: QConfig | null): boolean {
  const { typeName } = module
  if (!isObservable(module) || !staticConversions.has(typeName)) return false
  if (qconfig === null) {
    // A FloatFunctional has no forward that an island could wrap: it is watched itself, and converted to an island.
    if (typeName === 'nn.FloatFunctional') module.activationPostProcess = activationObserver(getDefaultQConfig())
    module.qconfig = null
    return true
  }
  const observer = activationObserver(qconfig)
  const dtype: QDType8 = observer.dtype === 'qint8' ? 'qint8' : 'quint8'
  const fixed = fixedOutputs.get(typeName)
  module.activationPostProcess =
    fixed === undefined
      ? observer
      : new FixedQParamsObserver({ scale: fixed.scale, zeroPoint: fixed.zeroPoints[dtype], dtype })
  module.qconfig = qconfig
  if (isWeighted(module)) module.inputObserver = new MinMaxObserver({ dtype })
  return true
}

function isWeighted(module: Layer): module is Layer & WeightedModule {
  return 'inputObserver' in module
}

function activationObserver(qconfig: QConfig): Observer {
  const observer = makeObserver(op, qconfig, 'activation')
  const { kind, dtype, qscheme } = observer
  if (kind === 'PlaceholderObserver' || dtype === 'qint32' || !qscheme.startsWith('perTensor'))
    throw new ArgumentError({
      op,
      argument: 'qconfig.activation()',
      expected: 'an observer that gives one scale, for quint8 or qint8',
      received: `a ${kind} of ${dtype}, ${qscheme}`,
      hint:
        kind === 'PlaceholderObserver' ? 'For dynamic quantization call quantizeDynamic.' : 'Take a HistogramObserver.',
    })
  return observer
}

/**
 * The island for a module that stays float among quantized ones: one that `null` has chosen with all below it, or a leaf
 * without a quantized form. Undefined where there is no need, since the module computes on codes as well.
 */
function islandOf(module: Layer, path: string, mapping: QConfigMapping, choice: Choice): Layer | undefined {
  const { qconfig } = choice
  if (qconfig === undefined) return undefined
  const hasForm = staticConversions.has(module.typeName)
  if (qconfig !== null)
    return isObservable(module) && !hasForm ? new WatchedIsland(module, activationObserver(qconfig)) : undefined
  if (['nn.QuantStub', 'nn.DeQuantStub', 'nn.FloatFunctional'].includes(module.typeName)) return undefined
  if (!staysFloat(module, path, mapping, choice) || !needsFloat(module)) return undefined
  return new WatchedIsland(module, activationObserver(mapping.default ?? getDefaultQConfig()))
}

function staysFloat(module: Layer, path: string, mapping: QConfigMapping, choice: Choice): boolean {
  return module.namedChildren().every(([name, child]) => {
    const childPath = `${path}.${name}`
    const below = choose(child, childPath, mapping, choice)
    return below.qconfig === null && staysFloat(child, childPath, mapping, below)
  })
}

function needsFloat(module: Layer): boolean {
  const children = module.namedChildren()
  return children.length === 0 ? !takesCodes(module) : children.some(([, child]) => needsFloat(child))
}
