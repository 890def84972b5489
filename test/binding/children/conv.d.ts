import type { BoundQuantized } from '../../../src/backend/contract'
import type { Addon } from '../../../src/backend/native'

/** A convolution that a test can run by seed. */
export interface TestConv {
  readonly op: BoundQuantized
  readonly geometry: Float64Array
  readonly size: number
  input(seed: number): Uint8Array
  now(seed: number): Uint8Array
  later(seed: number): Promise<Uint8Array>
}

export function makeConv(addon: Addon): TestConv
