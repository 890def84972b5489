/** How much memory there is. */
import { totalmem } from 'node:os'

/** Bytes that this process may use at most. */
export function usableMemory(): number {
  // Not all runtimes that have Node's interface have this.
  const limit = 'constrainedMemory' in process ? process.constrainedMemory() : 0
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
