/** Inputs made from a seed. */
import { arrayOf, isBigType, type ElementType } from '../onnx/types'
import type { Feeds, ValueMetadata } from '../runtime/feeds'
import { Tensor } from '../runtime/tensor'
import { sizeOf } from '../tensor/shape'
import { UsageError } from './usage'

/** Whole numbers lie below it, where not below 100. */
const wholeBelow: Partial<Record<ElementType, number>> = { bool: 2, int4: 8, uint4: 16 }

/** Inputs made from a seed: the same on every machine. Floats are multiples of 2^-20 between -1 and 1. */
export function seededFeeds(
  inputs: readonly ValueMetadata[],
  seed: number,
  sizes: ReadonlyMap<string, number> = new Map(),
): Feeds {
  let state = (seed ^ 0x9e3779b9) >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
  return Object.fromEntries(
    inputs.map(({ name, type, shape }) => {
      if (shape === undefined) throw new UsageError(`the model does not say how many axes "${name}" has: give inputs`)
      const dims = shape.map((dim) => (typeof dim === 'number' ? dim : (sizes.get(dim ?? '') ?? 1)))
      if (type === 'string') throw new UsageError(`"${name}" takes strings: give inputs`)
      const data = new (arrayOf(type))(sizeOf(dims))
      const isFloat = type === 'float32' || type === 'float64'
      const whole = wholeBelow[type] ?? 100
      for (let i = 0; i < data.length; i++) {
        const bits = next()
        const value = isFloat ? (bits >> 3) / 2 ** 20 - 1 : bits % whole
        data[i] = isBigType(type) ? BigInt(value) : value
      }
      return [name, new Tensor(type, data, dims)]
    }),
  )
}
