// Depthwise convolution on ymm registers, 16 of a block's 32 channels at a time: what avx2 and avxvnni share. Only
// their files include it.
//
// Order  two vectors of 8: unpacks work within 128-bit lanes, so vector i, lane l holds channels 8*l + 4*i to +3 of the
//        16. Packed weights and parameters stand in that order; the packs that make codes put channels back into
//        theirs.
// X      read 16 bytes at a time: the strip has a block's bytes behind its end.
// Tails  n: there are no byte masks below AVX-512; the last bytes go through 16 bytes of stack.
#pragma once

#include <immintrin.h>

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))

// What follows is written with the macros.
#include "conv/depthwise_groups.h"

namespace int8 {
namespace {

constexpr int kBlock = 32;
constexpr int kChannels = 16;
constexpr int kVectors = 2;

// Channel 16*g + 8*l + 4*i + e stands at 16*g + 8*i + 4*l + e.
inline int slot(int channel) {
  return channel / 16 * 16 + channel / 4 % 2 * 8 + channel / 8 % 2 * 4 + channel % 4;
}

INT8_INLINE __m256i load_ymm(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// 16 bytes as 16 words.
INT8_INLINE __m256i widen(const uint8_t* p) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

struct Constants {
  __m256i zero_point;  // int16, in the u8 domain
  __m128i lo, hi;      // u8
  __m128i flip;        // 0x80 in each byte for s8
  int64_t n;           // channels that exist

  Constants(const EpilogueScalars& e, int64_t left) : n(left < kChannels ? left : kChannels) {
    const int shift = e.kind == OutputKind::kS8 ? 128 : 0;
    zero_point = _mm256_set1_epi16(static_cast<int16_t>(e.zero_point + shift));
    lo = _mm_set1_epi8(static_cast<char>(e.lo + shift));
    hi = _mm_set1_epi8(static_cast<char>(e.hi + shift));
    flip = _mm_set1_epi8(static_cast<char>(shift));
  }
};

// f(f(acc)*M) rounded, clamped and stored: the epilogue of gemm/epilogue_ymm.h.
template <bool kBound>
INT8_INLINE void store_codes(const __m256i (&acc)[kVectors], const float* multipliers, const Constants& c, uint8_t* y) {
  __m256i q[kVectors];
  INT8_UNROLL for (int i = 0; i < kVectors; i++) {
    __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), _mm256_loadu_ps(multipliers + 8 * i));
    if (kBound) f = _mm256_min_ps(f, _mm256_set1_ps(65536.0f));
    q[i] = _mm256_cvtps_epi32(f);
  }
  const __m256i words = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), c.zero_point);
  __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  bytes = _mm_xor_si128(_mm_min_epu8(_mm_max_epu8(bytes, c.lo), c.hi), c.flip);
  if (c.n == kChannels) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), bytes);
  } else {
    alignas(16) uint8_t some[kChannels];
    _mm_store_si128(reinterpret_cast<__m128i*>(some), bytes);
    for (int64_t i = 0; i < c.n; i++) y[i] = some[i];
  }
}

// kS32 and kF32 of 16 channels.
inline void store_wide(const __m256i (&acc)[kVectors], const DepthwiseBlock& b, int64_t first, const EpilogueScalars& e,
                       uint8_t* y) {
  __m256i v[kVectors];
  for (int i = 0; i < kVectors; i++) {
    v[i] = acc[i];
    if (e.kind == OutputKind::kF32) {
      const int64_t at = first + 8 * i;
      __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), _mm256_loadu_ps(b.multipliers + at));
      if (b.bias != nullptr) f = _mm256_add_ps(f, _mm256_loadu_ps(b.bias + at));
      const __m256 nan = _mm256_cmp_ps(f, f, _CMP_UNORD_Q);
      const __m256 above = _mm256_max_ps(f, _mm256_set1_ps(e.float_lo));
      v[i] = _mm256_castps_si256(_mm256_blendv_ps(_mm256_min_ps(_mm256_set1_ps(e.float_hi), above), f, nan));
    }
  }
  const __m256i in_order[2] = {_mm256_permute2x128_si256(v[0], v[1], 0x20),
                               _mm256_permute2x128_si256(v[0], v[1], 0x31)};
  for (int i = 0; i < 2; i++) {
    const int64_t left = b.n - first - 8 * i;
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(left > 8 ? 8 : left)), lanes);
    _mm256_maskstore_epi32(reinterpret_cast<int*>(y) + 8 * i, mask, in_order[i]);
  }
}

// The 16 channels from `first` on, in the order above.
INT8_INLINE void store_any(const __m256i (&acc)[kVectors], const DepthwiseBlock& b, int64_t first,
                           const EpilogueScalars& e, const Constants& c, uint8_t* y) {
  if (e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32) {
    store_wide(acc, b, first, e, y + 4 * first);
  } else {
    store_codes<true>(acc, b.multipliers + first, c, y + first);
  }
}

