// The epilogue of one accumulator, as numerics.md 5 writes it. Portable kernels only: files of an instruction set are
// sealed and have their own.
#pragma once

#include <bit>
#include <cstring>

#include "gemm/gemm.h"

namespace int8 {

// Half to even, for |v| < 2^22: the sum's last bit is worth 1.
inline int32_t round_to_even(float v) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23
  return std::bit_cast<int32_t>(v + kMagic) - std::bit_cast<int32_t>(kMagic);
}

// y = zy + rne(clamp(f(f(acc)*M), lo - zy, hi - zy)); the byte of the code, u8 or s8.
inline uint8_t to_code(uint32_t acc, float multiplier, const EpilogueScalars& e) {
  const float lo = static_cast<float>(e.lo - e.zero_point);
  const float hi = static_cast<float>(e.hi - e.zero_point);
  float v = static_cast<float>(static_cast<int32_t>(acc)) * multiplier;
  v = v > lo ? v : lo;
  v = v < hi ? v : hi;
  return static_cast<uint8_t>(round_to_even(v) + e.zero_point);
}

// y = clamp(f(f(f(acc)*p) + bias), lo, hi); no addition where bias is null. max(-0, +0) = +0, min(-0, +0) = -0; a NaN,
// which only an infinite scale or a bias can bring, stays.
inline float to_f32(uint32_t acc, float scale, const float* bias, const EpilogueScalars& e) {
  float v = static_cast<float>(static_cast<int32_t>(acc)) * scale;
  if (bias != nullptr) v = v + *bias;
  if (v != v) return v;
  v = v > e.float_lo ? v : e.float_lo;
  return e.float_hi < v ? e.float_hi : v;
}

// y[i] = epilogue(acc[i]) for i < n; multipliers and bias may be null as GemmBlock says.
inline void store_row(const uint32_t* acc, int64_t n, const float* multipliers, const float* bias,
                      const EpilogueScalars& e, uint8_t* y) {
  switch (e.kind) {
    case OutputKind::kU8:
    case OutputKind::kS8:
      for (int64_t i = 0; i < n; i++) y[i] = to_code(acc[i], multipliers[i], e);
      break;
    case OutputKind::kS32:
      std::memcpy(y, acc, static_cast<size_t>(n) * 4);
      break;
    case OutputKind::kF32:
      for (int64_t i = 0; i < n; i++) {
        const float v = to_f32(acc[i], multipliers[i], bias == nullptr ? nullptr : bias + i, e);
        std::memcpy(y + 4 * i, &v, 4);
      }
      break;
  }
}

}  // namespace int8
