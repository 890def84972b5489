// Functions of float32 that are worked out in float64 and rounded once (numerics.md 7): the twin, step by step, of
// src/backend/js/float64.ts. One text for every instruction set: vectors as wide as the file's flags allow, of plain
// operations and moved bits, so that the width does not show. Internal to each file that includes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace int8 {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kF64Lanes = 8;
#elif defined(__AVX__)
constexpr int64_t kF64Lanes = 4;
#else
constexpr int64_t kF64Lanes = 2;
#endif

typedef double F64 __attribute__((vector_size(8 * kF64Lanes)));
typedef int64_t I64 __attribute__((vector_size(8 * kF64Lanes)));
typedef uint64_t U64 __attribute__((vector_size(8 * kF64Lanes)));
typedef float F32 __attribute__((vector_size(4 * kF64Lanes)));

inline F64 splat64(double x) {
  return x - F64{};  // a sum would lose the sign of -0
}
inline F64 select64(I64 mask, F64 yes, F64 no) {
  return mask ? yes : no;
}
inline F64 abs64(F64 x) {
  return (F64)((I64)x & INT64_MAX);
}

constexpr double kMagic64 = 6755399441055744.0;  // 1.5 * 2^52: a sum with it rounds half to even
constexpr double kInfinity64 = __builtin_inf();
constexpr double kNan64 = __builtin_nan("");

// c[0] * x^n + c[1] * x^(n-1) + ... by Horner.
template <int kTerms>
inline F64 polynomial64(F64 x, const double (&c)[kTerms]) {
  F64 sum = splat64(c[0]);
  for (int i = 1; i < kTerms; i++) sum = sum * x + c[i];
  return sum;
}

// e^x; x is clamped to +-200, beyond which float32 has only 0 and infinity.
inline F64 exp64(F64 x) {
  constexpr double kTerms[] = {1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120,
                               1.0 / 24,     1.0 / 6,     0.5,        1,         1};
  const F64 c = select64(x < -200.0, splat64(-200), select64(x > 200.0, splat64(200), x));
  const F64 shifted = c * 1.4426950408889634 + kMagic64, n = shifted - kMagic64;
  // ln 2 in two parts; multiples of the first by an exponent are exact.
  const F64 r = c - n * 6.93147180369123816e-1 - n * 1.90821492927058770e-10;
  const U64 power = ((U64)shifted + 1023) << 52;
  return polynomial64(r, kTerms) * (F64)power;
}

// e^x - 1.
inline F64 exp_minus_one64(F64 x) {
  const F64 near = x * (x * (x * (x * (1.0 / 24) + 1.0 / 6) + 0.5) + 1.0);
  return select64((x > -0x1p-10) & (x < 0x1p-10), near, exp64(x) - 1.0);
}

// ln((1 + s) / (1 - s)) for |s| <= 1/3.
inline F64 log_of_ratio64(F64 s) {
  constexpr double kTerms[] = {2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
                               2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3,  2.0};
  return s * polynomial64(s * s, kTerms);
}

// ln x: 2^k * m with m from sqrt(1/2) to sqrt(2), ln m by the ratio (m - 1) / (m + 1).
inline F64 log64(F64 x) {
  constexpr uint64_t kOne = 0x3ff00000ull << 32, kRootOfHalf = 0x3fe6a09eull << 32;
  const U64 shifted = (U64)x + (kOne - kRootOfHalf);
  // k under the exponent of 2^52 is the float64 2^52 + k.
  const F64 k = (F64)((shifted >> 52) | 0x4330000000000000ull) - (0x1p52 + 1023);
  const F64 m = (F64)((shifted & 0xfffffffffffffull) + kRootOfHalf);
  const F64 y = k * 0.6931471805599453 + log_of_ratio64((m - 1.0) / (m + 1.0));
  const F64 ends = select64(x == 0.0, splat64(-kInfinity64), select64(x > 0.0, x, splat64(kNan64)));
  return select64((x > 0.0) & (x < kInfinity64), y, ends);
}

// erfc of z >= 0, given z^2: interpolates e^(z^2) erfc(z) at the Chebyshev nodes of t = (z - 3) / (z + 3), 0 <= z
// <= 14.
inline F64 erfc64(F64 z, F64 square) {
  constexpr double kTerms[] = {
      -6.766747186835171e-6, -9.817793614632858e-6, 6.36771133270917e-5,   4.333370135790682e-5, -0.0005970481827737306,
      0.0007083735144243448, 0.004269143270644061,  -0.024392604559735125, 0.0716658378471085,   -0.15011592862549747,
      0.24560380151157213,   -0.3262335602140319,   0.17900115118493123};
  const F64 c = select64(z > 14.0, splat64(14), z);
  return exp64(-square) * polynomial64((c - 3.0) / (c + 3.0), kTerms);
}

// Taylor's series below 0.5, 1 - erfc above; the sign is x's.
inline F64 erf64(F64 x) {
  constexpr double kTerms[] = {-1.492565035840625e-5, 0.00012055332981789664, -0.0008548327023450853,
                               0.005223977625442188,  -0.026866170645131252,  0.11283791670955126,
                               -0.37612638903183754,  1.1283791670955126};
  const F64 a = abs64(x);
  const F64 near = x * polynomial64(x * x, kTerms);
  const F64 far = 1.0 - erfc64(a, a * a);
  return select64(a < 0.5, near, select64(x < 0.0, -far, far));
}

