// Sixteen lanes on AVX2 with FMA3: two registers. Only for files compiled with the instruction set; all of it is
// internal to each of them.
//
// What kernels of the memory-bound families are written with, on every instruction set; sixteen are the lanes of
// numerics.md 7, so that sums come out the same on all:
//   Lanes(left)              the lanes that exist of so many elements; loads and stores touch no other
//   F32x16, I32x16           arithmetic; to_int rounds half to even; at_least and at_most keep a NaN of x and leave the
//                            sign of a zero open, maximum and minimum are IEEE's (a NaN wins, +0 is above -0)
//   load_codes, store_codes  8-bit codes as int32, and its low bytes
//   U16x16, add_codes        sums of at most 256 codes
//   Bytes, ByteLanes         codes as they lie, kBytes of them; Table, the look-up of each in 256; largest_of them;
//                            ByteTotal, the sum of any number of them
//   Largest                  the maximum of many floats
//   WordSums, Floats         sums of so many codes, and kGroups of sixteen floats, in an order of their own: less makes
//                            floats of sums, rounded makes codes again
//   PairSums                 sums of so many codes, faster for several; words_of makes WordSums of them;
//                            with kSumsNine, sum_of_nine makes WordSums of nine in fewer still
#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstdint>

#include "int8/types.h"

namespace int8 {
namespace {

struct Lanes {
  int64_t left;
  explicit Lanes(int64_t n) : left(n) {}
  bool whole() const { return left >= 16; }
  __m256i low() const { return mask(left); }
  __m256i high() const { return mask(left - 8); }
  static __m256i mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

struct F32x16 {
  __m256 lo, hi;
};
struct I32x16 {
  __m256i lo, hi;
};
struct U16x16 {
  __m256i v;
};
struct Mask16 {
  __m256 lo, hi;
};

inline __m256i load256(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline void store256(void* p, __m256i x) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), x);
}
// Copies n < 32 bytes. A call: with its moves in line, g++ 12 warns of those that n rules out.
inline __attribute__((noinline)) void copy_part(uint8_t* to, const uint8_t* from, int64_t n) {
  for (int64_t size = 16; size > 0; size /= 2) {
    if ((n & size) == 0) continue;
    for (int64_t i = 0; i < size; i++) to[i] = from[i];
    to += size;
    from += size;
  }
}

inline F32x16 splat(float x) {
  return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline I32x16 splat(int32_t x) {
  return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
inline F32x16 load(const float* p, Lanes lanes) {
  if (lanes.whole()) return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  return {_mm256_maskload_ps(p, lanes.low()), _mm256_maskload_ps(p + 8, lanes.high())};
}
inline void store(float* p, F32x16 x, Lanes lanes) {
  if (lanes.whole()) {
    // In ascending order: lines beyond the caches are written a fifth slower by their upper half first.
    _mm256_storeu_ps(p, x.lo);
    std::atomic_signal_fence(std::memory_order_release);
    _mm256_storeu_ps(p + 8, x.hi);
  } else {
    _mm256_maskstore_ps(p, lanes.low(), x.lo);
    _mm256_maskstore_ps(p + 8, lanes.high(), x.hi);
  }
}
inline I32x16 load(const int32_t* p, Lanes lanes) {
  if (lanes.whole()) return {load256(p), load256(p + 8)};
  return {_mm256_maskload_epi32(p, lanes.low()), _mm256_maskload_epi32(p + 8, lanes.high())};
}
inline void store(int32_t* p, I32x16 x, Lanes lanes) {
  if (lanes.whole()) {
    store256(p, x.lo);
    store256(p + 8, x.hi);
  } else {
    _mm256_maskstore_epi32(p, lanes.low(), x.lo);
    _mm256_maskstore_epi32(p + 8, lanes.high(), x.hi);
  }
}
inline __m128i load_bytes16(const uint8_t* p, Lanes lanes) {
  if (lanes.whole()) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  alignas(16) uint8_t bytes[16] = {};
  copy_part(bytes, p, lanes.left);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}
template <CodeType kType>
I32x16 load_codes(const uint8_t* p, Lanes lanes) {
  const __m128i bytes = load_bytes16(p, lanes);
  if (kType == CodeType::kU8) return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
  return {_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))};
}
// Codes lie between -128 and 255: their low bytes stay what they are through the packs, words by saturation of nothing.
inline void store_codes(uint8_t* p, I32x16 x, Lanes lanes) {
  const __m256i words = _mm256_and_si256(_mm256_packs_epi32(x.lo, x.hi), _mm256_set1_epi16(0xff));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
  if (lanes.whole()) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  } else {
    alignas(16) uint8_t some[16];
    _mm_store_si128(reinterpret_cast<__m128i*>(some), bytes);
    copy_part(p, some, lanes.left);
  }
}

