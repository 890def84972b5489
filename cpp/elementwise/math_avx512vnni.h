// exp, sigmoid, tanh, hardswish and leaky ReLU on 16 lanes: the steps of math.h, one for one (numerics.md 7). Only for
// files compiled with AVX-512; internal to each of them.
#pragma once

#include <immintrin.h>

#include "elementwise/vector_avx512vnni.h"

namespace int8 {
namespace {

inline __m512 splat(float v) {
  return _mm512_set1_ps(v);
}

// vscalefps is p * 2^n rounded once: what the two exact-then-rounded products of math.h give. vmaxps and vminps return
// their second operand where one is NaN.
inline __m512 exp16(__m512 x) {
  const __m512 c = _mm512_min_ps(splat(89.0f), _mm512_max_ps(splat(-104.0f), x));
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(c, splat(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
  const __m512 r = _mm512_fmadd_ps(n, splat(2.12194440e-4f), _mm512_fmadd_ps(n, splat(-0.693359375f), c));
  __m512 q = _mm512_fmadd_ps(splat(1.9875691500e-4f), r, splat(1.3981999507e-3f));
  q = _mm512_fmadd_ps(q, r, splat(8.3334519073e-3f));
  q = _mm512_fmadd_ps(q, r, splat(4.1665795894e-2f));
  q = _mm512_fmadd_ps(q, r, splat(1.6666665459e-1f));
  q = _mm512_fmadd_ps(q, r, splat(5.0000001201e-1f));
  const __m512 p = _mm512_add_ps(_mm512_fmadd_ps(q, _mm512_mul_ps(r, r), r), splat(1.0f));
  return _mm512_scalef_ps(p, n);
}

inline __m512 sigmoid16(__m512 x) {
  const __m512 z = exp16(_mm512_or_ps(x, splat(-0.0f)));
  const __m512 d = _mm512_add_ps(splat(1.0f), z);
  const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
  const __m512 s = _mm512_div_ps(_mm512_mask_blend_ps(below, splat(1.0f), z), d);
  return _mm512_mask_mov_ps(s, below, _mm512_fnmadd_ps(z, s, z));
}

inline __m512 tanh16(__m512 x) {
  const __m512 a = _mm512_abs_ps(x);
  const __m512 s = _mm512_mul_ps(a, a);
  __m512 q = _mm512_fmadd_ps(splat(-5.70498872745e-3f), s, splat(2.06390887954e-2f));
  q = _mm512_fmadd_ps(q, s, splat(-5.37397155531e-2f));
  q = _mm512_fmadd_ps(q, s, splat(1.33314422036e-1f));
  q = _mm512_fmadd_ps(q, s, splat(-3.33332819422e-1f));
  const __m512 near = _mm512_fmadd_ps(_mm512_mul_ps(q, s), a, a);
  const __m512 e = exp16(_mm512_add_ps(a, a));
  const __m512 far = _mm512_sub_ps(splat(1.0f), _mm512_div_ps(splat(2.0f), _mm512_add_ps(splat(1.0f), e)));
  const __m512 t = _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, splat(0.625f), _CMP_LT_OQ), far, near);
  return _mm512_or_ps(t, _mm512_and_ps(x, splat(-0.0f)));
}

inline __m512 hardswish16(__m512 x) {
  const ClampFloat clamp(0.0f, 6.0f);
  return _mm512_div_ps(_mm512_mul_ps(x, clamp(_mm512_add_ps(x, splat(3.0f)))), splat(6.0f));
}

inline __m512 leaky_relu16(__m512 x, __m512 alpha) {
  const __mmask16 above = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
  return _mm512_mask_blend_ps(above, _mm512_mul_ps(x, alpha), x);
}

}  // namespace
}  // namespace int8
