// Pictures for networks that take 3 x 224 x 224.

export const pictureSize = 3 * 224 * 224

/** Smooth pictures, different ones for each seed. */
export function pictures(batch, seed) {
  const data = new Float32Array(batch * pictureSize)
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * 0.0137 + seed) + Math.cos((i % 224) * 0.11 * (seed + 1))
  return data
}

/** Feeds `x` of single pictures. */
export function* samples(count, Tensor) {
  for (let i = 0; i < count; i++) yield { x: new Tensor('float32', pictures(1, i), [1, 3, 224, 224]) }
}
