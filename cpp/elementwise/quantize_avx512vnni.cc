// Quantize and dequantize on AVX-512, 16 elements at a time; the bytes of quantize_portable.cc (numerics.md 2). Tails
// are masked: lanes past n are neither read nor written. NaN becomes +0 by a masked move.
#include "elementwise/kernels.h"
#include "elementwise/vector_avx512vnni.h"

namespace int8 {
namespace {

// Scales, their reciprocals and zero points of 16 elements: constant, or loaded for each vector.
template <bool kVarying>
struct Affine16 {
  const AffineRun& run;
  __m512 scale, reciprocal;
  __m512i zero_point;

  explicit Affine16(const AffineRun& r) : run(r) {
    if (!kVarying) {
      scale = _mm512_set1_ps(run.scales[0]);
      reciprocal = _mm512_div_ps(_mm512_set1_ps(1.0f), scale);
      zero_point = _mm512_set1_epi32(run.zero_points[0]);
    }
  }
  template <bool kReciprocal>
  void load(int64_t i, __mmask16 lanes) {
    if (!kVarying) return;
    scale = _mm512_mask_loadu_ps(_mm512_set1_ps(1.0f), lanes, run.scales + i);
    if (kReciprocal) reciprocal = _mm512_div_ps(_mm512_set1_ps(1.0f), scale);
    zero_point = _mm512_maskz_loadu_epi32(lanes, run.zero_points + i);
  }
};

template <bool kDivide, bool kVarying>
__m512 scaled(const float* x, __mmask16 lanes, const Affine16<kVarying>& affine) {
  const __m512 v = _mm512_maskz_loadu_ps(lanes, x);
  const __m512 s = kDivide ? _mm512_div_ps(v, affine.scale) : _mm512_mul_ps(v, affine.reciprocal);
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(s, s, _CMP_ORD_Q), s);
}

template <bool kDivide, bool kVarying>
void quantize_run(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  Affine16<kVarying> affine(run.affine);
  const __m512i qmin = _mm512_set1_epi32(run.qmin), qmax = _mm512_set1_epi32(run.qmax);
  __m512 lo = _mm512_setzero_ps(), hi = lo;
  if (!kVarying) {
    lo = _mm512_cvtepi32_ps(_mm512_sub_epi32(qmin, affine.zero_point));
    hi = _mm512_cvtepi32_ps(_mm512_sub_epi32(qmax, affine.zero_point));
  }
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    affine.template load<!kDivide>(i, lanes);
    if (kVarying) {
      lo = _mm512_cvtepi32_ps(_mm512_sub_epi32(qmin, affine.zero_point));
      hi = _mm512_cvtepi32_ps(_mm512_sub_epi32(qmax, affine.zero_point));
    }
    const __m512 v = scaled<kDivide, kVarying>(x + i, lanes, affine);
    const __m512i q = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(v, lo), hi));
    store_codes(y + i, lanes, _mm512_add_epi32(q, affine.zero_point));
  }
}

// Eight values in float64, where every step is exact: v is clamped to +-2^33 and rounded, all sums are below 2^34.
__m256i to_s32(__m256 v, __m256i zero_point, __m512d qmin, __m512d qmax) {
  const __m512d q = _mm512_roundscale_pd(_mm512_cvtps_pd(v), _MM_FROUND_TO_NEAREST_INT);
  const __m512d shifted = _mm512_add_pd(q, _mm512_cvtepi32_pd(zero_point));
  return _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(shifted, qmin), qmax));
}

