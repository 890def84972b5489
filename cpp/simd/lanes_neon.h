// Sixteen lanes on NEON: four registers. What every lanes_<set>.h provides is listed in lanes_avx2.h. Only for files
// compiled for arm64; all of it is internal to each of them.
#pragma once

#include <arm_neon.h>

#include <cstdint>

#include "int8/types.h"

namespace int8 {
namespace {

struct Lanes {
  int64_t left;
  explicit Lanes(int64_t n) : left(n) {}
  bool whole() const { return left >= 16; }
};

struct F32x16 {
  float32x4_t v[4];
};
struct I32x16 {
  int32x4_t v[4];
};
struct U16x16 {
  uint16x8_t v[2];
};
struct Mask16 {
  uint32x4_t v[4];
};

// f of each register.
template <class R, class F>
inline R each(F f) {
  return R{{f(0), f(1), f(2), f(3)}};
}

inline F32x16 splat(float x) {
  return each<F32x16>([&](int) { return vdupq_n_f32(x); });
}
inline I32x16 splat(int32_t x) {
  return each<I32x16>([&](int) { return vdupq_n_s32(x); });
}
inline F32x16 load(const float* p, Lanes lanes) {
  if (lanes.whole()) return each<F32x16>([&](int i) { return vld1q_f32(p + 4 * i); });
  float some[16] = {};
  __builtin_memcpy(some, p, static_cast<size_t>(lanes.left) * sizeof(float));
  return load(some, Lanes(16));
}
inline void store(float* p, F32x16 x, Lanes lanes) {
  if (lanes.whole()) {
    for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, x.v[i]);
  } else {
    float some[16];
    store(some, x, Lanes(16));
    __builtin_memcpy(p, some, static_cast<size_t>(lanes.left) * sizeof(float));
  }
}
inline I32x16 load(const int32_t* p, Lanes lanes) {
  if (lanes.whole()) return each<I32x16>([&](int i) { return vld1q_s32(p + 4 * i); });
  int32_t some[16] = {};
  __builtin_memcpy(some, p, static_cast<size_t>(lanes.left) * sizeof(int32_t));
  return load(some, Lanes(16));
}
inline void store(int32_t* p, I32x16 x, Lanes lanes) {
  if (lanes.whole()) {
    for (int i = 0; i < 4; i++) vst1q_s32(p + 4 * i, x.v[i]);
  } else {
    int32_t some[16];
    store(some, x, Lanes(16));
    __builtin_memcpy(p, some, static_cast<size_t>(lanes.left) * sizeof(int32_t));
  }
}
inline uint8x16_t load_bytes16(const uint8_t* p, int64_t left) {
  if (left >= 16) return vld1q_u8(p);
  uint8_t some[16] = {};
  __builtin_memcpy(some, p, static_cast<size_t>(left));
  return vld1q_u8(some);
}
inline void store_bytes16(uint8_t* p, uint8x16_t x, int64_t left) {
  if (left >= 16) return vst1q_u8(p, x);
  uint8_t some[16];
  vst1q_u8(some, x);
  __builtin_memcpy(p, some, static_cast<size_t>(left));
}
template <CodeType kType>
I32x16 load_codes(const uint8_t* p, Lanes lanes) {
  const uint8x16_t bytes = load_bytes16(p, lanes.left);
  int16x8_t low, high;
  if (kType == CodeType::kU8) {
    low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
    high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
  } else {
    low = vmovl_s8(vget_low_s8(vreinterpretq_s8_u8(bytes)));
    high = vmovl_high_s8(vreinterpretq_s8_u8(bytes));
  }
  return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
}
inline void store_codes(uint8_t* p, I32x16 x, Lanes lanes) {
  const int16x8_t low = vcombine_s16(vmovn_s32(x.v[0]), vmovn_s32(x.v[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(x.v[2]), vmovn_s32(x.v[3]));
  store_bytes16(p, vreinterpretq_u8_s8(vcombine_s8(vmovn_s16(low), vmovn_s16(high))), lanes.left);
}

inline F32x16 operator+(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return each<F32x16>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F32x16 fma_negated(F32x16 a, F32x16 b, F32x16 c) {
  return each<F32x16>([&](int i) { return vfmsq_f32(c.v[i], a.v[i], b.v[i]); });
}
inline F32x16 abs(F32x16 x) {
  return each<F32x16>([&](int i) { return vabsq_f32(x.v[i]); });
}
inline F32x16 sqrt(F32x16 x) {
  return each<F32x16>([&](int i) { return vsqrtq_f32(x.v[i]); });
}
inline F32x16 or_sign(F32x16 x, F32x16 sign) {
  const uint32x4_t bit = vdupq_n_u32(0x80000000u);
  return each<F32x16>([&](int i) {
    const uint32x4_t taken = vandq_u32(vreinterpretq_u32_f32(sign.v[i]), bit);
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(x.v[i]), taken));
  });
}
inline F32x16 round_even(F32x16 x) {
  return each<F32x16>([&](int i) { return vrndnq_f32(x.v[i]); });
}
inline Mask16 operator<(F32x16 a, F32x16 b) {
  return each<Mask16>([&](int i) { return vcltq_f32(a.v[i], b.v[i]); });
}
inline Mask16 is_nan(F32x16 x) {
  return each<Mask16>([&](int i) { return vmvnq_u32(vceqq_f32(x.v[i], x.v[i])); });
}
inline bool any(Mask16 mask) {
  const uint32x4_t all = vorrq_u32(vorrq_u32(mask.v[0], mask.v[1]), vorrq_u32(mask.v[2], mask.v[3]));
  return vmaxvq_u32(all) != 0;
}
inline F32x16 select(Mask16 mask, F32x16 yes, F32x16 no) {
  return each<F32x16>([&](int i) { return vbslq_f32(mask.v[i], yes.v[i], no.v[i]); });
}
inline F32x16 keep(Lanes lanes, F32x16 x, F32x16 other) {
  if (lanes.whole()) return x;
  const int32x4_t first = {0, 1, 2, 3};
  return each<F32x16>([&](int i) {
    const int32x4_t left = vdupq_n_s32(static_cast<int32_t>(lanes.left) - 4 * i);
    return vbslq_f32(vcltq_s32(first, left), x.v[i], other.v[i]);
  });
}
// FMAX and FMIN are IEEE's: a NaN wins, +0 is above -0.
inline F32x16 maximum(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vmaxq_f32(a.v[i], b.v[i]); });
}
inline F32x16 minimum(F32x16 a, F32x16 b) {
  return each<F32x16>([&](int i) { return vminq_f32(a.v[i], b.v[i]); });
}
// The maximum of many.
class Largest {
 public:
  void add(F32x16 x) { largest_ = maximum(largest_, x); }
  F32x16 get() const { return largest_; }

