/** Brings values into a memory format. */
import type { Elements } from '../backend/contract'
import { reformatSteps } from '../tensor/movement'
import type { MemoryFormat } from '../tensor/shape'
import { allocateElements, type NumericType } from '../onnx/types'
import type { Lowering } from './steps'
import type { Value } from './value'

/** The value in row-major order; itself where it is. */
export function contiguous<V extends Value>(value: V): Lowering<V> {
  return inFormat(value, 'contiguous')
}

/** The value with channels innermost; itself where it is. Ranks 3 to 5. */
export function channelsLast<V extends Value>(value: V): Lowering<V> {
  return inFormat(value, 'channelsLast')
}

/** `[N, space…, C]` in row-major order, seen as `[N, C, space…]` with channels innermost: the same memory. */
export function lastAxisAsChannels<V extends Value>(value: V): V {
  const [batch = 1, ...rest] = value.dims
  return { ...value, dims: [batch, rest.at(-1) ?? 1, ...rest.slice(0, -1)], format: 'channelsLast' }
}

/** `[N, C, space…]` with channels innermost, seen as `[N, space…, C]` in row-major order: the same memory. */
export function channelsAsLastAxis<V extends Value>(value: V): V {
  const [batch = 1, channels = 1, ...space] = value.dims
  return { ...value, dims: [batch, ...space, channels], format: 'contiguous' }
}

function* inFormat<V extends Value>(value: V, format: MemoryFormat): Lowering<V> {
  if (value.format === format || value.type === 'string') return value
  const type: NumericType = value.type
  const make = (length: number): Elements => allocateElements<NumericType>(type, length)
  const data = yield* reformatSteps(
    { storage: value.data, shape: value.dims, memoryFormat: value.format },
    format,
    make,
  )
  return { ...value, data, format }
}
