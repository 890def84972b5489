// What happens to a tile's accumulators before and after the loop over k, on ymm registers: the text that the avx2 and
// avxvnni kernels share. Only they include it: the rest of the library is built without AVX.
//
// There are no byte masks below AVX-512, so a row of fewer channels than vectors hold goes through 16 bytes of stack
// (codes), or through dword masks (s32, f32). Bytes behind n are never written.
#pragma once

#include <immintrin.h>

#include "gemm/gemm.h"

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))

namespace int8 {
namespace {

constexpr int kLanes = 8;  // int32 in a ymm

INT8_INLINE __m256i load_ymm(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// The accumulators of rows first to first+MR-1: offset[n] - zw[n]*row_sum[r]. Done at the start, where it costs no
// register beside the accumulators.
template <int MR, int NV>
INT8_INLINE void start(const GemmBlock& b, int64_t first, __m256i (&acc)[MR][NV]) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    const __m256i offset = load_ymm(b.offsets + kLanes * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) acc[r][j] = offset;
  }
  if (b.zero_points == nullptr) return;
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    const __m256i zw = load_ymm(b.zero_points + kLanes * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      const __m256i sum = _mm256_set1_epi32(b.row_sums[first + r]);
      acc[r][j] = _mm256_sub_epi32(acc[r][j], _mm256_mullo_epi32(zw, sum));
    }
  }
}

// How codes are stored. Plain is what most layers have: every M is below 1, and the bounds are the type's own, so that
// the saturating packs are all the clamping there is.
enum class Codes { kGeneral, kPlainU8, kPlainS8 };

// Made once for all tiles of a panel.
struct CodeConstants {
  Codes codes;
  __m256i zero_point;  // int16; in the u8 domain but for kPlainS8
  __m256i lo, hi;      // u8 domain
  __m256i flip;        // 0x80 in each byte for s8
};

INT8_INLINE CodeConstants code_constants(const EpilogueScalars& e) {
  const bool s8 = e.kind == OutputKind::kS8;
  const bool plain = !e.unbounded && e.hi - e.lo == 255;
  const int shift = s8 ? 128 : 0;
  CodeConstants c;
  c.codes = !plain ? Codes::kGeneral : s8 ? Codes::kPlainS8 : Codes::kPlainU8;
  c.zero_point = _mm256_set1_epi16(static_cast<int16_t>(e.zero_point + (plain ? 0 : shift)));
  c.lo = _mm256_set1_epi8(static_cast<char>(e.lo + shift));
  c.hi = _mm256_set1_epi8(static_cast<char>(e.hi + shift));
  c.flip = _mm256_set1_epi8(static_cast<char>(shift));
  return c;
}

// f(f(acc)*M) rounded to int32. What lies below int32 becomes INT_MIN, which the packs saturate rightly; kBound keeps
// the rest below 2^31 first.
template <bool kBound>
INT8_INLINE __m256i scale(__m256i acc, const float* multipliers) {
  __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(multipliers));
  if (kBound) f = _mm256_min_ps(f, _mm256_set1_ps(65536.0f));
  return _mm256_cvtps_epi32(f);
}

// The first n bytes of v, n below 16.
inline __attribute__((noinline)) void store_some(__m128i v, int64_t n, uint8_t* y) {
  alignas(16) uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), v);
  const uint8_t* from = bytes;
  if ((n & 8) != 0) {
    __builtin_memcpy(y, from, 8);
    from += 8;
    y += 8;
  }
  if ((n & 4) != 0) {
    __builtin_memcpy(y, from, 4);
    from += 4;
    y += 4;
  }
  if ((n & 2) != 0) {
    __builtin_memcpy(y, from, 2);
    from += 2;
    y += 2;
  }
  if ((n & 1) != 0) *y = *from;
}

// The first n bytes of v, n <= kWidth, which is 8 or 16.
template <int kWidth>
INT8_INLINE void store_row(__m128i v, int64_t n, uint8_t* y) {
  if (n != kWidth) {
    store_some(v, n, y);
  } else if (kWidth == 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y), v);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(y), v);
  }
}

// Scales everything first, so that long chains run side by side, then packs four vectors at a time: two rows of 9 to 16
// channels or four of up to 8. Clamping to [lo, hi] commutes with rounding, so it is left to the saturating packs and
// two byte operations for all 32 outputs.
template <int MR, int NV, Codes kCodes>
INT8_INLINE void store_codes(__m256i (&acc)[MR][NV], const float* multipliers, int64_t n, const CodeConstants& c,
                             uint8_t* const (&y)[MR]) {
  constexpr int kRows = 4 / NV;
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      acc[r][j] = scale<kCodes == Codes::kGeneral>(acc[r][j], multipliers + kLanes * j);
    }
  }
  // Packs work within 128-bit lanes: dword 4*l+v of the result holds elements 4*l to 4*l+3 of vector v.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  INT8_UNROLL for (int r = 0; r < MR; r += kRows) {
    __m256i q[4];
    INT8_UNROLL for (int v = 0; v < 4; v++) {
      const int row = r + v / NV;
      q[v] = row < MR ? acc[row < MR ? row : 0][v % NV] : _mm256_setzero_si256();
    }
    const __m256i lo = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), c.zero_point);
    const __m256i hi = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), c.zero_point);
    __m256i bytes = kCodes == Codes::kPlainS8 ? _mm256_packs_epi16(lo, hi) : _mm256_packus_epi16(lo, hi);
    if (kCodes == Codes::kGeneral) {
      bytes = _mm256_xor_si256(_mm256_min_epu8(_mm256_max_epu8(bytes, c.lo), c.hi), c.flip);
    }
    bytes = _mm256_permutevar8x32_epi32(bytes, order);
    const __m128i halves[2] = {_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)};
    INT8_UNROLL for (int i = 0; i < kRows; i++) {
      if (r + i >= MR) break;
      store_row<8 * NV>(NV == 2        ? halves[i & 1]
                        : (i & 1) == 0 ? halves[i / 2]
                                       : _mm_unpackhi_epi64(halves[i / 2], halves[i / 2]),
                        n, y[r + i < MR ? r + i : r]);
    }
  }
}