template <bool kDivide, bool kVarying>
void quantize_s32_run(const float* x, int32_t* y, int64_t n, const QuantizeRun& run) {
  Affine16<kVarying> affine(run.affine);
  const __m512d qmin = _mm512_set1_pd(run.qmin), qmax = _mm512_set1_pd(run.qmax);
  const __m512 beyond = _mm512_set1_ps(8589934592.0f);  // 2^33
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    affine.template load<!kDivide>(i, lanes);
    __m512 v = scaled<kDivide, kVarying>(x + i, lanes, affine);
    v = _mm512_min_ps(_mm512_max_ps(v, _mm512_sub_ps(_mm512_setzero_ps(), beyond)), beyond);
    const __m256i low = to_s32(_mm512_castps512_ps256(v), _mm512_castsi512_si256(affine.zero_point), qmin, qmax);
    const __m256i high =
        to_s32(_mm512_extractf32x8_ps(v, 1), _mm512_extracti32x8_epi32(affine.zero_point, 1), qmin, qmax);
    _mm512_mask_storeu_epi32(y + i, lanes, _mm512_inserti32x8(_mm512_castsi256_si512(low), high, 1));
  }
}

template <CodeType kType, bool kVarying>
void dequantize_run(const uint8_t* x, float* y, int64_t n, const AffineRun& run) {
  Affine16<kVarying> affine(run);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    affine.template load<false>(i, lanes);
    const __m512 v = _mm512_cvtepi32_ps(_mm512_sub_epi32(load_codes<kType>(x + i, lanes), affine.zero_point));
    _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(v, affine.scale));
  }
}

// q - zp in float64, exact, then rounded to float32 once.
__m256 difference(__m256i q, __m256i zero_point) {
  return _mm512_cvtpd_ps(_mm512_sub_pd(_mm512_cvtepi32_pd(q), _mm512_cvtepi32_pd(zero_point)));
}

template <bool kVarying>
void dequantize_s32_run(const int32_t* x, float* y, int64_t n, const AffineRun& run) {
  Affine16<kVarying> affine(run);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    affine.template load<false>(i, lanes);
    const __m512i q = _mm512_maskz_loadu_epi32(lanes, x + i);
    const __m256 low = difference(_mm512_castsi512_si256(q), _mm512_castsi512_si256(affine.zero_point));
    const __m256 high = difference(_mm512_extracti32x8_epi32(q, 1), _mm512_extracti32x8_epi32(affine.zero_point, 1));
    const __m512 v = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    _mm512_mask_storeu_ps(y + i, lanes, _mm512_mul_ps(v, affine.scale));
  }
}

void quantize(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  if (run.divide) {
    run.affine.varying ? quantize_run<true, true>(x, y, n, run) : quantize_run<true, false>(x, y, n, run);
  } else {
    run.affine.varying ? quantize_run<false, true>(x, y, n, run) : quantize_run<false, false>(x, y, n, run);
  }
}

void quantize_s32(const float* x, int32_t* y, int64_t n, const QuantizeRun& run) {
  if (run.divide) {
    run.affine.varying ? quantize_s32_run<true, true>(x, y, n, run) : quantize_s32_run<true, false>(x, y, n, run);
  } else {
    run.affine.varying ? quantize_s32_run<false, true>(x, y, n, run) : quantize_s32_run<false, false>(x, y, n, run);
  }
}

void dequantize(const uint8_t* x, CodeType type, float* y, int64_t n, const AffineRun& run) {
  if (type == CodeType::kU8) {
    run.varying ? dequantize_run<CodeType::kU8, true>(x, y, n, run)
                : dequantize_run<CodeType::kU8, false>(x, y, n, run);
  } else {
    run.varying ? dequantize_run<CodeType::kS8, true>(x, y, n, run)
                : dequantize_run<CodeType::kS8, false>(x, y, n, run);
  }
}

void dequantize_s32(const int32_t* x, float* y, int64_t n, const AffineRun& run) {
  run.varying ? dequantize_s32_run<true>(x, y, n, run) : dequantize_s32_run<false>(x, y, n, run);
}

}  // namespace

extern const QuantizeKernels kQuantizeAvx512Vnni{quantize, quantize_s32, dequantize, dequantize_s32};

}  // namespace int8