 private:
  F32x16 largest_ = splat(-__builtin_inff());
};
inline F32x16 at_least(F32x16 x, F32x16 bound) {
  return maximum(x, bound);
}
inline F32x16 at_most(F32x16 x, F32x16 bound) {
  return minimum(x, bound);
}
// n as its halves h = floor(n/2) and n - h: the product with 2^h is exact, the second rounds once (math.h).
inline F32x16 scale_by_power_of_two(F32x16 p, F32x16 n) {
  const auto power = [](int32x4_t k) { return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23)); };
  return each<F32x16>([&](int i) {
    const int32x4_t whole = vcvtnq_s32_f32(n.v[i]), half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(p.v[i], power(half)), power(vsubq_s32(whole, half)));
  });
}
inline float add_lanes(F32x16 x) {
  const float32x4_t four = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float largest_lane(F32x16 x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.v[0], x.v[1]), vmaxq_f32(x.v[2], x.v[3])));
}
inline float smallest_lane(F32x16 x) {
  return vminvq_f32(vminq_f32(vminq_f32(x.v[0], x.v[1]), vminq_f32(x.v[2], x.v[3])));
}

inline I32x16 operator+(I32x16 a, I32x16 b) {
  return each<I32x16>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline I32x16 operator-(I32x16 a, I32x16 b) {
  return each<I32x16>([&](int i) { return vsubq_s32(a.v[i], b.v[i]); });
}
inline I32x16 operator*(I32x16 a, I32x16 b) {
  return each<I32x16>([&](int i) { return vmulq_s32(a.v[i], b.v[i]); });
}
inline F32x16 to_float(I32x16 x) {
  return each<F32x16>([&](int i) { return vcvtq_f32_s32(x.v[i]); });
}
inline I32x16 to_int(F32x16 x) {
  return each<I32x16>([&](int i) { return vcvtnq_s32_f32(x.v[i]); });
}

// clamp(rne(v) + zero_point, qmin, qmax), exact: |v| is at most 2^33, so that int64 holds every step.
inline int32x2_t shifted2(float32x2_t v, int32x2_t zero_point, double qmin, double qmax) {
  const float64x2_t q = vrndnq_f64(vcvt_f64_f32(v));
  const float64x2_t sum = vaddq_f64(q, vcvtq_f64_s64(vmovl_s32(zero_point)));
  const float64x2_t inside = vminq_f64(vmaxq_f64(sum, vdupq_n_f64(qmin)), vdupq_n_f64(qmax));
  return vmovn_s64(vcvtnq_s64_f64(inside));
}
inline I32x16 round_and_shift(F32x16 v, I32x16 zero_point, double qmin, double qmax) {
  return each<I32x16>([&](int i) {
    return vcombine_s32(shifted2(vget_low_f32(v.v[i]), vget_low_s32(zero_point.v[i]), qmin, qmax),
                        shifted2(vget_high_f32(v.v[i]), vget_high_s32(zero_point.v[i]), qmin, qmax));
  });
}
// q - zero_point, which takes 33 bits, rounded to float32 once.
inline F32x16 wide_difference(I32x16 q, I32x16 zero_point) {
  const auto two = [](int32x2_t a, int32x2_t b) { return vcvt_f32_f64(vcvtq_f64_s64(vsubl_s32(a, b))); };
  return each<F32x16>([&](int i) {
    return vcombine_f32(two(vget_low_s32(q.v[i]), vget_low_s32(zero_point.v[i])),
                        two(vget_high_s32(q.v[i]), vget_high_s32(zero_point.v[i])));
  });
}

inline U16x16 no_words() {
  return {{vdupq_n_u16(0), vdupq_n_u16(0)}};
}
// words + (codes ^ flip).
inline U16x16 add_codes(U16x16 words, const uint8_t* p, uint8_t flip, Lanes lanes) {
  const uint8x16_t bytes = veorq_u8(load_bytes16(p, lanes.left), vdupq_n_u8(flip));
  return {{vaddw_u8(words.v[0], vget_low_u8(bytes)), vaddw_high_u8(words.v[1], bytes)}};
}
inline I32x16 to_int(U16x16 words) {
  return {
      {vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words.v[0]))), vreinterpretq_s32_u32(vmovl_high_u16(words.v[0])),
       vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(words.v[1]))), vreinterpretq_s32_u32(vmovl_high_u16(words.v[1]))}};
}

