/** What depends on constants alone is computed once, unless it is large: a small file may ask for much. */
import type { Backend } from '../backend/contract'
import { TooManyElements, withinElements } from '../onnx/types'
import { sizeOf } from '../tensor/shape'
import { evaluate, type Lowering } from './steps'
import type { Value } from './value'

/** Arrays longer than this, and longer than four times what they are made of, are left to each run. */
const mostElements = 1 << 20

/** Runs an operator on constants; undefined where that would make too long an array. */
export function evaluateConstant<R>(
  backend: Backend,
  inputs: readonly (Value | undefined)[],
  lower: () => Lowering<R>,
): R | undefined {
  const given = inputs.reduce((sum, value) => sum + (value === undefined ? 0 : sizeOf(value.dims)), 0)
  try {
    return withinElements(Math.max(mostElements, 4 * given), () => evaluate(backend, lower()))
  } catch (error) {
    if (error instanceof TooManyElements) return undefined
    throw error
  }
}
