// Sixteen lanes on AVX-512: one register. What every lanes_<set>.h provides is listed in lanes_avx2.h.
// Only for files compiled with the instruction set; all of it is internal to each of them.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "int8/types.h"

namespace int8 {
namespace {

// Which lanes exist of `left` elements that remain: loads and stores touch no other.
struct Lanes {
  __mmask16 mask;
  explicit Lanes(int64_t left) : mask(left >= 16 ? __mmask16(0xffff) : static_cast<__mmask16>((1u << left) - 1u)) {}
};

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};
struct U16x16 {
  __m256i v;
};
struct Mask16 {
  __mmask16 m;
};

inline F32x16 splat(float x) {
  return {_mm512_set1_ps(x)};
}
inline I32x16 splat(int32_t x) {
  return {_mm512_set1_epi32(x)};
}
inline F32x16 load(const float* p, Lanes lanes) {
  return {_mm512_maskz_loadu_ps(lanes.mask, p)};
}
inline void store(float* p, F32x16 x, Lanes lanes) {
  _mm512_mask_storeu_ps(p, lanes.mask, x.v);
}
inline I32x16 load(const int32_t* p, Lanes lanes) {
  return {_mm512_maskz_loadu_epi32(lanes.mask, p)};
}
inline void store(int32_t* p, I32x16 x, Lanes lanes) {
  _mm512_mask_storeu_epi32(p, lanes.mask, x.v);
}
template <CodeType kType>
I32x16 load_codes(const uint8_t* p, Lanes lanes) {
  const __m128i bytes = _mm_maskz_loadu_epi8(lanes.mask, p);
  return {kType == CodeType::kU8 ? _mm512_cvtepu8_epi32(bytes) : _mm512_cvtepi8_epi32(bytes)};
}
inline void store_codes(uint8_t* p, I32x16 x, Lanes lanes) {
  _mm512_mask_cvtepi32_storeu_epi8(p, lanes.mask, x.v);
}

inline F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline F32x16 fma_negated(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm512_fnmadd_ps(a.v, b.v, c.v)};
}
inline F32x16 abs(F32x16 x) {
  return {_mm512_abs_ps(x.v)};
}
inline F32x16 sqrt(F32x16 x) {
  return {_mm512_sqrt_ps(x.v)};
}
inline F32x16 or_sign(F32x16 x, F32x16 sign) {
  return {_mm512_or_ps(x.v, _mm512_and_ps(sign.v, _mm512_set1_ps(-0.0f)))};
}
inline F32x16 round_even(F32x16 x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT)};
}
inline Mask16 operator<(F32x16 a, F32x16 b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
inline Mask16 is_nan(F32x16 x) {
  return {_mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q)};
}
inline bool any(Mask16 mask) {
  return mask.m != 0;
}
inline F32x16 select(Mask16 mask, F32x16 yes, F32x16 no) {
  return {_mm512_mask_blend_ps(mask.m, no.v, yes.v)};
}
inline F32x16 keep(Lanes lanes, F32x16 x, F32x16 other) {
  return {_mm512_mask_blend_ps(lanes.mask, other.v, x.v)};
}
// vmaxps and vminps return their second operand where one is NaN or both are equal.
inline F32x16 at_least(F32x16 x, F32x16 bound) {
  return {_mm512_max_ps(bound.v, x.v)};
}
inline F32x16 at_most(F32x16 x, F32x16 bound) {
  return {_mm512_min_ps(bound.v, x.v)};
}
inline F32x16 maximum(F32x16 a, F32x16 b) {
  const __m512 larger = _mm512_max_ps(a.v, b.v);
  const __m512 with_nan = _mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v);
  return {_mm512_mask_and_ps(with_nan, _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ), a.v, b.v)};
}
inline F32x16 minimum(F32x16 a, F32x16 b) {
  const __m512 smaller = _mm512_min_ps(a.v, b.v);
  const __m512 with_nan = _mm512_mask_mov_ps(smaller, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), a.v);
  return {_mm512_mask_or_ps(with_nan, _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ), a.v, b.v)};
}
// The maximum of many.
class Largest {
 public:
  void add(F32x16 x) { largest_ = maximum(largest_, x); }
  F32x16 get() const { return largest_; }

