/** Dynamic quantization: weights as codes, activations quantized as they come. */
import { ArgumentError, show } from '../errors'
import { isModule, type Layer } from '../nn/module'
import { checkOptions } from '../ops/options'
import { dynamicConversions } from './mappings'
import { MinMaxObserver, PlaceholderObserver } from './observers'
import { checkQConfig, type QConfig } from './qconfig'
import { replaceModules } from './replace'

const op = 'quantization.quantizeDynamic'

/** Options of {@link quantizeDynamic}. */
export interface QuantizeDynamicOptions {
  /** Classes to quantize. @defaultValue `['nn.Linear', 'nn.intrinsic.LinearReLU']`, all that have a dynamic form */
  readonly types?: readonly string[]
  /** Observer of the weights; its `activation` is not used. @defaultValue {@link getDefaultDynamicQConfig} */
  readonly qconfig?: QConfig
}

/** Weights qint8 symmetric, one scale each. PyTorch: `default_dynamic_qconfig`. */
export function getDefaultDynamicQConfig(): QConfig {
  return {
    activation: () => new PlaceholderObserver(),
    weight: () => new MinMaxObserver({ dtype: 'qint8', qscheme: 'perTensorSymmetric' }),
  }
}

/**
 * A copy of the model whose linear layers have int8 weights and quantize their input by its own range at every call: no
 * calibration, no stubs, float in and out. PyTorch: `quantize_dynamic`.
 *
 * @param model - A float model with its weights; it stays as it is.
 * @throws ArgumentError where a class has no dynamic form, or the model has no layer of these classes
 */
export function quantizeDynamic<M extends Layer>(model: M, options: QuantizeDynamicOptions = {}): M {
  if (!isModule(model)) throw new ArgumentError({ op, argument: 'model', expected: 'a Module', received: show(model) })
  checkOptions(op, options, ['types', 'qconfig'])
  const known = [...dynamicConversions.keys()]
  const { types = known, qconfig = getDefaultDynamicQConfig() } = options
  checkQConfig(op, qconfig, 'options.qconfig')
  for (const [i, type] of types.entries())
    if (!dynamicConversions.has(type))
      throw new ArgumentError({
        op,
        argument: `options.types[${String(i)}]`,
        expected: known.join(' or '),
        received: show(type),
      })
  const quantized = model.clone()
  let count = 0
  replaceModules(quantized, undefined, (module) => {
    const conversion = types.includes(module.typeName) ? dynamicConversions.get(module.typeName) : undefined
    if (conversion === undefined || module.qconfig === null) return { state: undefined }
    count++
    module.qconfig ??= qconfig
    return { replacement: conversion.fromFloat(module), state: undefined }
  })
  if (count === 0)
    throw new ArgumentError({
      op,
      argument: 'model',
      expected: `a model that holds layers of ${types.join(' or ')}`,
      received: `a ${model.typeName} without any`,
    })
  return quantized
}