inline F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 fma_negated(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 abs(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.lo), _mm256_andnot_ps(sign, x.hi)};
}
inline F32x16 sqrt(F32x16 x) {
  return {_mm256_sqrt_ps(x.lo), _mm256_sqrt_ps(x.hi)};
}
inline F32x16 or_sign(F32x16 x, F32x16 sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(x.lo, _mm256_and_ps(sign.lo, bit)), _mm256_or_ps(x.hi, _mm256_and_ps(sign.hi, bit))};
}
inline F32x16 round_even(F32x16 x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.lo, kMode), _mm256_round_ps(x.hi, kMode)};
}
inline Mask16 operator<(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
inline Mask16 is_nan(F32x16 x) {
  return {_mm256_cmp_ps(x.lo, x.lo, _CMP_UNORD_Q), _mm256_cmp_ps(x.hi, x.hi, _CMP_UNORD_Q)};
}
inline bool any(Mask16 mask) {
  return _mm256_movemask_ps(_mm256_or_ps(mask.lo, mask.hi)) != 0;
}
inline F32x16 select(Mask16 mask, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, mask.lo), _mm256_blendv_ps(no.hi, yes.hi, mask.hi)};
}
inline F32x16 keep(Lanes lanes, F32x16 x, F32x16 other) {
  if (lanes.whole()) return x;
  return select({_mm256_castsi256_ps(lanes.low()), _mm256_castsi256_ps(lanes.high())}, x, other);
}
// vmaxps and vminps return their second operand where one is NaN or both are equal.
inline F32x16 at_least(F32x16 x, F32x16 bound) {
  return {_mm256_max_ps(bound.lo, x.lo), _mm256_max_ps(bound.hi, x.hi)};
}
inline F32x16 at_most(F32x16 x, F32x16 bound) {
  return {_mm256_min_ps(bound.lo, x.lo), _mm256_min_ps(bound.hi, x.hi)};
}
// With the operands both ways round: equal ones differ at most in the sign of zero, and the and (or) of the two has the
// right one; where one is NaN, the sum is.
inline __m256 maximum8(__m256 a, __m256 b) {
  const __m256 larger = _mm256_and_ps(_mm256_max_ps(a, b), _mm256_max_ps(b, a));
  return _mm256_blendv_ps(larger, _mm256_add_ps(a, b), _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}
inline __m256 minimum8(__m256 a, __m256 b) {
  const __m256 smaller = _mm256_or_ps(_mm256_min_ps(a, b), _mm256_min_ps(b, a));
  return _mm256_blendv_ps(smaller, _mm256_add_ps(a, b), _mm256_cmp_ps(a, b, _CMP_UNORD_Q));
}
inline F32x16 maximum(F32x16 a, F32x16 b) {
  return {maximum8(a.lo, b.lo), maximum8(a.hi, b.hi)};
}
inline F32x16 minimum(F32x16 a, F32x16 b) {
  return {minimum8(a.lo, b.lo), minimum8(a.hi, b.hi)};
}
// The maximum of many. Bits as signed integers have the right order from +0 on, and as unsigned ones a NaN of negative
// sign on top; where nothing is above -0, vmaxps has no zeros to choose between.
class Largest {
 public:
  void add(F32x16 x) {
    low_.add(x.lo);
    high_.add(x.hi);
  }
  F32x16 get() const { return {low_.get(), high_.get()}; }

 private:
  struct Half {
    __m256 plain = _mm256_set1_ps(-__builtin_inff());
    __m256i from_zero = _mm256_set1_epi32(INT32_MIN), magnitude = _mm256_setzero_si256();
    void add(__m256 x) {
      plain = _mm256_max_ps(plain, x);
      from_zero = _mm256_max_epi32(from_zero, _mm256_castps_si256(x));
      magnitude = _mm256_max_epu32(magnitude, _mm256_castps_si256(x));
    }
    __m256 get() const {
      const __m256 signed_bits = _mm256_castsi256_ps(from_zero), unsigned_bits = _mm256_castsi256_ps(magnitude);
      const __m256 number = _mm256_blendv_ps(signed_bits, plain, signed_bits);
      return _mm256_blendv_ps(number, unsigned_bits, _mm256_cmp_ps(unsigned_bits, unsigned_bits, _CMP_UNORD_Q));
    }
  };
  Half low_, high_;
};
// n as its halves h = floor(n/2) and n - h: the product with 2^h is exact, the second rounds once (math.h).
inline __m256 scale8(__m256 p, __m256 n) {
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  const auto power = [](__m256i k) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
  };
  return _mm256_mul_ps(_mm256_mul_ps(p, power(half)), power(_mm256_sub_epi32(whole, half)));
}
inline F32x16 scale_by_power_of_two(F32x16 p, F32x16 n) {
  return {scale8(p.lo, n.lo), scale8(p.hi, n.hi)};
}
inline float add_lanes(F32x16 x) {
  const __m256 eight = _mm256_add_ps(x.lo, x.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float largest_lane(F32x16 x) {
  const __m256 eight = _mm256_max_ps(x.lo, x.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
inline float smallest_lane(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return -largest_lane({_mm256_xor_ps(x.lo, sign), _mm256_xor_ps(x.hi, sign)});
}

inline I32x16 operator+(I32x16 a, I32x16 b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
inline I32x16 operator-(I32x16 a, I32x16 b) {
  return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)};
}
inline I32x16 operator*(I32x16 a, I32x16 b) {
  return {_mm256_mullo_epi32(a.lo, b.lo), _mm256_mullo_epi32(a.hi, b.hi)};
}
inline F32x16 to_float(I32x16 x) {
  return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)};
}
inline I32x16 to_int(F32x16 x) {
  return {_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi)};
}

