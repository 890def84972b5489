/** A parity case: one call of one kernel, drawn by fast-check, the same for every backend. */
import fc from 'fast-check'
import type { Backend, KernelName, Kernels } from '../../src/backend/contract'
import { Source, type Draft } from './random'

export interface Case<K extends KernelName> {
  /** Fresh operands, always with the same data; weights are packed by the given backend. */
  readonly operands: (backend: Backend) => Kernels[K]
}

/** Draws the cases of one kernel. */
export type Row<K extends KernelName> = fc.Arbitrary<Case<K>>
export type Rows<N extends KernelName> = { readonly [K in N]: Row<K> }

/** A row from what fast-check draws and shrinks (shapes, parameters) and how data for it are drawn from a seed. */
export function row<D, K extends KernelName>(
  draw: fc.Arbitrary<D>,
  build: (drawn: D, source: Source, backend: Backend) => Kernels[K],
): Row<K> {
  return fc.record({ drawn: draw, seed: fc.integer() }).map(({ drawn, seed }) => {
    const drafts: Draft[] = []
    return {
      operands: (backend: Backend) => build(drawn, new Source(seed, drafts), backend),
      [fc.toStringMethod]: () => `seed ${String(seed)}, ${fc.stringify(drawn)}`,
    }
  })
}