// Channels of vector j that exist: all ones in their dwords.
INT8_INLINE __m256i lane_mask(int64_t n, int j) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n) - kLanes * j), lanes);
}

// s32 and f32 outputs of rows first to first+m-1 from their sums in memory, [m][kLanes*vectors].
//
// f32: clamp(f(f(f(acc)*p) + bias), lo, hi). The order of operands keeps max(-0, +0) = +0 and min(-0, +0) = -0; a NaN,
// which only an infinite scale or a bias can bring, stays.
inline __attribute__((noinline)) void store_wide(const GemmBlock& b, const EpilogueScalars& e, int64_t first, int64_t m,
                                                 const int32_t* sums, int vectors) {
  for (int64_t r = 0; r < m; r++) {
    uint8_t* y = b.y + (first + r) * b.y_pitch;
    for (int j = 0; j < vectors; j++, sums += kLanes) {
      const __m256i mask = lane_mask(b.n, j);
      if (e.kind == OutputKind::kS32) {
        _mm256_maskstore_epi32(reinterpret_cast<int*>(y) + kLanes * j, mask, load_ymm(sums));
        continue;
      }
      __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(load_ymm(sums)), _mm256_loadu_ps(b.multipliers + kLanes * j));
      if (b.bias != nullptr) f = _mm256_add_ps(f, _mm256_loadu_ps(b.bias + kLanes * j));
      const __m256 nan = _mm256_cmp_ps(f, f, _CMP_UNORD_Q);
      const __m256 above = _mm256_max_ps(f, _mm256_set1_ps(e.float_lo));
      f = _mm256_blendv_ps(_mm256_min_ps(_mm256_set1_ps(e.float_hi), above), f, nan);
      _mm256_maskstore_ps(reinterpret_cast<float*>(y) + kLanes * j, mask, f);
    }
  }
}

// Rows first to first+MR-1 of y from their accumulators. Codes are made in registers. The wider outputs go through
// memory: with their code in the tile's function, g++ 12 keeps accumulators on the stack during the loop over k.
template <int MR, int NV>
INT8_INLINE void finish(const GemmBlock& b, const EpilogueScalars& e, const CodeConstants& c, int64_t first,
                        const __m256i (&acc)[MR][NV]) {
  if (e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32) {
    alignas(32) int32_t sums[MR * NV * kLanes];
    INT8_UNROLL for (int i = 0; i < MR * NV; i++) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums + kLanes * i), acc[i / NV][i % NV]);
    }
    store_wide(b, e, first, MR, sums, NV);
    return;
  }
  // Stores of bytes may alias the block: what it says is read once.
  const float* multipliers = b.multipliers;
  const int64_t n = b.n;
  constexpr int kWidth = NV < 2 ? NV : 2;
  INT8_UNROLL for (int j = 0; j < NV; j += kWidth) {
    __m256i part[MR][kWidth];
    uint8_t* y[MR];
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int i = 0; i < kWidth; i++) part[r][i] = acc[r][j + i];
      y[r] = b.y + (first + r) * b.y_pitch + kLanes * j;
    }
    const int64_t left = j + kWidth < NV ? kLanes * kWidth : n - kLanes * j;
    const float* part_multipliers = multipliers + kLanes * j;
    if (c.codes == Codes::kPlainU8) {
      store_codes<MR, kWidth, Codes::kPlainU8>(part, part_multipliers, left, c, y);
    } else if (c.codes == Codes::kPlainS8) {
      store_codes<MR, kWidth, Codes::kPlainS8>(part, part_multipliers, left, c, y);
    } else {
      store_codes<MR, kWidth, Codes::kGeneral>(part, part_multipliers, left, c, y);
    }
  }
}

// GemmRow::row_sums: vpsadbw adds eight bytes at once.
inline void row_sums(const GemmBlock& b, int32_t* sums) {
  const __m256i zero = _mm256_setzero_si256();
  for (int64_t r = 0; r < b.m; r++) {
    __m256i acc = zero;
    uint32_t sum = 0;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p = b.rows[t * b.row_pitch + r] + b.x_offset;
      int64_t k = 0;
      for (; k + 32 <= b.k; k += 32) acc = _mm256_add_epi64(acc, _mm256_sad_epu8(load_ymm(p + k), zero));
      for (; k + 8 <= b.k; k += 8) {
        const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + k));
        acc = _mm256_add_epi64(acc, _mm256_sad_epu8(_mm256_zextsi128_si256(eight), zero));
      }
      for (; k < b.k; k++) sum += p[k];
    }
    const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
    const __m128i one = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
    sums[r] = static_cast<int32_t>(sum + static_cast<uint32_t>(_mm_cvtsi128_si32(one)));
  }
}

}  // namespace
}  // namespace int8
