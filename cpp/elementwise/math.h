// Scalar float32 arithmetic of the portable kernels, to the bit (numerics.md 2 and 7). src/backend/js/math.ts is its
// twin step by step; math_avx512vnni.h holds the same steps on vectors. Not for files that have instruction-set flags.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace int8 {

// a*b + c, rounded once.
#ifdef __FP_FAST_FMAF
inline float fma_once(float a, float b, float c) {
  return std::fma(a, b, c);
}
#else
// Without an fma instruction: the product is exact in float64, and the float64 sum, rounded a second time to float32,
// is wrong only where it falls on the middle of two float32 values (the 29 bits that go are 1 0...0) or where the
// result is denormal; std::fma takes those. Several times as fast as std::fma throughout.
inline float fma_once(float a, float b, float c) {
  const double sum = static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c);
  const auto bits = std::bit_cast<uint64_t>(sum);
  const uint64_t exponent = (bits >> 52) & 0x7ff;
  constexpr uint64_t kSmallestNormal = 1023 - 126;
  if ((bits & 0x1fffffff) != 0x10000000 && exponent >= kSmallestNormal) return static_cast<float>(sum);
  return std::fma(a, b, c);
}
#endif

// Rounds |v| < 2^22 to an integer, half to even.
inline int32_t rne_small(float v) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: the last place is 1
  return static_cast<int32_t>((v + kMagic) - kMagic);
}

// Rounds |v| < 2^51 to an integer, half to even.
inline int64_t rne_wide(double v) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  return static_cast<int64_t>((v + kMagic) - kMagic);
}

// min(max(v, lo), hi) of numbers of which none is NaN, the sign of zero aside.
inline float clamp_number(float v, float lo, float hi) {
  v = v > lo ? v : lo;
  return v < hi ? v : hi;
}

// zero_point + rne(clamp(v, lo, hi)): the end of every kernel that makes codes; lo and hi are relative to zero_point.
inline uint8_t to_code(float v, float lo, float hi, int32_t zero_point) {
  return static_cast<uint8_t>(rne_small(clamp_number(v, lo, hi)) + zero_point);
}

// IEEE maximum and minimum: a NaN wins, +0 is above -0.
inline float maximum(float a, float b) {
  if (a != a || b != b) return a + b;
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
inline float minimum(float a, float b) {
  if (a != a || b != b) return a + b;
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

// 2^k, -126 <= k <= 127.
inline float power_of_two(int32_t k) {
  return std::bit_cast<float>((k + 127) << 23);
}

// e^x. Below -104 it is 0, above 89 infinity.
inline float exp_float(float x) {
  if (x != x) return x;
  const float c = clamp_number(x, -104.0f, 89.0f);
  const int32_t n = rne_small(c * 1.44269504f);
  const auto nf = static_cast<float>(n);
  // ln 2 in two parts; multiples of the first by an exponent are exact.
  const float r = fma_once(nf, 2.12194440e-4f, fma_once(nf, -0.693359375f, c));
  float q = fma_once(1.9875691500e-4f, r, 1.3981999507e-3f);
  q = fma_once(q, r, 8.3334519073e-3f);
  q = fma_once(q, r, 4.1665795894e-2f);
  q = fma_once(q, r, 1.6666665459e-1f);
  q = fma_once(q, r, 5.0000001201e-1f);
  const float p = fma_once(q, r * r, r) + 1.0f;
  // The first product is exact, the second rounds once, also to denormals and infinity.
  const int32_t half = n >> 1;
  return (p * power_of_two(half)) * power_of_two(n - half);
}

// With z = e^-|x|: 1/(1+z) for x >= 0; below it s = z/(1+z), refined to z - z*s.
inline float sigmoid_float(float x) {
  const float z = exp_float(-std::fabs(x));
  const float d = 1.0f + z;
  return x < 0.0f ? fma_once(-z, z / d, z) : 1.0f / d;
}

// An odd polynomial below 0.625, 1 - 2/(1 + e^2|x|) above; the sign is x's.
inline float tanh_float(float x) {
  const float a = std::fabs(x);
  float t;
  if (a < 0.625f) {
    const float s = a * a;
    float q = fma_once(-5.70498872745e-3f, s, 2.06390887954e-2f);
    q = fma_once(q, s, -5.37397155531e-2f);
    q = fma_once(q, s, 1.33314422036e-1f);
    q = fma_once(q, s, -3.33332819422e-1f);
    t = fma_once(q * s, a, a);
  } else {
    t = 1.0f - 2.0f / (1.0f + exp_float(a + a));
  }
  return std::copysign(t, x);
}

// f(f(x * clamp(f(x + 3), 0, 6)) / 6), PyTorch's order of steps.
inline float hardswish_float(float x) {
  return (x * minimum(maximum(x + 3.0f, 0.0f), 6.0f)) / 6.0f;
}

// 1, -1, +0 for either zero; NaN stays.
inline float sign_float(float x) {
  return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? 0.0f : x;
}

inline float leaky_relu_float(float x, float alpha) {
  return x > 0.0f ? x : x * alpha;
}

}  // namespace int8
