/** IEEE binary16 by its bits. */

/** The value of a half. */
export function halfToFloat(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The half nearest to a number, ties to even; NaN becomes a quiet one. */
export function floatToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  // Largest half 65504; from the middle between it and the next, 65520, on it is infinity.
  if (size >= 65520) return sign | 0x7c00
  // Steps of the half's binade; subnormals have the least exponent's.
  const exponent = Math.max(-14, Math.floor(Math.log2(size === 0 ? 1e-30 : size)))
  const exact = size / 2 ** (exponent - 10)
  const floor = Math.floor(exact)
  const rest = exact - floor
  const steps = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  // A carry moves into the exponent's bits by itself.
  return sign | (exponent === -14 && steps < 1024 ? steps : ((exponent + 15) << 10) + steps - 1024)
}