 private:
  F32x16 largest_ = splat(-__builtin_inff());
};
// vscalefps is p * 2^n rounded once: what the two exact-then-rounded products of math.h give.
inline F32x16 scale_by_power_of_two(F32x16 p, F32x16 n) {
  return {_mm512_scalef_ps(p.v, n.v)};
}
inline float add_lanes(F32x16 x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float largest_lane(F32x16 x) {
  return _mm512_reduce_max_ps(x.v);
}
inline float smallest_lane(F32x16 x) {
  return _mm512_reduce_min_ps(x.v);
}

inline I32x16 operator+(I32x16 a, I32x16 b) {
  return {_mm512_add_epi32(a.v, b.v)};
}
inline I32x16 operator-(I32x16 a, I32x16 b) {
  return {_mm512_sub_epi32(a.v, b.v)};
}
inline I32x16 operator*(I32x16 a, I32x16 b) {
  return {_mm512_mullo_epi32(a.v, b.v)};
}
inline F32x16 to_float(I32x16 x) {
  return {_mm512_cvtepi32_ps(x.v)};
}
inline I32x16 to_int(F32x16 x) {
  return {_mm512_cvtps_epi32(x.v)};
}

// clamp(rne(v) + zero_point, qmin, qmax) in float64, where every step is exact.
inline __m256i shifted8(__m256 v, __m256i zero_point, double qmin, double qmax) {
  const __m512d q = _mm512_roundscale_pd(_mm512_cvtps_pd(v), _MM_FROUND_TO_NEAREST_INT);
  const __m512d sum = _mm512_add_pd(q, _mm512_cvtepi32_pd(zero_point));
  return _mm512_cvtpd_epi32(_mm512_min_pd(_mm512_max_pd(sum, _mm512_set1_pd(qmin)), _mm512_set1_pd(qmax)));
}
inline I32x16 round_and_shift(F32x16 v, I32x16 zero_point, double qmin, double qmax) {
  const __m256i low = shifted8(_mm512_castps512_ps256(v.v), _mm512_castsi512_si256(zero_point.v), qmin, qmax);
  const __m256i high = shifted8(_mm512_extractf32x8_ps(v.v, 1), _mm512_extracti32x8_epi32(zero_point.v, 1), qmin, qmax);
  return {_mm512_inserti32x8(_mm512_castsi256_si512(low), high, 1)};
}
// q - zero_point, which takes 33 bits, rounded to float32 once.
inline __m256 difference8(__m256i q, __m256i zero_point) {
  return _mm512_cvtpd_ps(_mm512_sub_pd(_mm512_cvtepi32_pd(q), _mm512_cvtepi32_pd(zero_point)));
}
inline F32x16 wide_difference(I32x16 q, I32x16 zero_point) {
  const __m256 low = difference8(_mm512_castsi512_si256(q.v), _mm512_castsi512_si256(zero_point.v));
  const __m256 high = difference8(_mm512_extracti32x8_epi32(q.v, 1), _mm512_extracti32x8_epi32(zero_point.v, 1));
  return {_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1)};
}

inline U16x16 no_words() {
  return {_mm256_setzero_si256()};
}
// words + (codes ^ flip).
inline U16x16 add_codes(U16x16 words, const uint8_t* p, uint8_t flip, Lanes lanes) {
  const __m128i bytes = _mm_xor_si128(_mm_maskz_loadu_epi8(lanes.mask, p), _mm_set1_epi8(static_cast<char>(flip)));
  return {_mm256_add_epi16(words.v, _mm256_cvtepu8_epi16(bytes))};
}
inline I32x16 to_int(U16x16 words) {
  return {_mm512_cvtepu16_epi32(words.v)};
}