// x * Phi(x): with E = erfc(|x| / sqrt(2)) / 2, x * E below 0 (there at least -20), x * (1 - E) from 0 on.
inline F64 gelu64(F64 x) {
  const F64 e = 0.5 * erfc64(abs64(x) * 0.7071067811865476, x * x * 0.5);
  return select64(x < 0.0, select64(x < -20.0, splat64(-20), x) * e, x * (1.0 - e));
}

// The factor x of functions that vanish far below 0.
inline F64 numerator64(F64 x) {
  return select64(x < -200.0, splat64(-200), x);
}

inline F64 silu64(F64 x) {
  return numerator64(x) / (1.0 + exp64(-x));
}

// x * (1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), that is x / (1 + e^-2u).
inline F64 gelu_tanh64(F64 x) {
  const F64 u = 1.5957691216057308 * (x + 0.044715 * (x * x * x));
  return numerator64(x) / (1.0 + exp64(-u));
}

// ln(1 + e^x) = max(x, 0) + ln(1 + w), w = e^-|x|.
inline F64 softplus64(F64 x) {
  const F64 w = exp64(-abs64(x));
  return select64(x < 0.0, splat64(0), x) + log_of_ratio64(w / (2.0 + w));
}

// x * tanh(softplus(x)) = x * u / (u + 2), u = w (w + 2), w = e^x.
inline F64 mish64(F64 x) {
  const F64 w = exp64(select64(x > 60.0, splat64(60), x));
  const F64 u = w * (w + 2.0);
  return numerator64(x) * (u / (u + 2.0));
}

inline F64 elu64(F64 x, double alpha) {
  return select64(x > 0.0, x, alpha * exp_minus_one64(x));
}

// x to the power y, with IEEE 754's special cases; 1, 2, 3, -1 and 0.5 as x, x*x, x*x*x, 1/x and sqrt(x).
inline F64 pow64(F64 x, F64 y) {
  const F64 a = abs64(x);
  const F64 power = select64(a == 1.0, splat64(1), exp64(y * log64(a)));
  // A float32 from 2^24 on is an even integer.
  const F64 size = abs64(y), half = y * 0.5;
  const I64 huge = size > 0x1p30;
  const I64 whole = huge | ((y + kMagic64) - kMagic64 == y);
  const I64 odd = whole & ~huge & ((half + kMagic64) - kMagic64 != half);
  const I64 negative = (I64)x < 0;
  F64 z = select64(negative & odd, -power, power);
  z = select64((x < 0.0) & (x != -kInfinity64) & ~whole, splat64(kNan64), z);
  z = select64((x != x) | (y != y), splat64(kNan64), z);
  z = select64(y == -1.0, 1.0 / x, z);
  z = select64(y == 3.0, x * x * x, z);
  z = select64(y == 2.0, x * x, z);
  z = select64(y == 1.0, x, z);
  for (int64_t i = 0; i < kF64Lanes; i++) {
    if (y[i] == 0.5) z[i] = x[i] == -kInfinity64 ? kInfinity64 : __builtin_sqrt(x[i]) + 0.0;
  }
  return select64((y == 0.0) | (x == 1.0), splat64(1), z);
}

inline F64 load64(const float* p, int64_t left) {
  F32 some = {};
  if (left >= kF64Lanes) {
    __builtin_memcpy(&some, p, sizeof some);
  } else {
    __builtin_memcpy(&some, p, static_cast<size_t>(left) * sizeof(float));
  }
  return __builtin_convertvector(some, F64);
}
inline void store64(float* p, F64 x, int64_t left) {
  const F32 some = __builtin_convertvector(x, F32);
  if (left >= kF64Lanes) {
    __builtin_memcpy(p, &some, sizeof some);
  } else {
    __builtin_memcpy(p, &some, static_cast<size_t>(left) * sizeof(float));
  }
}

// y[i] = fn(x[i]), rounded to float32.
template <class Fn>
void map64(const float* x, float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; i += kF64Lanes) store64(y + i, fn(load64(x + i, n - i)), n - i);
}

// y = x to the power b, steps 0 or 1 of x and b; a square needs no logarithm.
inline void pow_run(const float* x, int64_t x_step, const float* b, int64_t b_step, float* y, int64_t n) {
  if (b_step == 0 && x_step == 1 && n > 0 && b[0] == 2.0f) return map64(x, y, n, [](F64 v) { return v * v; });
  const F64 x0 = splat64(n > 0 ? x[0] : 0), b0 = splat64(n > 0 ? b[0] : 0);
  for (int64_t i = 0; i < n; i += kF64Lanes) {
    const int64_t left = n - i;
    store64(y + i, pow64(x_step == 0 ? x0 : load64(x + i, left), b_step == 0 ? b0 : load64(b + i, left)), left);
  }
}

}  // namespace
}  // namespace int8
