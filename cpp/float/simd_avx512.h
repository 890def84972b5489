// AVX-512 for tile_simd.h and depthwise_simd.h. Parts are masked loads and stores, the whole ones too: they cost
// nothing.
#pragma once

#include "elementwise/vector_avx512vnni.h"

namespace int8 {
namespace {

struct Simd {
  using Vec = __m512;
  static constexpr int kLanes = 16;
  struct Part {
    __mmask16 lanes;
    explicit Part(int64_t left) : lanes(lanes16(left > 0 ? left : 0)) {}
  };
  using Clamp = ClampFloat;
  static Vec splat(float v) { return _mm512_set1_ps(v); }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static Vec load(const float* p, Part part) { return _mm512_maskz_loadu_ps(part.lanes, p); }
  static void store(float* p, Vec v, Part part) { _mm512_mask_storeu_ps(p, part.lanes, v); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace
}  // namespace int8