constexpr int64_t kBytes = 16;
struct Bytes {
  uint8x16_t v;
};
struct ByteLanes {
  int64_t left;
  explicit ByteLanes(int64_t n) : left(n) {}
};
inline Bytes splat_byte(int32_t x) {
  return {vdupq_n_u8(static_cast<uint8_t>(x))};
}
inline Bytes load(const uint8_t* p, ByteLanes lanes) {
  return {load_bytes16(p, lanes.left)};
}
inline void store(uint8_t* p, Bytes x, ByteLanes lanes) {
  store_bytes16(p, x.v, lanes.left);
}
inline Bytes operator-(Bytes a, Bytes b) {
  return {vsubq_u8(a.v, b.v)};
}
template <CodeType kType>
Bytes larger(Bytes a, Bytes b) {
  if (kType == CodeType::kU8) return {vmaxq_u8(a.v, b.v)};
  return {vreinterpretq_u8_s8(vmaxq_s8(vreinterpretq_s8_u8(a.v), vreinterpretq_s8_u8(b.v)))};
}
template <CodeType kType>
Bytes smaller(Bytes a, Bytes b) {
  if (kType == CodeType::kU8) return {vminq_u8(a.v, b.v)};
  return {vreinterpretq_u8_s8(vminq_s8(vreinterpretq_s8_u8(a.v), vreinterpretq_s8_u8(b.v)))};
}

