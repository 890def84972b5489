// Functions of one value on sixteen lanes: the steps of math.h, one for one (numerics.md 7). Only
// for files of instruction sets, behind their simd/lanes_<set>.h; internal to each of them.
#pragma once

namespace int8 {
namespace {

inline F32x16 exp16(F32x16 x) {
  const F32x16 c = at_most(at_least(x, splat(-104.0f)), splat(89.0f));
  const F32x16 n = round_even(c * splat(1.44269504f));
  const F32x16 r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), c));
  F32x16 q = fma(splat(1.9875691500e-4f), r, splat(1.3981999507e-3f));
  q = fma(q, r, splat(8.3334519073e-3f));
  q = fma(q, r, splat(4.1665795894e-2f));
  q = fma(q, r, splat(1.6666665459e-1f));
  q = fma(q, r, splat(5.0000001201e-1f));
  const F32x16 p = fma(q, r * r, r) + splat(1.0f);
  return select(is_nan(x), x, scale_by_power_of_two(p, n));
}

inline F32x16 sigmoid16(F32x16 x) {
  const F32x16 z = exp16(or_sign(x, splat(-0.0f)));
  const F32x16 d = splat(1.0f) + z;
  const Mask16 below = x < splat(0.0f);
  const F32x16 s = select(below, z, splat(1.0f)) / d;
  return select(below, fma_negated(z, s, z), s);
}

inline F32x16 tanh16(F32x16 x) {
  const F32x16 a = abs(x);
  const F32x16 s = a * a;
  F32x16 q = fma(splat(-5.70498872745e-3f), s, splat(2.06390887954e-2f));
  q = fma(q, s, splat(-5.37397155531e-2f));
  q = fma(q, s, splat(1.33314422036e-1f));
  q = fma(q, s, splat(-3.33332819422e-1f));
  const F32x16 near = fma(q * s, a, a);
  const F32x16 far = splat(1.0f) - splat(2.0f) / (splat(1.0f) + exp16(a + a));
  return or_sign(select(a < splat(0.625f), near, far), x);
}

inline F32x16 hardswish16(F32x16 x) {
  const F32x16 inside = minimum(maximum(x + splat(3.0f), splat(0.0f)), splat(6.0f));
  return (x * inside) / splat(6.0f);
}

// The sign of a zero is x's.
inline F32x16 floor16(F32x16 x) {
  const F32x16 r = round_even(x);
  return or_sign(select(x < r, r - splat(1.0f), r), x);
}
inline F32x16 ceil16(F32x16 x) {
  const F32x16 r = round_even(x);
  return or_sign(select(r < x, r + splat(1.0f), r), x);
}

// 1, -1, +0 for either zero; NaN stays.
inline F32x16 sign16(F32x16 x) {
  const F32x16 zero = splat(0.0f);
  const F32x16 below = select(x < zero, splat(-1.0f), x + zero);
  return select(zero < x, splat(1.0f), below);
}

inline F32x16 leaky_relu16(F32x16 x, F32x16 alpha) {
  return select(splat(0.0f) < x, x, x * alpha);
}

}  // namespace
}  // namespace int8
