/** Finds the packed weights that are kept with a saved session. */
import type { Backend } from '../../backend/contract'
import { isNative } from '../../backend/current'
import { PackedWeights } from '../../ops/quantized/weights'
import type { ImagesOf, ImageToSave } from './write'

/** For each node, its packed weights as this backend reads them, where they were made from a constant. */
export function packedImages(backend: Backend): ImagesOf {
  if (!isNative(backend)) return () => []
  const { isa } = backend
  return (node, constants) => {
    const images: ImageToSave[] = []
    for (const [key, [source], value] of node.memos()) {
      const weights = weightsIn(value)
      const constant = node.inputs.find((name) => source !== undefined && constants.get(name)?.data === source)
      if (weights === undefined || constant === undefined) continue
      const bytes = backend.imageOf(weights.handle(backend))
      if (bytes !== undefined) images.push({ key, constant, isa, bytes })
    }
    return images
  }
}

function weightsIn(value: unknown): PackedWeights | undefined {
  if (value instanceof PackedWeights) return value
  if (typeof value !== 'object' || value === null || !('weights' in value)) return undefined
  return value.weights instanceof PackedWeights ? value.weights : undefined
}