inline uint8_t largest_of(Bytes x) {
  return vmaxvq_u8(x.v);
}
struct ByteTotal {
  uint64x2_t v;
};
inline ByteTotal add(ByteTotal total, Bytes x) {
  return {vpadalq_u32(total.v, vpaddlq_u16(vpaddlq_u8(x.v)))};
}
inline uint64_t total_of(ByteTotal total) {
  return vaddvq_u64(total.v);
}

// Codes as floats and back.
constexpr int kGroups = 1;
struct Floats {
  F32x16 v[kGroups];
};
// Sums of at most 256 codes (as u8: bytes ^ flip) in words, and sums less `offset` - 2^23 as floats: a word under the
// upper half of 2^23 is the float 2^23 + word, so nothing is converted, and all of it is exact.
struct WordSums {
  uint16x8_t low, high;
};
inline WordSums no_sums() {
  return {vdupq_n_u16(0), vdupq_n_u16(0)};
}
inline WordSums add(WordSums sums, Bytes x, uint8_t flip) {
  const uint8x16_t bytes = veorq_u8(x.v, vdupq_n_u8(flip));
  return {vaddw_u8(sums.low, vget_low_u8(bytes)), vaddw_high_u8(sums.high, bytes)};
}
// Sums of windows, of as many codes (u8).
using PairSums = WordSums;
inline PairSums no_pairs() {
  return no_sums();
}
inline PairSums add(PairSums sums, Bytes x) {
  return add(sums, x, 0);
}
inline WordSums words_of(PairSums sums) {
  return sums;
}
constexpr bool kSumsNine = false;
inline Floats less(WordSums sums, F32x16 offset) {
  const uint16x8_t upper = vdupq_n_u16(0x4b00);
  const auto bits = [](uint16x8_t words) { return vreinterpretq_f32_u16(words); };
  return {{F32x16{{bits(vzip1q_u16(sums.low, upper)), bits(vzip2q_u16(sums.low, upper)),
                   bits(vzip1q_u16(sums.high, upper)), bits(vzip2q_u16(sums.high, upper))}} -
           offset}};
}
// The narrowings saturate, as the conversion does. zero_point is in the u8 domain.
inline Bytes rounded(const Floats& x, int16_t zero_point) {
  const auto words = [&](int i) {
    const int16x4_t low = vqmovn_s32(vcvtnq_s32_f32(x.v[0].v[i])), high = vqmovn_s32(vcvtnq_s32_f32(x.v[0].v[i + 1]));
    return vqmovun_s16(vqaddq_s16(vcombine_s16(low, high), vdupq_n_s16(zero_point)));
  };
  return {vcombine_u8(words(0), words(2))};
}
// What `rounded` makes of floats that were loaded one vector behind the other, in their order.
inline Bytes in_order(Bytes x) {
  return x;
}
inline Bytes flipped(Bytes x, uint8_t flip) {
  return {veorq_u8(x.v, vdupq_n_u8(flip))};
}

// tbl looks an index up in 64 entries, and gives 0 (tbx: leaves what it had) where it lies beyond them.
class Table {
 public:
  explicit Table(const uint8_t* table) {
    for (int k = 0; k < 4; k++) parts_[k] = vld1q_u8_x4(table + 64 * k);
  }
  Bytes operator()(Bytes x) const {
    const uint8x16_t step = vdupq_n_u8(64);
    uint8x16_t index = x.v, found = vqtbl4q_u8(parts_[0], index);
    for (int k = 1; k < 4; k++) {
      index = vsubq_u8(index, step);
      found = vqtbx4q_u8(found, parts_[k], index);
    }
    return {found};
  }

 private:
  uint8x16x4_t parts_[4];
};

}  // namespace
}  // namespace int8
