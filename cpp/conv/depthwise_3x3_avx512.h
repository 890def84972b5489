// Depthwise 3x3 kernels at stride 1 or 2 along the width, codes out, for AVX512-VNNI: the lines of depthwise.h.
//
// Vector 64 channels on zmm; up to 32, what is left of many layers, on ymm, whose operations have three ports, not two.
//        Both read the same packed weights: the low half of each vector holds the first 32 channels.
// Column three taps are interleaved once, by 8 unpacks, and serve three outputs at step 1, one and a half at step 2.
// Rows   two output rows at a time where their taps are a line apart: a column is four lines then, and serves both.
// Regs   12 of columns + 4 accumulators of 32. One row: 12 of W; two: 8 of 24 of W from the stack, as operands.
// Bound  by the two ports of zmm operations. 64 outputs of one row take 8 unpacks, 12 vpdpbusd and 17 to 24 operations
//        of the epilogue, 19 cycles or more; of two rows half of the unpacks, 17 cycles.
// Tails  n: masked store.
//
// Only files of instruction sets that include AVX512-VNNI include this.
#pragma once

#include "gemm/epilogue_avx512.h"

// The columns are written with the macros of the epilogue.
#include "conv/depthwise_columns.h"

namespace int8 {
namespace {

// What both kinds of vectors need, under one name each.
struct Zmm {
  using Vec = __m512i;
  using Mask = __mmask64;
  static constexpr int kBytes = 64;
};
struct Ymm {
  using Vec = __m256i;
  using Mask = __mmask32;
  static constexpr int kBytes = 32;
};

// Of n of 64 bytes.
INT8_INLINE __mmask64 byte_mask(int64_t n) {
  return n >= 64 ? ~__mmask64{0} : (__mmask64{1} << n) - 1;
}

template <class V>
INT8_INLINE typename V::Vec load_vector(const void* p) {
  typename V::Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INT8_INLINE void interleave(__m512i a, __m512i b, __m512i c, __m512i d, __m512i (&out)[4]) {
  const __m512i ab_lo = _mm512_unpacklo_epi8(a, b);
  const __m512i ab_hi = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_lo = _mm512_unpacklo_epi8(c, d);
  const __m512i cd_hi = _mm512_unpackhi_epi8(c, d);
  out[0] = _mm512_unpacklo_epi16(ab_lo, cd_lo);
  out[1] = _mm512_unpackhi_epi16(ab_lo, cd_lo);
  out[2] = _mm512_unpacklo_epi16(ab_hi, cd_hi);
  out[3] = _mm512_unpackhi_epi16(ab_hi, cd_hi);
}
INT8_INLINE void interleave(__m256i a, __m256i b, __m256i c, __m256i d, __m256i (&out)[4]) {
  const __m256i ab_lo = _mm256_unpacklo_epi8(a, b);
  const __m256i ab_hi = _mm256_unpackhi_epi8(a, b);
  const __m256i cd_lo = _mm256_unpacklo_epi8(c, d);
  const __m256i cd_hi = _mm256_unpackhi_epi8(c, d);
  out[0] = _mm256_unpacklo_epi16(ab_lo, cd_lo);
  out[1] = _mm256_unpackhi_epi16(ab_lo, cd_lo);
  out[2] = _mm256_unpacklo_epi16(ab_hi, cd_hi);
  out[3] = _mm256_unpackhi_epi16(ab_hi, cd_hi);
}

INT8_INLINE __m512i add_products(__m512i acc, __m512i x, __m512i w) {
  return _mm512_dpbusd_epi32(acc, x, w);
}
INT8_INLINE __m256i add_products(__m256i acc, __m256i x, __m256i w) {
  return _mm256_dpbusd_epi32(acc, x, w);
}

// Each quad's taps one place on.
INT8_INLINE __m512i next_places(__m512i w) {
  return _mm512_slli_epi32(w, 8);
}
INT8_INLINE __m256i next_places(__m256i w) {
  return _mm256_slli_epi32(w, 8);
}

// The slots of a block put the channels where packing leaves them in order.
template <Codes kCodes, bool kBound = kCodes == Codes::kGeneral>
INT8_INLINE void store_codes(const __m512i (&acc)[4], const float* multipliers, const Epilogue& c, __mmask64 mask,
                             uint8_t* y) {
  __m512i q[4];
  INT8_UNROLL for (int i = 0; i < 4; i++) q[i] = scale<kBound>(acc[i], multipliers + kLanes * i);
  _mm512_mask_storeu_epi8(y, mask, pack_codes<kCodes>(q, c));
}
// The same on the low halves.
template <Codes kCodes>
INT8_INLINE void store_codes(const __m256i (&acc)[4], const float* multipliers, const Epilogue& c, __mmask32 mask,
                             uint8_t* y) {
  __m256i q[4];
  INT8_UNROLL for (int i = 0; i < 4; i++) {
    __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[i]), _mm256_load_ps(multipliers + kLanes * i));
    if (kCodes == Codes::kGeneral) f = _mm256_min_ps(f, _mm256_set1_ps(65536.0f));
    q[i] = _mm256_cvtps_epi32(f);
  }
  const __m256i zero_point = _mm512_castsi512_si256(c.zero_point);
  const __m256i lo = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), zero_point);
  const __m256i hi = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), zero_point);
  __m256i bytes = _mm256_packus_epi16(lo, hi);
  if (kCodes == Codes::kGeneral) {
    bytes = _mm256_max_epu8(bytes, _mm512_castsi512_si256(c.lo));
    bytes = _mm256_min_epu8(bytes, _mm512_castsi512_si256(c.hi));
    bytes = _mm256_xor_si256(bytes, _mm512_castsi512_si256(c.flip));
  }
  _mm256_mask_storeu_epi8(y, mask, bytes);
}

