// What becomes of accumulators, for the AVX-512 GEMM kernels: zero points of weights, scale, clamp, round, store.
//
// Codes  clamping to [lo, hi] commutes with rounding, so it is left to the saturating packs and two byte operations for
//        64 outputs at once. vcvtps2dq turns what lies below int32 into INT_MIN, which the packs saturate rightly; what
//        may lie above is bounded first, but only where some multiplier is 1 or more. A clamp of floats and vpmovdb
//        take a third more instructions, and where K is small the epilogue is most of the time.
// Tails  n: masked store.
//
// Only files of instruction sets that include AVX512-VNNI include this.
#pragma once

#include <immintrin.h>

#include "gemm/gemm.h"

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))
// The value is in a register here: without it g++ 12 may keep a loop's accumulators on the stack, or compute a pointer
// anew after a loop that has it, by way of a vector register.
#define INT8_KEEP(v) asm("" : "+v"(v))
#define INT8_KEEP_POINTER(p) asm("" : "+r"(p))

namespace int8 {
namespace {

constexpr int kLanes = 16;  // int32 in a zmm

// Mask of the channels of vector j that exist.
INT8_INLINE __mmask16 lane_mask(int64_t n, int j) {
  const int64_t left = n - kLanes * j;
  return left >= kLanes ? 0xffff : left <= 0 ? 0 : static_cast<__mmask16>((1u << left) - 1);
}

// How codes are stored. Plain is what most layers have: every M is below 1, and the bounds are the type's own, so that
// the saturating packs are all the clamping there is.
enum class Codes { kGeneral, kPlainU8, kPlainS8 };

// An epilogue's constants, made once for a panel. Tiles load them: a broadcast would take a port of the multipliers.
struct Epilogue {
  EpilogueScalars e;
  Codes codes;
  __m512i zero_point;  // int16; in the u8 domain but for kPlainS8
  __m512i lo, hi;      // u8 domain
  __m512i flip;        // 0x80 in each byte for s8
};

// For all codes if `general`, else for those that suffice.
INT8_INLINE Epilogue make_epilogue(const EpilogueScalars& e, bool general = false) {
  const bool s8 = e.kind == OutputKind::kS8;
  const bool plain = !general && !e.unbounded && e.hi - e.lo == 255;
  const int shift = s8 ? 128 : 0;
  Epilogue c;
  c.e = e;
  c.codes = !plain ? Codes::kGeneral : s8 ? Codes::kPlainS8 : Codes::kPlainU8;
  c.zero_point = _mm512_set1_epi16(static_cast<int16_t>(e.zero_point + (plain ? 0 : shift)));
  c.lo = _mm512_set1_epi8(static_cast<char>(e.lo + shift));
  c.hi = _mm512_set1_epi8(static_cast<char>(e.hi + shift));
  c.flip = _mm512_set1_epi8(static_cast<char>(shift));
  return c;
}

// f(f(acc)*M) rounded to int32; kBound keeps it below 2^31 first.
template <bool kBound>
INT8_INLINE __m512i scale(__m512i acc, const float* multipliers) {
  __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_load_ps(multipliers));
  if (kBound) f = _mm512_min_ps(f, _mm512_set1_ps(65536.0f));
  return _mm512_cvtps_epi32(f);
}

// Four vectors of rounded values to one of codes. Packs work within 128-bit lanes: dword 4*l+v of the result holds
// elements 4*l to 4*l+3 of vector v.
template <Codes kCodes>
INT8_INLINE __m512i pack_codes(const __m512i (&q)[4], const Epilogue& c) {
  const __m512i lo = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), c.zero_point);
  const __m512i hi = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), c.zero_point);
  const __m512i bytes = kCodes == Codes::kPlainS8 ? _mm512_packs_epi16(lo, hi) : _mm512_packus_epi16(lo, hi);
  if (kCodes != Codes::kGeneral) return bytes;
  return _mm512_xor_si512(_mm512_min_epu8(_mm512_max_epu8(bytes, c.lo), c.hi), c.flip);
}

// Scales everything first, so that long chains run side by side, then packs four vectors at a time: one row of 49 to 64
// channels, two of 17 to 32, four of up to 16.
template <int MR, int NV, Codes kCodes>
INT8_INLINE void store_codes(__m512i (&acc)[MR][NV], const GemmBlock& b, const Epilogue& c, uint8_t* const (&y)[MR]) {
  constexpr int kRows = NV == 3 ? 1 : 4 / NV;
  const float* multipliers = b.multipliers;
  const __mmask64 mask = b.n >= 64 ? ~__mmask64{0} : (__mmask64{1} << b.n) - 1;
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      acc[r][j] = scale<kCodes == Codes::kGeneral>(acc[r][j], multipliers + kLanes * j);
    }
  }
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  INT8_UNROLL for (int r = 0; r < MR; r += kRows) {
    __m512i q[4];
    INT8_UNROLL for (int v = 0; v < 4; v++) {
      const int row = r + v / NV;
      q[v] = v < kRows * NV && row < MR ? acc[row < MR ? row : 0][v % NV] : _mm512_setzero_si512();
    }
    const __m512i bytes = _mm512_permutexvar_epi32(order, pack_codes<kCodes>(q, c));
    if (NV >= 3) {
      _mm512_mask_storeu_epi8(y[r], mask, bytes);
    } else if (NV == 2) {
      _mm256_mask_storeu_epi8(y[r], static_cast<__mmask32>(mask), _mm512_castsi512_si256(bytes));
      if (r + 1 < MR) {
        _mm256_mask_storeu_epi8(y[r + 1 < MR ? r + 1 : r], static_cast<__mmask32>(mask),
                                _mm512_extracti64x4_epi64(bytes, 1));
      }
    } else {
      const auto m = static_cast<__mmask16>(mask);
      _mm_mask_storeu_epi8(y[r], m, _mm512_castsi512_si128(bytes));
      if (r + 1 < MR) _mm_mask_storeu_epi8(y[r + 1 < MR ? r + 1 : r], m, _mm512_extracti32x4_epi32(bytes, 1));
      if (r + 2 < MR) _mm_mask_storeu_epi8(y[r + 2 < MR ? r + 2 : r], m, _mm512_extracti32x4_epi32(bytes, 2));
      if (r + 3 < MR) _mm_mask_storeu_epi8(y[r + 3 < MR ? r + 3 : r], m, _mm512_extracti32x4_epi32(bytes, 3));
    }
  }
}

