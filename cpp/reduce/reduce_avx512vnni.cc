// Reductions on 16 lanes: element i lies in lane i mod 16 by itself, so a register is numerics.md 7's sixteen sums.
// Several registers at once would be other sums: a row is bound by the latency of one addition each 16 elements.
#include <immintrin.h>

#include "elementwise/math_avx512vnni.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr float kInfinity = __builtin_inff();

// 8+8, 4+4, 2+2, 1+1: lane j with lane j + half.
inline float add_lanes(__m512 lanes) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// Lanes beyond the row keep their sums, which start at +0: as if they had been added +0 never.
float sum(const float* x, int64_t length) {
  __m512 lanes = _mm512_setzero_ps();
  for (int64_t i = 0; i < length; i += 16) {
    const __mmask16 mask = lanes16(length - i);
    lanes = _mm512_mask_add_ps(lanes, mask, lanes, _mm512_maskz_loadu_ps(mask, x + i));
  }
  return add_lanes(lanes);
}

void softmax_row(const float* x, float* y, int64_t length) {
  __m512 largest16 = _mm512_set1_ps(-kInfinity);
  __mmask16 nan = 0;
  for (int64_t i = 0; i < length; i += 16) {
    const __mmask16 mask = lanes16(length - i);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    nan |= _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    largest16 = _mm512_mask_max_ps(largest16, mask, largest16, v);
  }
  // The sign of a zero does not matter: exp of +0 and of -0 is 1.
  const __m512 largest = _mm512_set1_ps(nan != 0 ? __builtin_nanf("") : _mm512_reduce_max_ps(largest16));
  for (int64_t i = 0; i < length; i += 16) {
    const __mmask16 mask = lanes16(length - i);
    _mm512_mask_storeu_ps(y + i, mask, exp16(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), largest)));
  }
  const __m512 total = _mm512_set1_ps(sum(y, length));
  for (int64_t i = 0; i < length; i += 16) {
    const __mmask16 mask = lanes16(length - i);
    _mm512_mask_storeu_ps(y + i, mask, _mm512_div_ps(_mm512_maskz_loadu_ps(mask, y + i), total));
  }
}

MinMax min_max(const float* x, int64_t length) {
  const __m512 infinity = _mm512_set1_ps(kInfinity);
  __m512 low = infinity, high = _mm512_set1_ps(-kInfinity);
  for (int64_t i = 0; i < length; i += 16) {
    const __mmask16 mask = lanes16(length - i);
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    const __mmask16 finite = _mm512_mask_cmp_ps_mask(mask, _mm512_abs_ps(v), infinity, _CMP_LT_OQ);
    low = _mm512_mask_min_ps(low, finite, low, v);
    high = _mm512_mask_max_ps(high, finite, high, v);
  }
  return {_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high)};
}

}  // namespace

const ReduceKernels kReduceAvx512Vnni = {softmax_row, sum, min_max};

}  // namespace int8
