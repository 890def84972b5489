/** Small data for tests of modules. */
import type { Layer, StateDict } from '../../src/nn'
import type { Shape } from '../../src/tensor/shape'
import { sizeOf } from '../../src/tensor/shape'
import { fromStorage, type Tensor } from '../../src/tensor/tensor'

/** Numbers in [-1, 1) that follow from the seed alone. */
export function noise(shape: Shape, seed = 1): Tensor {
  let state = seed * 2654435761
  const values = Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  })
  return fromStorage('float32', values, shape)
}

/** Fills every float parameter of a model: noise, variances positive. */
export function randomise<M extends Layer>(model: M, seed = 1): M {
  const dict: StateDict = new Map()
  let next = seed
  for (const [path, module] of model.namedModules())
    for (const key of Object.keys(module.state())) {
      const name = path === '' ? key : `${path}.${key}`
      const shape = shapeOf(module, key)
      if (shape === undefined) continue
      const value = noise(shape, next++)
      dict.set(
        name,
        key === 'running_var'
          ? fromStorage(
              'float32',
              value.data.map((v) => v * v + 0.5),
              shape,
            )
          : value,
      )
    }
  model.loadStateDict(dict)
  return model
}

function shapeOf(module: Layer, key: string): Shape | undefined {
  if (key === 'num_batches_tracked') return undefined
  if ('weightShape' in module) {
    const shape = module.weightShape as Shape
    return key === 'weight' ? shape : [shape[0] ?? 0]
  }
  return 'features' in module && typeof module.features === 'number' ? [module.features] : undefined
}
