/** Places buffers in one block of memory: those whose lives do not overlap may share bytes. */

/** A buffer's size and the steps between which it holds something, both ends included. */
export interface Lifetime {
  readonly bytes: number
  readonly first: number
  readonly last: number
}

/** Offsets of the buffers, and the size of the block that holds them. */
export interface Arena {
  readonly offsets: readonly number[]
  readonly bytes: number
}

const alignment = 64

/**
 * Greedy by size: the largest buffer first, each at the lowest offset that is free during its whole life. Within a few
 * percent of the lower bound on real networks. Offsets are multiples of 64.
 */
export function planArena(buffers: readonly Lifetime[]): Arena {
  const sizes = buffers.map(({ bytes }) => Math.ceil(bytes / alignment) * alignment)
  const order = buffers.map((_, i) => i).sort((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0) || a - b)
  const offsets = new Array<number>(buffers.length).fill(0)
  /** Placed so far, in ascending offset. */
  const placed: number[] = []
  let total = 0
  for (const index of order) {
    const buffer = buffers[index]
    const size = sizes[index] ?? 0
    if (buffer === undefined) continue
    let offset = 0
    for (const other of placed) {
      const { first, last } = buffers[other] ?? buffer
      if (first > buffer.last || last < buffer.first) continue
      const at = offsets[other] ?? 0
      if (at - offset >= size) break
      offset = Math.max(offset, at + (sizes[other] ?? 0))
    }
    offsets[index] = offset
    total = Math.max(total, offset + size)
    const behind = placed.findIndex((other) => (offsets[other] ?? 0) > offset)
    placed.splice(behind < 0 ? placed.length : behind, 0, index)
  }
  return { offsets, bytes: total }
}
