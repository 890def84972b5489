// The numbers of the forum thread, as its author posted them.
import { tensor } from 'int8'

/** The image: one channel, 3 x 3. */
export const x = tensor([4, 19, 13, 0, 3, 19, 7, 3, 17], [1, 1, 3, 3])
/** The filter. */
export const weight = tensor([3, 1, 6, 16, 19, 18, 16, 16, 8], [1, 1, 3, 3])
export const bias = tensor([-0.309223473072052])

/** The poster's own formula for scale and zero point: (max - min) / 254, and -(min / scale). */
export function postersParams({ data }) {
  const [min, max] = [Math.min(...data), Math.max(...data)]
  const scale = Math.fround((max - min) / 254)
  return { scale, zeroPoint: -(min / scale) }
}