// Any kernel, stride, dilation, output and zero points. Ops::quad(taps, w, acc) adds one quad of 16 channels.
template <class Ops>
__attribute__((noinline)) void run_any(const DepthwiseBlock& b, const EpilogueScalars& e) {
  for (int64_t first = 0; first < b.n; first += kChannels) {
    const Constants c(e, b.n - first);
    for (int64_t r = 0; r < b.rows; r++) {
      const uint8_t* x = b.x + r * b.x_row + first;
      uint8_t* y = b.y + r * b.y_row;
      for (int64_t p = 0; p < b.columns; p++, x += b.x_pixel, y += b.y_pixel) {
        __m256i acc[kVectors], sums[kVectors];
        INT8_UNROLL for (int i = 0; i < kVectors; i++) {
          acc[i] = load_ymm(b.offsets + first + 8 * i);
          sums[i] = _mm256_setzero_si256();
        }
        for (int64_t q = 0; q < b.quads; q++) {
          const int64_t* taps = b.taps + 4 * q;
          const uint8_t* at[4] = {x + taps[0], x + taps[1], x + taps[2], x + taps[3]};
          Ops::quad(at, b.w + (q * kBlock + first) * 4, acc);
          if (b.zero_points != nullptr) Ops::sum(at, b.ones[q], sums);
        }
        if (b.zero_points != nullptr) {
          INT8_UNROLL for (int i = 0; i < kVectors; i++) {
            const __m256i zw = load_ymm(b.zero_points + first + 8 * i);
            acc[i] = _mm256_sub_epi32(acc[i], _mm256_mullo_epi32(zw, sums[i]));
          }
        }
        store_any(acc, b, first, e, c, y);
      }
    }
  }
}

// What groups have in common, 32 channels at a time; two pixels: 8 accumulators, 2 to 4 of codes, one or two of W.
struct GroupYmm {
  using Vec = __m256i;
  static constexpr int kBlock = int8::kBlock;
  static constexpr int kPixels = 2;
  struct Constants {
    int8::Constants halves[2];
    Constants(const EpilogueScalars& e, int64_t n) : halves{{e, n}, {e, n - kChannels}} {}
  };
  INT8_INLINE static Vec zero() { return _mm256_setzero_si256(); }
  INT8_INLINE static Vec turned_lanes(Vec x) { return _mm256_shuffle_epi32(x, 0xb1); }
  INT8_INLINE static Vec add(Vec a, Vec b) { return _mm256_add_epi32(a, b); }

  // Lanes transposed four by four are vectors k, lanes l of channels 16*l + 4*k to +3; of those, each half of the
  // channels in the order above.
  struct Halves {
    Vec first[kVectors], second[kVectors];
    explicit Halves(const Vec (&in)[4]) {
      const Vec lo01 = _mm256_unpacklo_epi32(in[0], in[1]), hi01 = _mm256_unpackhi_epi32(in[0], in[1]);
      const Vec lo23 = _mm256_unpacklo_epi32(in[2], in[3]), hi23 = _mm256_unpackhi_epi32(in[2], in[3]);
      const Vec k0 = _mm256_unpacklo_epi64(lo01, lo23), k1 = _mm256_unpackhi_epi64(lo01, lo23);
      const Vec k2 = _mm256_unpacklo_epi64(hi01, hi23), k3 = _mm256_unpackhi_epi64(hi01, hi23);
      first[0] = _mm256_permute2x128_si256(k0, k2, 0x20), first[1] = _mm256_permute2x128_si256(k1, k3, 0x20);
      second[0] = _mm256_permute2x128_si256(k0, k2, 0x31), second[1] = _mm256_permute2x128_si256(k1, k3, 0x31);
    }
  };
  // The 16 channels from `first` on. `sums` is only there where weights have zero points.
  __attribute__((noinline)) static void finish_half(const Vec (&acc)[kVectors], const Vec* sums,
                                                    const DepthwiseBlock& b, int64_t first, const EpilogueScalars& e,
                                                    const int8::Constants& c, uint8_t* y) {
    Vec out[kVectors];
    INT8_UNROLL for (int i = 0; i < kVectors; i++) {
      out[i] = add(acc[i], load_ymm(b.offsets + first + 8 * i));
      if (sums == nullptr) continue;
      const Vec zw = load_ymm(b.zero_points + first + 8 * i);
      out[i] = _mm256_sub_epi32(out[i], _mm256_mullo_epi32(zw, sums[i]));
    }
    store_any(out, b, first, e, c, y);
  }
  template <class Ops>
  static void finish_groups(const Vec (&acc)[4], const uint8_t* x, const DepthwiseBlock& b, const EpilogueScalars& e,
                            const Constants& c, uint8_t* y) {
    const Halves products(acc);
    if (b.zero_points == nullptr) {
      finish_half(products.first, nullptr, b, 0, e, c.halves[0], y);
      if (b.n > kChannels) finish_half(products.second, nullptr, b, kChannels, e, c.halves[1], y);
      return;
    }
    const Vec sum = sum_of_groups<Ops>(b, x);
    const Halves sums({sum, sum, sum, sum});
    finish_half(products.first, sums.first, b, 0, e, c.halves[0], y);
    if (b.n > kChannels) finish_half(products.second, sums.second, b, kChannels, e, c.halves[1], y);
  }
};

}  // namespace
}  // namespace int8
