/** Between tensors and the channels-last images that pools compute on, for inputs with and without a batch axis. */
import type { Elements } from '../backend/contract'
import type { Steps } from '../backend/steps'
import { reformatSteps, type Block } from '../tensor/movement'
import type { MemoryFormat, Shape } from '../tensor/shape'

/** The elements as `[batch, space…, channels]`. */
export function* toImageSteps<A extends Elements>(
  block: Block<A>,
  batched: boolean,
  make: (length: number) => A,
): Steps<A> {
  if (batched) return yield* reformatSteps(block, 'channelsLast', make)
  const storage = yield* reformatSteps(block, 'contiguous', make)
  const image = { storage, shape: [1, ...block.shape], memoryFormat: 'contiguous' } as const
  return yield* reformatSteps(image, 'channelsLast', make)
}

/** The elements of a result computed as `[batch, space…, channels]`, and the memory format that they are then in. */
export function* fromImageSteps<A extends Elements>(
  storage: A,
  shape: Shape,
  batched: boolean,
  make: (length: number) => A,
): Steps<{ readonly storage: A; readonly memoryFormat: MemoryFormat }> {
  if (batched) return { storage, memoryFormat: 'channelsLast' }
  const image = { storage, shape: [1, ...shape], memoryFormat: 'channelsLast' } as const
  return { storage: yield* reformatSteps(image, 'contiguous', make), memoryFormat: 'contiguous' }
}
