// AVX-512 for tile_simd.h and depthwise_simd.h. Parts are masked loads and stores, the whole ones too: they cost
// nothing.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace int8 {
namespace {

struct Simd {
  using Vec = __m512;
  static constexpr int kLanes = 16;
  struct Part {
    __mmask16 lanes;
    explicit Part(int64_t left)
        : lanes(left >= kLanes ? __mmask16(0xffff)
                : left <= 0    ? __mmask16(0)
                               : __mmask16((1u << left) - 1u)) {}
  };
  static Vec splat(float v) { return _mm512_set1_ps(v); }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static Vec load(const float* p, Part part) { return _mm512_maskz_loadu_ps(part.lanes, p); }
  static void store(float* p, Vec v, Part part) { _mm512_mask_storeu_ps(p, part.lanes, v); }
  static Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
  // Lane i of each `group` lanes, a power of two, in all of them.
  static constexpr bool kGroups = true;
  static Vec from_group(Vec v, int group, int i) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_and_si512(lanes, _mm512_set1_epi32(-group));
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(i)), v);
  }

  // vmaxps gives its second operand where the two are equal or one is NaN: so v stands second, and the case of v = -0
  // with lo = +0 is mended by adding +0 (-0 leaves all as it is).
  class Clamp {
   public:
    Clamp(float low, float high)
        : lo_(_mm512_set1_ps(low)),
          hi_(_mm512_set1_ps(high)),
          zero_(low == 0.0f && !__builtin_signbit(low) ? _mm512_setzero_ps() : _mm512_set1_ps(-0.0f)) {}
    Vec operator()(Vec v) const {
      v = _mm512_min_ps(hi_, _mm512_add_ps(_mm512_max_ps(lo_, v), zero_));
      return _mm512_mask_or_ps(v, _mm512_cmp_ps_mask(v, hi_, _CMP_EQ_OQ), v, hi_);  // -0 if either is
    }

   private:
    Vec lo_, hi_, zero_;
  };
};

}  // namespace
}  // namespace int8
