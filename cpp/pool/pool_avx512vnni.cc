// Pools over channels: 64 codes or 16 floats of every pixel of the window at once, tails by masks (numerics.md 6, 7).
//
// Average of codes: vpdpbusd adds the codes of four pixels at a time, interleaved, against ones; s8 codes are shifted
// to u8 and the shift is repaid with the zero point. Sums stay below 2^31 for windows of up to 2^22 pixels, and the
// portable kernel, which sums in 64 bits, takes larger ones.
// Average of floats: lane j of the 16 of numerics.md 7 is a register that holds it for 16 channels.
#include <immintrin.h>

#include "elementwise/vector_avx512vnni.h"
#include "pool/kernels.h"

namespace int8 {
namespace {

constexpr int64_t kLargestSum = int64_t{1} << 22;

void qmax(const PoolWindow<uint8_t>& window, CodeType type, uint8_t* y) {
  const bool is_signed = type == CodeType::kS8;
  for (int64_t c = 0; c < window.channels; c += 64) {
    const __mmask64 lanes = lanes64(window.channels - c);
    __m512i largest = is_signed ? _mm512_set1_epi8(-128) : _mm512_setzero_si512();
    for (int64_t i = 0; i < window.count; i++) {
      const __m512i x = _mm512_maskz_loadu_epi8(lanes, window.rows[i] + c);
      largest = is_signed ? _mm512_max_epi8(largest, x) : _mm512_max_epu8(largest, x);
    }
    _mm512_mask_storeu_epi8(y + c, lanes, largest);
  }
}

void qavg(const PoolWindow<uint8_t>& window, CodeType x_type, uint8_t* y, const AveragePixel& p) {
  if (window.count > kLargestSum) {
    kPoolPortable.qavg(window, x_type, y, p);
    return;
  }
  const __m128i flip = _mm_set1_epi8(x_type == CodeType::kS8 ? -128 : 0);
  const int32_t zero = x_type == CodeType::kS8 ? p.x_zero_point + 128 : p.x_zero_point;
  const __m512i start = _mm512_set1_epi32(static_cast<int32_t>(-zero * window.count));
  const __m512i ones = _mm512_set1_epi32(0x01010101);
  const __m512 multiplier = _mm512_set1_ps(p.multiplier);
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  for (int64_t c = 0; c < window.channels; c += 16) {
    const __mmask16 lanes = lanes16(window.channels - c);
    const auto load = [&](int64_t i) { return _mm_xor_si128(_mm_maskz_loadu_epi8(lanes, window.rows[i] + c), flip); };
    __m512i sum = start;
    int64_t i = 0;
    for (; i + 4 <= window.count; i += 4) {
      const __m128i a = load(i), b = load(i + 1), d = load(i + 2), e = load(i + 3);
      const __m128i ab0 = _mm_unpacklo_epi8(a, b), ab1 = _mm_unpackhi_epi8(a, b);
      const __m128i de0 = _mm_unpacklo_epi8(d, e), de1 = _mm_unpackhi_epi8(d, e);
      const __m256i low = _mm256_set_m128i(_mm_unpackhi_epi16(ab0, de0), _mm_unpacklo_epi16(ab0, de0));
      const __m256i high = _mm256_set_m128i(_mm_unpackhi_epi16(ab1, de1), _mm_unpacklo_epi16(ab1, de1));
      const __m512i quads = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
      sum = _mm512_dpbusd_epi32(sum, quads, ones);
    }
    for (; i < window.count; i++) sum = _mm512_add_epi32(sum, _mm512_cvtepu8_epi32(load(i)));
    store_codes(y + c, lanes, to_codes(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), multiplier)));
  }
}

// IEEE maximum: NaN wins, +0 is above -0. vmaxps gives its second operand where one is NaN or both are equal.
inline __m512 maximum16(__m512 a, __m512 b) {
  const __m512 larger = _mm512_max_ps(a, b);
  const __m512 with_nan = _mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
  return _mm512_mask_and_ps(with_nan, _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), a, b);
}

void fmax(const PoolWindow<float>& window, float* y) {
  for (int64_t c = 0; c < window.channels; c += 16) {
    const __mmask16 lanes = lanes16(window.channels - c);
    __m512 largest = _mm512_set1_ps(-__builtin_inff());
    for (int64_t i = 0; i < window.count; i++)
      largest = maximum16(largest, _mm512_maskz_loadu_ps(lanes, window.rows[i] + c));
    _mm512_mask_storeu_ps(y + c, lanes, largest);
  }
}

void favg(const PoolWindow<float>& window, float* y, float divisor) {
  const __m512 by = _mm512_set1_ps(divisor);
  for (int64_t c = 0; c < window.channels; c += 16) {
    const __mmask16 lanes = lanes16(window.channels - c);
    __m512 sums[16];
    for (__m512& sum : sums) sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < window.count; i++) {
      __m512& sum = sums[i % 16];
      sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, window.rows[i] + c));
    }
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; j++) sums[j] = _mm512_add_ps(sums[j], sums[j + half]);
    }
    _mm512_mask_storeu_ps(y + c, lanes, _mm512_div_ps(sums[0], by));
  }
}

}  // namespace

const PoolKernels kPoolAvx512Vnni = {qmax, qavg, fmax, favg};

}  // namespace int8
