/** Values computed from keys that repeat from call to call: a network asks for few, and a server for the same ones. */

/** The last few values, by the keys they were computed from. */
export class Recent<K, V> {
  /** The newest first. */
  private readonly entries: { readonly key: K; readonly value: V }[] = []
  private readonly capacity: number
  private readonly same: (a: K, b: K) => boolean

  constructor(capacity: number, same: (a: K, b: K) => boolean) {
    this.capacity = capacity
    this.same = same
  }

  /** The value kept for this key. */
  find(key: K): V | undefined {
    for (const entry of this.entries) if (this.same(entry.key, key)) return entry.value
    return undefined
  }

  /** Keeps a value; the oldest goes where there are too many. */
  keep(key: K, value: V): void {
    if (this.entries.unshift({ key, value }) > this.capacity) this.entries.pop()
  }
}