// clamp(rne(v) + zero_point, qmin, qmax) in float64, where every step is exact.
inline __m128i shifted4(__m128 v, __m128i zero_point, double qmin, double qmax) {
  const __m256d q = _mm256_round_pd(_mm256_cvtps_pd(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256d sum = _mm256_add_pd(q, _mm256_cvtepi32_pd(zero_point));
  return _mm256_cvtpd_epi32(_mm256_min_pd(_mm256_max_pd(sum, _mm256_set1_pd(qmin)), _mm256_set1_pd(qmax)));
}
inline __m256i shifted8(__m256 v, __m256i zero_point, double qmin, double qmax) {
  return _mm256_set_m128i(shifted4(_mm256_extractf128_ps(v, 1), _mm256_extracti128_si256(zero_point, 1), qmin, qmax),
                          shifted4(_mm256_castps256_ps128(v), _mm256_castsi256_si128(zero_point), qmin, qmax));
}
inline I32x16 round_and_shift(F32x16 v, I32x16 zero_point, double qmin, double qmax) {
  return {shifted8(v.lo, zero_point.lo, qmin, qmax), shifted8(v.hi, zero_point.hi, qmin, qmax)};
}
// q - zero_point, which takes 33 bits, rounded to float32 once.
inline __m128 difference4(__m128i q, __m128i zero_point) {
  return _mm256_cvtpd_ps(_mm256_sub_pd(_mm256_cvtepi32_pd(q), _mm256_cvtepi32_pd(zero_point)));
}
inline __m256 difference8(__m256i q, __m256i zero_point) {
  return _mm256_set_m128(difference4(_mm256_extracti128_si256(q, 1), _mm256_extracti128_si256(zero_point, 1)),
                         difference4(_mm256_castsi256_si128(q), _mm256_castsi256_si128(zero_point)));
}
inline F32x16 wide_difference(I32x16 q, I32x16 zero_point) {
  return {difference8(q.lo, zero_point.lo), difference8(q.hi, zero_point.hi)};
}

inline U16x16 no_words() {
  return {_mm256_setzero_si256()};
}
// words + (codes ^ flip).
inline U16x16 add_codes(U16x16 words, const uint8_t* p, uint8_t flip, Lanes lanes) {
  const __m128i bytes = _mm_xor_si128(load_bytes16(p, lanes), _mm_set1_epi8(static_cast<char>(flip)));
  return {_mm256_add_epi16(words.v, _mm256_cvtepu8_epi16(bytes))};
}
inline I32x16 to_int(U16x16 words) {
  return {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(words.v)),
          _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words.v, 1))};
}

