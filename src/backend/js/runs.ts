/** Walks two strided views of one shape together, one run along the last axis at a time. */

/**
 * Calls `run(a, b, at)` for every run along the last axis, in row-major order: the element offsets of its start in both
 * views, and in a dense array of that shape. Rank 0 is a single element.
 */
export function eachRun(
  shape: readonly number[],
  aStrides: readonly number[],
  bStrides: readonly number[],
  run: (a: number, b: number, at: number) => void,
): void {
  if (shape.includes(0)) return
  const last = shape.length - 1
  const count = shape[last] ?? 1
  const index = new Int32Array(shape.length)
  let [a, b, at] = [0, 0, 0]
  for (;;) {
    run(a, b, at)
    at += count
    let axis = last - 1
    for (; axis >= 0; axis--) {
      const position = (index[axis] ?? 0) + 1
      const length = shape[axis] ?? 1
      a += aStrides[axis] ?? 0
      b += bStrides[axis] ?? 0
      if (position < length) {
        index[axis] = position
        break
      }
      index[axis] = 0
      a -= length * (aStrides[axis] ?? 0)
      b -= length * (bStrides[axis] ?? 0)
    }
    if (axis < 0) return
  }
}