// Codes as they lie, kBytes of them.
constexpr int64_t kBytes = 64;
struct Bytes {
  __m512i v;
};
struct ByteLanes {
  __mmask64 mask;
  explicit ByteLanes(int64_t left) : mask(left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1) {}
};
inline Bytes splat_byte(int32_t x) {
  return {_mm512_set1_epi8(static_cast<char>(x))};
}
inline Bytes load(const uint8_t* p, ByteLanes lanes) {
  return {_mm512_maskz_loadu_epi8(lanes.mask, p)};
}
inline void store(uint8_t* p, Bytes x, ByteLanes lanes) {
  _mm512_mask_storeu_epi8(p, lanes.mask, x.v);
}
inline Bytes operator-(Bytes a, Bytes b) {
  return {_mm512_sub_epi8(a.v, b.v)};
}
template <CodeType kType>
Bytes larger(Bytes a, Bytes b) {
  return {kType == CodeType::kU8 ? _mm512_max_epu8(a.v, b.v) : _mm512_max_epi8(a.v, b.v)};
}
template <CodeType kType>
Bytes smaller(Bytes a, Bytes b) {
  return {kType == CodeType::kU8 ? _mm512_min_epu8(a.v, b.v) : _mm512_min_epi8(a.v, b.v)};
}

// vphminposuw finds the least of eight words: of their bytes, where the upper ones are 0.
inline uint8_t largest_of(__m128i x) {
  const __m128i rest = _mm_xor_si128(x, _mm_set1_epi8(-1));
  const __m128i pairs = _mm_min_epu8(rest, _mm_srli_epi16(rest, 8));
  return static_cast<uint8_t>(~_mm_extract_epi8(_mm_minpos_epu16(pairs), 0));
}
inline uint8_t largest_of(Bytes x) {
  const __m256i half = _mm256_max_epu8(_mm512_castsi512_si256(x.v), _mm512_extracti64x4_epi64(x.v, 1));
  return largest_of(_mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}
struct ByteTotal {
  __m512i v;
};
inline ByteTotal add(ByteTotal total, Bytes x) {
  return {_mm512_add_epi64(total.v, _mm512_sad_epu8(x.v, _mm512_setzero_si512()))};
}
inline uint64_t total_of(ByteTotal total) {
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(total.v));
}

// Codes as floats and back, in the order that unpacks give and packs take. Four vectors, a group of 16 lanes each.
constexpr int kGroups = 4;
struct Floats {
  F32x16 v[kGroups];
};
// Sums of at most 256 codes (as u8: bytes ^ flip) in words, and sums less `offset` - 2^23 as floats: a word under the
// upper half of 2^23 is the float 2^23 + word, so nothing is converted, and all of it is exact.
struct WordSums {
  __m512i low, high;
};
inline WordSums no_sums() {
  return {_mm512_setzero_si512(), _mm512_setzero_si512()};
}
inline WordSums add(WordSums sums, Bytes x, uint8_t flip) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i bytes = _mm512_xor_si512(x.v, _mm512_set1_epi8(static_cast<char>(flip)));
  return {_mm512_add_epi16(sums.low, _mm512_unpacklo_epi8(bytes, zero)),
          _mm512_add_epi16(sums.high, _mm512_unpackhi_epi8(bytes, zero))};
}
// Sums of windows, of as many codes (u8), in fewer operations: words of two bytes add up modulo 2^16, and so do their
// upper bytes, from which the lower ones' sums follow.
struct PairSums {
  __m512i pairs, upper;
};
inline PairSums no_pairs() {
  return {_mm512_setzero_si512(), _mm512_setzero_si512()};
}
inline PairSums add(PairSums sums, Bytes x) {
  return {_mm512_add_epi16(sums.pairs, x.v), _mm512_add_epi16(sums.upper, _mm512_srli_epi16(x.v, 8))};
}
inline WordSums words_of(PairSums sums) {
  const __m512i lower = _mm512_sub_epi16(sums.pairs, _mm512_slli_epi16(sums.upper, 8));
  return {_mm512_unpacklo_epi16(lower, sums.upper), _mm512_unpackhi_epi16(lower, sums.upper)};
}
// The sum of nine codes (u8). Three bytes add up to the bits that an odd number of them has, and twice those that two
// have: four such sums of three, and four bytes with their weights are left.
constexpr bool kSumsNine = true;
template <class Code>
WordSums sum_of_nine(const Code& code) {
  struct Three {
    __m512i odd, carry;
    Three(__m512i a, __m512i b, __m512i c)
        : odd(_mm512_ternarylogic_epi32(a, b, c, 0x96)), carry(_mm512_ternarylogic_epi32(a, b, c, 0xe8)) {}
  };
  const Three a(code(0).v, code(1).v, code(2).v), b(code(3).v, code(4).v, code(5).v),
      c(code(6).v, code(7).v, code(8).v);
  const Three ones(a.odd, b.odd, c.odd), twos(a.carry, b.carry, c.carry);
  const __m512i one_two = _mm512_set1_epi16(0x0201), two_four = _mm512_set1_epi16(0x0402);
  const auto join = [&](__m512i first, __m512i second) {
    return _mm512_add_epi16(_mm512_maddubs_epi16(first, one_two), _mm512_maddubs_epi16(second, two_four));
  };
  return {join(_mm512_unpacklo_epi8(ones.odd, ones.carry), _mm512_unpacklo_epi8(twos.odd, twos.carry)),
          join(_mm512_unpackhi_epi8(ones.odd, ones.carry), _mm512_unpackhi_epi8(twos.odd, twos.carry))};
}
inline Floats less(WordSums sums, F32x16 offset) {
  const __m512i upper = _mm512_set1_epi16(0x4b00);
  const auto floats = [&](__m512i bits) { return F32x16{_mm512_castsi512_ps(bits)} - offset; };
  return {{floats(_mm512_unpacklo_epi16(sums.low, upper)), floats(_mm512_unpackhi_epi16(sums.low, upper)),
           floats(_mm512_unpacklo_epi16(sums.high, upper)), floats(_mm512_unpackhi_epi16(sums.high, upper))}};
}
// The low ends saturate in the packs; what may lie above int32 is bounded first. zero_point is in the u8 domain.
inline Bytes rounded(const Floats& x, int16_t zero_point) {
  const __m512 beyond = _mm512_set1_ps(65536.0f);
  const auto code = [&](int i) { return _mm512_cvtps_epi32(_mm512_min_ps(x.v[i].v, beyond)); };
  const __m512i shift = _mm512_set1_epi16(zero_point);
  const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(code(0), code(1)), shift);
  const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(code(2), code(3)), shift);
  return {_mm512_packus_epi16(low, high)};
}
// What `rounded` makes of floats that were loaded one vector behind the other, in their order.
inline Bytes in_order(Bytes x) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return {_mm512_permutexvar_epi32(order, x.v)};
}
inline Bytes flipped(Bytes x, uint8_t flip) {
  return {_mm512_xor_si512(x.v, _mm512_set1_epi8(static_cast<char>(flip)))};
}