constexpr int64_t kBytes = 32;
struct Bytes {
  __m256i v;
};
struct ByteLanes {
  int64_t left;
  explicit ByteLanes(int64_t n) : left(n) {}
};
inline Bytes splat_byte(int32_t x) {
  return {_mm256_set1_epi8(static_cast<char>(x))};
}
inline Bytes load(const uint8_t* p, ByteLanes lanes) {
  if (lanes.left >= kBytes) return {load256(p)};
  alignas(32) uint8_t bytes[32] = {};
  copy_part(bytes, p, lanes.left);
  return {load256(bytes)};
}
inline void store(uint8_t* p, Bytes x, ByteLanes lanes) {
  if (lanes.left >= kBytes) {
    store256(p, x.v);
  } else {
    alignas(32) uint8_t bytes[32];
    store256(bytes, x.v);
    copy_part(p, bytes, lanes.left);
  }
}
inline Bytes operator-(Bytes a, Bytes b) {
  return {_mm256_sub_epi8(a.v, b.v)};
}
template <CodeType kType>
Bytes larger(Bytes a, Bytes b) {
  return {kType == CodeType::kU8 ? _mm256_max_epu8(a.v, b.v) : _mm256_max_epi8(a.v, b.v)};
}
template <CodeType kType>
Bytes smaller(Bytes a, Bytes b) {
  return {kType == CodeType::kU8 ? _mm256_min_epu8(a.v, b.v) : _mm256_min_epi8(a.v, b.v)};
}

// vphminposuw finds the least of eight words: of their bytes, where the upper ones are 0.
inline uint8_t largest_of(__m128i x) {
  const __m128i rest = _mm_xor_si128(x, _mm_set1_epi8(-1));
  const __m128i pairs = _mm_min_epu8(rest, _mm_srli_epi16(rest, 8));
  return static_cast<uint8_t>(~_mm_extract_epi8(_mm_minpos_epu16(pairs), 0));
}
inline uint8_t largest_of(Bytes x) {
  return largest_of(_mm_max_epu8(_mm256_castsi256_si128(x.v), _mm256_extracti128_si256(x.v, 1)));
}
struct ByteTotal {
  __m256i v;
};
inline ByteTotal add(ByteTotal total, Bytes x) {
  return {_mm256_add_epi64(total.v, _mm256_sad_epu8(x.v, _mm256_setzero_si256()))};
}
inline uint64_t total_of(ByteTotal total) {
  alignas(32) uint64_t parts[4];
  store256(parts, total.v);
  return parts[0] + parts[1] + parts[2] + parts[3];
}

