// Codes to codes on AVX-512; the bytes of codes_portable.cc (numerics.md 5 and 6). Arithmetic kernels take 16 codes at
// a time as int32, clamp 64, table lookup 32. Tails are masked: lanes past n are neither read nor written.
#include "elementwise/kernels.h"
#include "elementwise/vector_avx512vnni.h"

namespace int8 {
namespace {

template <CodeType kType>
void requantize_run(const uint8_t* x, uint8_t* y, int64_t n, const RequantizeParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const __m512i zero_point = _mm512_set1_epi32(p.x_zero_point);
  const __m512 multiplier = _mm512_set1_ps(p.multiplier);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    const __m512 v = _mm512_cvtepi32_ps(_mm512_sub_epi32(load_codes<kType>(x + i, lanes), zero_point));
    store_codes(y + i, lanes, to_codes(_mm512_mul_ps(v, multiplier)));
  }
}

void qclamp(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, int32_t lo, int32_t hi) {
  const __m512i low = _mm512_set1_epi8(static_cast<char>(lo)), high = _mm512_set1_epi8(static_cast<char>(hi));
  for (int64_t i = 0; i < n; i += 64) {
    const __mmask64 lanes = lanes64(n - i);
    const __m512i q = _mm512_maskz_loadu_epi8(lanes, x + i);
    const __m512i clamped = type == CodeType::kU8 ? _mm512_min_epu8(_mm512_max_epu8(q, low), high)
                                                  : _mm512_min_epi8(_mm512_max_epi8(q, low), high);
    _mm512_mask_storeu_epi8(y + i, lanes, clamped);
  }
}

// The table as 128 words of two entries: a word is chosen by the upper seven bits of the code (vpermi2w takes six, the
// last chooses between two of them), its byte by the lowest bit.
void lookup(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  const __m512i one = _mm512_set1_epi16(1), top = _mm512_set1_epi16(128);
  for (int64_t i = 0; i < n; i += 32) {
    const __mmask32 lanes = lanes32(n - i);
    const __m512i code = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(lanes, x + i));
    const __m512i word = _mm512_srli_epi16(code, 1);
    const __m512i low = _mm512_permutex2var_epi16(t0, word, t1), high = _mm512_permutex2var_epi16(t2, word, t3);
    const __m512i pair = _mm512_mask_blend_epi16(_mm512_test_epi16_mask(code, top), low, high);
    const __m512i shift = _mm512_slli_epi16(_mm512_and_si512(code, one), 3);
    _mm512_mask_cvtepi16_storeu_epi8(y + i, lanes, _mm512_srlv_epi16(pair, shift));
  }
}

// Code minus zero point of one operand: loaded, or one value for the whole run.
template <CodeType kType>
class Operand {
 public:
  Operand(Stepped<uint8_t> codes, int32_t zero_point) : codes_(codes), zero_point_(_mm512_set1_epi32(zero_point)) {
    const int32_t first = kType == CodeType::kU8 ? codes.p[0] : static_cast<int8_t>(codes.p[0]);
    value_ = _mm512_set1_epi32(first - zero_point);
  }
  __m512i load(int64_t i, __mmask16 lanes) const {
    if (codes_.step == 0) return value_;
    return _mm512_sub_epi32(load_codes<kType>(codes_.p + i, lanes), zero_point_);
  }

 private:
  Stepped<uint8_t> codes_;
  __m512i zero_point_, value_;
};

template <CodeType kType>
void qadd_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QAddParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const Operand<kType> oa(a, p.a_zero_point), ob(b, p.b_zero_point);
  const __m512 ma = _mm512_set1_ps(p.a_multiplier), mb = _mm512_set1_ps(p.b_multiplier);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    const __m512 va = _mm512_mul_ps(_mm512_cvtepi32_ps(oa.load(i, lanes)), ma);
    const __m512 vb = _mm512_mul_ps(_mm512_cvtepi32_ps(ob.load(i, lanes)), mb);
    store_codes(y + i, lanes, to_codes(_mm512_add_ps(va, vb)));
  }
}

template <CodeType kType>
void qmul_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QMulParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const Operand<kType> oa(a, p.a_zero_point), ob(b, p.b_zero_point);
  const __m512 multiplier = _mm512_set1_ps(p.multiplier);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    const __m512i product = _mm512_mullo_epi32(oa.load(i, lanes), ob.load(i, lanes));
    store_codes(y + i, lanes, to_codes(_mm512_mul_ps(_mm512_cvtepi32_ps(product), multiplier)));
  }
}

void requantize(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, const RequantizeParams& p) {
  type == CodeType::kU8 ? requantize_run<CodeType::kU8>(x, y, n, p) : requantize_run<CodeType::kS8>(x, y, n, p);
}
void qadd(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QAddParams& p) {
  if (n == 0) return;
  type == CodeType::kU8 ? qadd_run<CodeType::kU8>(a, b, y, n, p) : qadd_run<CodeType::kS8>(a, b, y, n, p);
}
void qmul(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QMulParams& p) {
  if (n == 0) return;
  type == CodeType::kU8 ? qmul_run<CodeType::kU8>(a, b, y, n, p) : qmul_run<CodeType::kS8>(a, b, y, n, p);
}

}  // namespace

extern const CodeKernels kCodesAvx512Vnni{requantize, qclamp, lookup, qadd, qmul};

}  // namespace int8