// The table as 128 words of two entries. vpermi2w chooses among 64 of them by bits 1 to 6 of a code and ignores the
// bits above; bit 7 chooses between two such results, bit 0 the byte of the word. Even and odd codes apart.
class Table {
 public:
  explicit Table(const uint8_t* table)
      : t0_(_mm512_loadu_si512(table)),
        t1_(_mm512_loadu_si512(table + 64)),
        t2_(_mm512_loadu_si512(table + 128)),
        t3_(_mm512_loadu_si512(table + 192)) {}
  Bytes operator()(Bytes x) const {
    const __m512i even = pair(_mm512_srli_epi16(x.v, 1), _mm512_test_epi16_mask(x.v, _mm512_set1_epi16(0x80)));
    const __m512i odd = pair(_mm512_srli_epi16(x.v, 9), _mm512_movepi16_mask(x.v));
    const __mmask32 even_upper = _mm512_test_epi16_mask(x.v, _mm512_set1_epi16(1));
    const __mmask32 odd_lower = _mm512_testn_epi16_mask(x.v, _mm512_set1_epi16(0x100));
    const __m512i low = _mm512_mask_srli_epi16(even, even_upper, even, 8);
    const __m512i high = _mm512_mask_slli_epi16(odd, odd_lower, odd, 8);
    return {_mm512_ternarylogic_epi32(_mm512_set1_epi16(0xff), low, high, 0xca)};  // mask ? low : high
  }

 private:
  __m512i pair(__m512i word, __mmask32 upper) const {
    const __m512i low = _mm512_permutex2var_epi16(t0_, word, t1_);
    return _mm512_mask_blend_epi16(upper, low, _mm512_permutex2var_epi16(t2_, word, t3_));
  }
  __m512i t0_, t1_, t2_, t3_;
};

}  // namespace
}  // namespace int8
