/** From real values to codes: the last step of every quantized kernel (numerics.md 5, 6). */
import { rne } from './math'

/**
 * `zeroPoint + rne(clamp(value, lo - zeroPoint, hi - zeroPoint))`: the code of a value counted in steps of the scale,
 * inside `[lo, hi]`. The value is clamped before it is rounded, so no conversion sees more than 33 bits.
 */
export function toCode(value: number, zeroPoint: number, lo: number, hi: number): number {
  return zeroPoint + rne(Math.min(Math.max(value, lo - zeroPoint), hi - zeroPoint))
}

/** The bytes under an array of codes: quint8 and qint8 alike. */
export function bytesOf(codes: ArrayBufferView): Uint8Array {
  return new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength)
}
