// AVX2 and FMA for tile_simd.h and depthwise_simd.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace int8 {
namespace {

struct Simd {
  using Vec = __m256;
  static constexpr int kLanes = 8;
  // Masked stores are slow where a store would do.
  struct Part {
    int64_t left;
    explicit Part(int64_t n) : left(n) {}
    bool whole() const { return left >= kLanes; }
    __m256i mask() const {
      const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left)), lanes);
    }
  };
  static Vec splat(float v) { return _mm256_set1_ps(v); }
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static Vec load(const float* p, Part part) {
    return part.whole() ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, part.mask());
  }
  static void store(float* p, Vec v, Part part) {
    if (part.whole()) {
      _mm256_storeu_ps(p, v);
    } else if (part.left > 0) {
      _mm256_maskstore_ps(p, part.mask(), v);
    }
  }
  static Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
  // Lane i of each `group` lanes, a power of two, in all of them.
  static constexpr bool kGroups = true;
  static Vec from_group(Vec v, int group, int i) {
    const __m256i first = _mm256_and_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(-group));
    return _mm256_permutevar8x32_ps(v, _mm256_add_epi32(first, _mm256_set1_epi32(i)));
  }

  // vmaxps gives its second operand where the two are equal or one is NaN: so v stands second, and the case of v = -0
  // with lo = +0 is mended by adding +0 (-0 leaves all as it is).
  class Clamp {
   public:
    Clamp(float low, float high)
        : lo_(_mm256_set1_ps(low)),
          hi_(_mm256_set1_ps(high)),
          zero_(low == 0.0f && !__builtin_signbit(low) ? _mm256_setzero_ps() : _mm256_set1_ps(-0.0f)) {}
    Vec operator()(Vec v) const {
      v = _mm256_min_ps(hi_, _mm256_add_ps(_mm256_max_ps(lo_, v), zero_));
      const Vec equal = _mm256_cmp_ps(v, hi_, _CMP_EQ_OQ);
      return _mm256_or_ps(v, _mm256_and_ps(equal, hi_));  // -0 if either is
    }

   private:
    Vec lo_, hi_, zero_;
  };
};

}  // namespace
}  // namespace int8