template <int NV>
INT8_INLINE void store_s32(const __m512i (&acc)[NV], uint8_t* y, int64_t n) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    _mm512_mask_storeu_epi32(y + 64 * j, lane_mask(n, j), acc[j]);
  }
}

// clamp(f(f(f(acc)*p) + bias), lo, hi). The order of operands keeps max(-0, +0) = +0 and min(-0, +0) = -0; a NaN, which
// only an infinite scale or a bias can bring, stays.
template <int NV>
INT8_INLINE void store_f32(const __m512i (&acc)[NV], const GemmBlock& b, const EpilogueScalars& e, uint8_t* y) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[j]), _mm512_load_ps(b.multipliers + kLanes * j));
    if (b.bias != nullptr) f = _mm512_add_ps(f, _mm512_load_ps(b.bias + kLanes * j));
    const __mmask16 nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
    const __m512 above = _mm512_max_ps(f, _mm512_set1_ps(e.float_lo));
    f = _mm512_mask_mov_ps(_mm512_min_ps(_mm512_set1_ps(e.float_hi), above), nan, f);
    _mm512_mask_storeu_ps(y + 64 * j, lane_mask(b.n, j), f);
  }
}

template <int MR, int NV>
__attribute__((noinline)) void store_wide(const __m512i (&acc)[MR][NV], const GemmBlock& b, const EpilogueScalars& e,
                                          uint8_t* const (&y)[MR]) {
  for (int r = 0; r < MR; r++) {
    if (e.kind == OutputKind::kS32) {
      store_s32(acc[r], y[r], b.n);
    } else {
      store_f32(acc[r], b, e, y[r]);
    }
  }
}

// How an epilogue is compiled: much code, a copy for each tile. kCompact has s32 and f32 in one copy for all tiles of a
// size, by way of memory; a loop over rows cannot have that call in it (a twentieth slower on AMX). kSeldom, for tiles
// of what is left and of rows whose K is no multiple of 4, also takes the constants for all codes, and has no code for
// others.
enum class Finish { kInline, kCompact, kSeldom };

// The epilogue of rows first to first+m-1 of the block, m <= MR: acc holds offset + sum(x*w), and is consumed.
template <int MR, int NV, Finish kFinish = Finish::kInline>
INT8_INLINE void finish(__m512i (&acc)[MR][NV], const GemmBlock& b, const Epilogue& c, int64_t first, int64_t m) {
  uint8_t* y[MR];
  INT8_UNROLL for (int r = 0; r < MR; r++) y[r] = b.y + (first + (r < m ? r : m - 1)) * b.y_pitch;
  if (b.zero_points != nullptr) {
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      const __m512i zw = _mm512_load_si512(b.zero_points + kLanes * j);
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        const __m512i sum = _mm512_set1_epi32(b.row_sums[first + (r < m ? r : m - 1)]);
        acc[r][j] = _mm512_sub_epi32(acc[r][j], _mm512_mullo_epi32(zw, sum));
      }
    }
  }
  if (kFinish != Finish::kInline && (c.e.kind == OutputKind::kS32 || c.e.kind == OutputKind::kF32)) {
    __m512i stored[MR][NV];
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) stored[r][j] = acc[r][j];
    }
    store_wide(stored, b, c.e, y);
  } else if (c.e.kind == OutputKind::kS32) {
    INT8_UNROLL for (int r = 0; r < MR; r++) store_s32(acc[r], y[r], b.n);
  } else if (c.e.kind == OutputKind::kF32) {
    INT8_UNROLL for (int r = 0; r < MR; r++) store_f32(acc[r], b, c.e, y[r]);
  } else if (kFinish != Finish::kSeldom && c.codes == Codes::kPlainU8) {
    store_codes<MR, NV, Codes::kPlainU8>(acc, b, c, y);
  } else if (kFinish != Finish::kSeldom && c.codes == Codes::kPlainS8) {
    store_codes<MR, NV, Codes::kPlainS8>(acc, b, c, y);
  } else {
    store_codes<MR, NV, Codes::kGeneral>(acc, b, c, y);
  }
}

}  // namespace
}  // namespace int8
