// Small tools of the AVX-512 files: tails, code widths, clamps. Only for files compiled with that instruction set; all
// of it is internal to each of them.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "int8/types.h"

namespace int8 {
namespace {

// Lanes that a vector of 16 (32, 64) takes of n >= 0 remaining elements.
inline __mmask16 lanes16(int64_t n) {
  return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1u);
}
inline __mmask32 lanes32(int64_t n) {
  return n >= 32 ? __mmask32(~0u) : __mmask32((1u << n) - 1u);
}
inline __mmask64 lanes64(int64_t n) {
  return n >= 64 ? __mmask64(~0ull) : __mmask64((1ull << n) - 1ull);
}

// 16 codes as int32; lanes that are off are 0 and not read.
template <CodeType kType>
__m512i load_codes(const uint8_t* p, __mmask16 lanes) {
  const __m128i bytes = _mm_maskz_loadu_epi8(lanes, p);
  return kType == CodeType::kU8 ? _mm512_cvtepu8_epi32(bytes) : _mm512_cvtepi8_epi32(bytes);
}

// The low bytes of 16 int32.
inline void store_codes(uint8_t* p, __mmask16 lanes, __m512i codes) {
  _mm512_mask_cvtepi32_storeu_epi8(p, lanes, codes);
}

// zero_point + rne(clamp(v, lo, hi)), bounds relative to the zero point. No lane is NaN.
struct ToCodes {
  __m512 lo, hi;
  __m512i zero_point;
  ToCodes(int32_t low, int32_t high, int32_t zp)
      : lo(_mm512_set1_ps(static_cast<float>(low - zp))),
        hi(_mm512_set1_ps(static_cast<float>(high - zp))),
        zero_point(_mm512_set1_epi32(zp)) {}
  __m512i operator()(__m512 v) const {
    return _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi)), zero_point);
  }
};

// IEEE min(max(v, lo), hi): NaN in v stays, +0 is above -0. vmaxps gives its second operand where the two are equal or
// one is NaN: so v stands second, and the case of v = -0 with lo = +0 is mended by adding +0 (-0 leaves all as it is).
class ClampFloat {
 public:
  ClampFloat(float low, float high)
      : lo_(_mm512_set1_ps(low)),
        hi_(_mm512_set1_ps(high)),
        zero_(low == 0.0f && !__builtin_signbit(low) ? _mm512_setzero_ps() : _mm512_set1_ps(-0.0f)) {}
  __m512 operator()(__m512 v) const {
    v = _mm512_add_ps(_mm512_max_ps(lo_, v), zero_);
    v = _mm512_min_ps(hi_, v);
    return _mm512_mask_or_ps(v, _mm512_cmp_ps_mask(v, hi_, _CMP_EQ_OQ), v, hi_);  // -0 if either is
  }

 private:
  __m512 lo_, hi_, zero_;
};

}  // namespace
}  // namespace int8
