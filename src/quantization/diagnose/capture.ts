/** Records what every layer of a model puts out, without touching the model. */
import type { Activation, Layer } from '../../nn/module'

/** One call of one layer. */
export interface Call {
  /** Path of the layer. */
  readonly path: string
  readonly layer: Layer
  /** Scale of the first operand, where that is codes of one scale. */
  readonly inputScale: number | undefined
  readonly output: Activation
}

/** Methods by which a layer computes. */
const methods = ['forward', 'add', 'addRelu', 'addScalar', 'mul', 'mulScalar', 'cat'] as const

/**
 * A copy of the model whose layers (modules without children) hand each result to `take`: the copy's modules have methods
 * of their own that call their class's. The copy's observers are gone, so running it calibrates nothing.
 */
export function recordingCopy<M extends Layer>(model: M, take: (call: Call) => void): M {
  const copy = model.clone()
  for (const [path, layer] of copy.namedModules()) {
    for (const field of ['activationPostProcess', 'inputObserver'])
      if (field in layer) Reflect.set(layer, field, undefined)
    if (layer.namedChildren().length > 0) continue
    for (const name of methods) {
      const method: unknown = Reflect.get(layer, name)
      if (typeof method !== 'function') continue
      const recorded = (...args: unknown[]): unknown => {
        const output: unknown = Reflect.apply(method, layer, args)
        take({ path, layer, inputScale: scaleOf(args[0]), output: output as Activation })
        return output
      }
      Object.defineProperty(layer, name, { value: recorded, configurable: true })
    }
  }
  return copy
}

function scaleOf(operand: unknown): number | undefined {
  const scale: unknown =
    typeof operand === 'object' && operand !== null && 'qparams' in operand
      ? Reflect.get(operand.qparams as object, 'scale')
      : undefined
  return typeof scale === 'number' ? scale : undefined
}