// The next column of three lines, or of four for two output rows.
template <class V, int kLines>
INT8_INLINE void load_column(DepthwiseColumns<kLines>& columns, typename V::Vec (&out)[4]) {
  const int64_t d = columns.next();
  interleave(load_vector<V>(columns.at[0] + d), load_vector<V>(columns.at[1] + d), load_vector<V>(columns.at[2] + d),
             kLines == 4 ? load_vector<V>(columns.at[kLines - 1] + d) : typename V::Vec{}, out);
}

// Output rows from `first` on, kRows at a time.
template <class V, int kStep, int kRows, Codes kCodes>
__attribute__((noinline)) void rows_3x3(const DepthwiseSquare& b, const Epilogue& e, int64_t first) {
  using Vec = typename V::Vec;
  const auto mask = static_cast<typename V::Mask>(byte_mask(b.n));
  const int32_t* offsets = b.offsets;
  const float* multipliers = b.multipliers;
  const int64_t y_pixel = b.y_pixel;
  // The first row's taps are a column's first three, the second's the last three.
  Vec w[kRows][3][4];
  INT8_UNROLL for (int k = 0; k < 3; k++) {
    INT8_UNROLL for (int i = 0; i < 4; i++) {
      w[0][k][i] = load_vector<V>(b.w + 64 * (4 * k + i));
      if (kRows == 2) w[kRows - 1][k][i] = next_places(w[0][k][i]);
    }
  }
  for (int64_t r = first; r + kRows <= b.rows; r += kRows) {
    DepthwiseColumns<kRows + 2> columns(b, r * b.line_step, b.first);
    uint8_t* y[kRows];
    INT8_UNROLL for (int j = 0; j < kRows; j++) y[j] = b.y + (r + j) * b.y_row;
    Vec k0[4], k1[4], k2[4];
    load_column<V>(columns, k0);
    if (kStep == 1) load_column<V>(columns, k1);
    for (int64_t p = b.columns; p > 0; p--) {
      if (kStep == 2) load_column<V>(columns, k1);
      load_column<V>(columns, k2);
      INT8_UNROLL for (int j = 0; j < kRows; j++) {
        Vec acc[4];
        INT8_UNROLL for (int i = 0; i < 4; i++) {
          acc[i] = add_products(load_vector<V>(offsets + kLanes * i), k0[i], w[j][0][i]);
          acc[i] = add_products(acc[i], k1[i], w[j][1][i]);
          acc[i] = add_products(acc[i], k2[i], w[j][2][i]);
        }
        store_codes<kCodes>(acc, multipliers, e, mask, y[j]);
        y[j] += y_pixel;
      }
      INT8_UNROLL for (int i = 0; i < 4; i++) {
        k0[i] = kStep == 1 ? k1[i] : k2[i];
        k1[i] = k2[i];
      }
    }
  }
}

// What is most common has code of its own: u8 codes that need no bounds, but for single rows of step 1, which are what
// pairs leave over. All else takes the constants for all codes.
template <class V, int kStep>
void vectors_3x3(const DepthwiseSquare& b, const EpilogueScalars& scalars) {
  const Epilogue e = make_epilogue(scalars);
  const Epilogue general = make_epilogue(scalars, true);
  const bool plain = e.codes == Codes::kPlainU8;
  int64_t r = 0;
  if (b.line_step == b.tap_step) {
    plain ? rows_3x3<V, kStep, 2, Codes::kPlainU8>(b, e, 0) : rows_3x3<V, kStep, 2, Codes::kGeneral>(b, general, 0);
    r = b.rows & ~int64_t{1};
  }
  if (r == b.rows) return;
  if constexpr (kStep == 2) {
    plain ? rows_3x3<V, kStep, 1, Codes::kPlainU8>(b, e, r) : rows_3x3<V, kStep, 1, Codes::kGeneral>(b, general, r);
  } else {
    rows_3x3<V, kStep, 1, Codes::kGeneral>(b, general, r);
  }
}

template <int kStep>
void run_3x3(const DepthwiseSquare& b, const EpilogueScalars& e) {
  b.n <= Ymm::kBytes ? vectors_3x3<Ymm, kStep>(b, e) : vectors_3x3<Zmm, kStep>(b, e);
}

}  // namespace
}  // namespace int8
