/** From a range to a scale and a zero point (numerics.md 3): the only place that knows the formulas. */
import { rne } from '../../tensor/rounding'
import type { Settings } from './settings'

const { fround } = Math

/** A range of real values, float32. */
export interface Range {
  readonly min: number
  readonly max: number
}

/** A scale with its zero point. */
export interface ScaleAndZeroPoint {
  readonly scale: number
  readonly zeroPoint: number
}

/**
 * `f(f(hi - lo) / steps)`. Where `hi - lo` overflows float32 (PyTorch then answers an infinite scale), the quotient is
 * formed in float64, which always fits.
 */
function spread(lo: number, hi: number, steps: number): number {
  const span = fround(hi - lo)
  return fround(span < Infinity ? span / fround(steps) : (hi - lo) / steps)
}

/**
 * The parameters that let the settings' codes span `range`, widened to contain 0.
 *
 * - affine: `scale = max(f(f(hi - lo) / (qmax - qmin)), eps)`, `zp = clamp(qmin - rne(f(lo / scale)), qmin, qmax)`
 * - symmetric: `scale = max(f(max(-lo, hi) / ((qmax - qmin) / 2)), eps)`, zp 0 (signed) or the middle (unsigned)
 */
export function parametersOf(range: Range, settings: Settings): ScaleAndZeroPoint {
  const { quantMin, quantMax, eps, qscheme } = settings
  const lo = Math.min(range.min, 0)
  const hi = Math.max(range.max, 0)
  if (qscheme === 'perTensorSymmetric' || qscheme === 'perChannelSymmetric') {
    const scale = fround(Math.max(-lo, hi) / fround((quantMax - quantMin) / 2))
    return { scale: Math.max(scale, eps), zeroPoint: settings.symmetricZeroPoint }
  }
  const scale = Math.max(spread(lo, hi, quantMax - quantMin), eps)
  const zeroPoint = quantMin - rne(fround(lo / scale))
  return { scale, zeroPoint: Math.min(Math.max(zeroPoint, quantMin), quantMax) + 0 }
}

/**
 * The parameters of `perChannelAffineFloatQParams`: `scale = f(f(max - min) / (qmax - qmin))`, 1 where that is at most
 * eps; `zp = f(-min / scale)`, not whole; the range is not widened.
 */
export function floatParametersOf(range: Range, { quantMin, quantMax, eps }: Settings): ScaleAndZeroPoint {
  const quotient = spread(range.min, range.max, quantMax - quantMin)
  const scale = quotient > eps ? quotient : 1
  return { scale, zeroPoint: fround(-range.min / scale) + 0 }
}