// Codes as floats and back, in the order that unpacks give and packs take.
constexpr int kGroups = 2;
struct Floats {
  F32x16 v[kGroups];
};
// Sums of at most 256 codes (as u8: bytes ^ flip) in words, and sums less `offset` - 2^23 as floats: a word under the
// upper half of 2^23 is the float 2^23 + word, so nothing is converted, and all of it is exact.
struct WordSums {
  __m256i low, high;
};
inline WordSums no_sums() {
  return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
inline WordSums add(WordSums sums, Bytes x, uint8_t flip) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i bytes = _mm256_xor_si256(x.v, _mm256_set1_epi8(static_cast<char>(flip)));
  return {_mm256_add_epi16(sums.low, _mm256_unpacklo_epi8(bytes, zero)),
          _mm256_add_epi16(sums.high, _mm256_unpackhi_epi8(bytes, zero))};
}
// Sums of windows, of as many codes (u8), in fewer operations: words of two bytes add up modulo 2^16, and so do their
// upper bytes, from which the lower ones' sums follow.
struct PairSums {
  __m256i pairs, upper;
};
inline PairSums no_pairs() {
  return {_mm256_setzero_si256(), _mm256_setzero_si256()};
}
inline PairSums add(PairSums sums, Bytes x) {
  return {_mm256_add_epi16(sums.pairs, x.v), _mm256_add_epi16(sums.upper, _mm256_srli_epi16(x.v, 8))};
}
inline WordSums words_of(PairSums sums) {
  const __m256i lower = _mm256_sub_epi16(sums.pairs, _mm256_slli_epi16(sums.upper, 8));
  return {_mm256_unpacklo_epi16(lower, sums.upper), _mm256_unpackhi_epi16(lower, sums.upper)};
}
constexpr bool kSumsNine = false;
inline Floats less(WordSums sums, F32x16 offset) {
  const __m256i upper = _mm256_set1_epi16(0x4b00);
  const auto floats = [&](__m256i words) {
    return F32x16{_mm256_castsi256_ps(_mm256_unpacklo_epi16(words, upper)),
                  _mm256_castsi256_ps(_mm256_unpackhi_epi16(words, upper))} -
           offset;
  };
  return {{floats(sums.low), floats(sums.high)}};
}
// The low ends saturate in the packs; what may lie above int32 is bounded first. zero_point is in the u8 domain.
inline Bytes rounded(const Floats& x, int16_t zero_point) {
  const __m256 beyond = _mm256_set1_ps(65536.0f);
  const auto code = [&](__m256 v) { return _mm256_cvtps_epi32(_mm256_min_ps(v, beyond)); };
  const __m256i shift = _mm256_set1_epi16(zero_point);
  const auto words = [&](F32x16 v) { return _mm256_adds_epi16(_mm256_packs_epi32(code(v.lo), code(v.hi)), shift); };
  return {_mm256_packus_epi16(words(x.v[0]), words(x.v[1]))};
}
// What `rounded` makes of floats that were loaded one vector behind the other, in their order.
inline Bytes in_order(Bytes x) {
  return {_mm256_permutevar8x32_epi32(x.v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))};
}
inline Bytes flipped(Bytes x, uint8_t flip) {
  return {_mm256_xor_si256(x.v, _mm256_set1_epi8(static_cast<char>(flip)))};
}

// vpshufb chooses among 16 entries by the low four bits of an index and gives 0 where bit 7 is set. Row k stands in the
// table as its exclusive or with row k - 1 and is looked up with the index less 16 k, which is negative (and, by the
// saturating subtraction, stays so) where the code lies below row k: the rows up to the code's own add up to its entry.
// Codes from 128 on are negative from the start, and are looked up in the upper half with bit 7 turned.
class Table {
 public:
  explicit Table(const uint8_t* table) {
    for (int k = 0; k < 16; k++) {
      const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k));
      const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * (k - (k % 8 != 0))));
      rows_[k] = _mm256_broadcastsi128_si256(k % 8 == 0 ? row : _mm_xor_si128(row, before));
    }
  }
  Bytes operator()(Bytes x) const {
    const __m256i low = half(rows_, x.v), high = half(rows_ + 8, _mm256_xor_si256(x.v, _mm256_set1_epi8(-128)));
    return {_mm256_xor_si256(low, high)};
  }

 private:
  static __m256i half(const __m256i* rows, __m256i index) {
    const __m256i sixteen = _mm256_set1_epi8(16);
    __m256i sum = _mm256_shuffle_epi8(rows[0], index);
    for (int k = 1; k < 8; k++) {
      index = _mm256_subs_epi8(index, sixteen);
      sum = _mm256_xor_si256(sum, _mm256_shuffle_epi8(rows[k], index));
    }
    return sum;
  }
  __m256i rows_[16];
};

}  // namespace
}  // namespace int8
