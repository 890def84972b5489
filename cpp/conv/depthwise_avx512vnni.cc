// Depthwise convolution, 64 channels at a time, u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Quads  four taps of 64 channels are interleaved to 4 zmm of u8x4 by byte and word unpacks, then one vpdpbusd each.
//        Unpacks work within 128-bit lanes: vector i, lane l holds channels 16*l+4*i to +3. Packed weights and
//        parameters stand in that order, and packing the results puts the channels back into their own.
// 3x3    a column of three taps is interleaved once and serves three outputs (stride 1) or one and a half (stride 2).
// 5x5    a column of five taps serves five outputs at stride 1, two or three at stride 2 (depthwise_ring.h).
// Regs   3x3: 12 of W + 12 of columns + 4 accumulators = 28 of 32 zmm; 5x5: 20 accumulators + 8 of the column,
//        W from memory.
// X      read in whole vectors: the strip has 64 bytes behind its end.
// Tails  n: masked store.
#include <immintrin.h>

#include "gemm/epilogue_avx512.h"

// The ring is written with the macros of the epilogue.
#include "conv/depthwise_ring.h"

namespace int8 {
namespace {

constexpr int kBlock = 64;

// Channel 16*l + 4*i + e stands at 16*i + 4*l + e.
int slot(int channel) {
  return channel / 4 % 4 * 16 + channel / 16 * 4 + channel % 4;
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

INT8_INLINE __mmask64 byte_mask(int64_t n) {
  return n >= kBlock ? ~__mmask64{0} : (__mmask64{1} << n) - 1;
}

// The slots put the channels where packing leaves them in order.
template <Codes kCodes, bool kBound = kCodes == Codes::kGeneral>
INT8_INLINE void store_codes(const __m512i (&acc)[4], const float* multipliers, const Epilogue& c, __mmask64 mask,
                             uint8_t* y) {
  __m512i q[4];
  INT8_UNROLL for (int i = 0; i < 4; i++) q[i] = scale<kBound>(acc[i], multipliers + kLanes * i);
  _mm512_mask_storeu_epi8(y, mask, pack_codes<kCodes>(q, c));
}

// kS32 and kF32: the 4x4 lanes are transposed back into channel order.
INT8_INLINE void store_wide(const __m512i (&acc)[4], const DepthwiseBlock& b, const EpilogueScalars& e, uint8_t* y) {
  __m512i v[4];
  INT8_UNROLL for (int i = 0; i < 4; i++) {
    v[i] = acc[i];
    if (e.kind == OutputKind::kF32) {
      __m512 f = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[i]), _mm512_load_ps(b.multipliers + 16 * i));
      if (b.bias != nullptr) f = _mm512_add_ps(f, _mm512_load_ps(b.bias + 16 * i));
      const __mmask16 nan = _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q);
      const __m512 above = _mm512_max_ps(f, _mm512_set1_ps(e.float_lo));
      f = _mm512_mask_mov_ps(_mm512_min_ps(_mm512_set1_ps(e.float_hi), above), nan, f);
      v[i] = _mm512_castps_si512(f);
    }
  }
  const __m512i lo01 = _mm512_shuffle_i32x4(v[0], v[1], 0x44);  // lanes 0, 1 of each
  const __m512i hi01 = _mm512_shuffle_i32x4(v[0], v[1], 0xee);  // lanes 2, 3
  const __m512i lo23 = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
  const __m512i hi23 = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
  _mm512_mask_storeu_epi32(y, lane_mask(b.n, 0), _mm512_shuffle_i32x4(lo01, lo23, 0x88));
  _mm512_mask_storeu_epi32(y + 64, lane_mask(b.n, 1), _mm512_shuffle_i32x4(lo01, lo23, 0xdd));
  _mm512_mask_storeu_epi32(y + 128, lane_mask(b.n, 2), _mm512_shuffle_i32x4(hi01, hi23, 0x88));
  _mm512_mask_storeu_epi32(y + 192, lane_mask(b.n, 3), _mm512_shuffle_i32x4(hi01, hi23, 0xdd));
}

// The next column of three lines, or of four for two output rows.
template <int kLines>
INT8_INLINE void load_column(DepthwiseColumns<kLines>& columns, __m512i (&out)[4]) {
  const int64_t d = columns.next();
  interleave(_mm512_loadu_si512(columns.at[0] + d), _mm512_loadu_si512(columns.at[1] + d),
             _mm512_loadu_si512(columns.at[2] + d),
             kLines == 4 ? _mm512_loadu_si512(columns.at[kLines - 1] + d) : _mm512_setzero_si512(), out);
}

// Output rows from `first` on, kRows at a time; two are of neighbouring lines, so that a column of four is interleaved
// once for both.
template <int kStep, int kRows, Codes kCodes>
__attribute__((noinline)) void run_3x3(const DepthwiseSquare& b, const Epilogue& e, int64_t first) {
  const __mmask64 mask = byte_mask(b.n);
  const int32_t* offsets = b.offsets;
  const float* multipliers = b.multipliers;
  const int64_t y_pixel = b.y_pixel;
  // The first row's taps are a column's first three, the second's the last three.
  __m512i w[kRows][3][4];
  INT8_UNROLL for (int k = 0; k < 3; k++) {
    INT8_UNROLL for (int i = 0; i < 4; i++) {
      w[0][k][i] = _mm512_load_si512(b.w + 64 * (4 * k + i));
      if (kRows == 2) w[kRows - 1][k][i] = _mm512_slli_epi32(w[0][k][i], 8);
    }
  }
  for (int64_t r = first; r + kRows <= b.rows; r += kRows) {
    DepthwiseColumns<kRows + 2> columns(b, r * b.line_step, b.first);
    uint8_t* y[kRows];
    INT8_UNROLL for (int j = 0; j < kRows; j++) y[j] = b.y + (r + j) * b.y_row;
    __m512i k0[4], k1[4], k2[4];
    load_column(columns, k0);
    if (kStep == 1) load_column(columns, k1);
    for (int64_t p = b.columns; p > 0; p--) {
      if (kStep == 2) load_column(columns, k1);
      load_column(columns, k2);
      INT8_UNROLL for (int j = 0; j < kRows; j++) {
        __m512i acc[4];
        INT8_UNROLL for (int i = 0; i < 4; i++) {
          acc[i] = _mm512_dpbusd_epi32(_mm512_load_si512(offsets + kLanes * i), k0[i], w[j][0][i]);
          acc[i] = _mm512_dpbusd_epi32(acc[i], k1[i], w[j][1][i]);
          acc[i] = _mm512_dpbusd_epi32(acc[i], k2[i], w[j][2][i]);
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

template <int kStep, Codes kCodes>
void run_rows(const DepthwiseSquare& b, const Epilogue& e) {
  int64_t r = 0;
  if (b.line_step == b.tap_step) {
    run_3x3<kStep, 2, kCodes>(b, e, 0);
    r = b.rows & ~int64_t{1};
  }
  if (r < b.rows) run_3x3<kStep, 1, kCodes>(b, e, r);
}

template <int kStep>
void run_codes(const DepthwiseSquare& b, const EpilogueScalars& scalars) {
  const Epilogue e = make_epilogue(scalars);
  if (e.codes == Codes::kPlainU8) {
    run_rows<kStep, Codes::kPlainU8>(b, e);
  } else if (e.codes == Codes::kPlainS8) {
    run_rows<kStep, Codes::kPlainS8>(b, e);
  } else {
    run_rows<kStep, Codes::kGeneral>(b, e);
  }
}

// Any kernel, stride, dilation, output and zero points.
template <bool kZeroPoints>
__attribute__((noinline)) void run_any(const DepthwiseBlock& b, const EpilogueScalars& e) {
  const Epilogue c = make_epilogue(e, true);
  const __mmask64 mask = byte_mask(b.n);
  for (int64_t r = 0; r < b.rows; r++) {
    const uint8_t* x = b.x + r * b.x_row;
    uint8_t* y = b.y + r * b.y_row;
    for (int64_t p = 0; p < b.columns; p++, x += b.x_pixel, y += b.y_pixel) {
      __m512i acc[4], sums[4], in[4];
      INT8_UNROLL for (int i = 0; i < 4; i++) {
        acc[i] = _mm512_load_si512(b.offsets + 16 * i);
        sums[i] = _mm512_setzero_si512();
      }
      const int64_t* taps = b.taps;
      const int8_t* w = b.w;
      for (int64_t q = 0; q < b.quads; q++, taps += 4, w += 4 * kBlock) {
        interleave(_mm512_loadu_si512(x + taps[0]), _mm512_loadu_si512(x + taps[1]), _mm512_loadu_si512(x + taps[2]),
                   _mm512_loadu_si512(x + taps[3]), in);
        INT8_UNROLL for (int i = 0; i < 4; i++) {
          acc[i] = _mm512_dpbusd_epi32(acc[i], in[i], _mm512_load_si512(w + 64 * i));
          if (kZeroPoints) {
            const __m512i ones = _mm512_set1_epi32(static_cast<int32_t>(b.ones[q]));
            sums[i] = _mm512_dpbusd_epi32(sums[i], in[i], ones);
          }
        }
      }
      if (kZeroPoints) {
        INT8_UNROLL for (int i = 0; i < 4; i++) {
          const __m512i zw = _mm512_load_si512(b.zero_points + 16 * i);
          acc[i] = _mm512_sub_epi32(acc[i], _mm512_mullo_epi32(zw, sums[i]));
        }
      }
      if (e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32) {
        store_wide(acc, b, e, y);
      } else {
        store_codes<Codes::kGeneral>(acc, b.multipliers, c, mask, y);
      }
    }
  }
}

// The same registers for the ring of depthwise_ring.h.
struct Ops {
  using Vec = __m512i;
  static constexpr int kChannels = kBlock;
  static constexpr int kVectors = 4;
  struct Constants {
    Epilogue epilogue;
    __mmask64 mask;
    Constants(const EpilogueScalars& e, int64_t n) : epilogue(make_epilogue(e, true)), mask(byte_mask(n)) {}
  };

  template <int kTaps>
  struct Column {
    Vec v[2][kVectors];
  };
  template <int kTaps>
  INT8_INLINE static Column<kTaps> load(const uint8_t* const (&rows)[kTaps], int64_t d) {
    const Vec zero = _mm512_setzero_si512();
    Vec in[kTaps];
    INT8_UNROLL for (int t = 0; t < kTaps; t++) in[t] = _mm512_loadu_si512(rows[t] + d);
    Column<kTaps> c;
    interleave(in[0], in[1], in[2], in[3], c.v[0]);
    interleave(in[4], zero, zero, zero, c.v[1]);
    return c;
  }
  template <int kTaps>
  struct Weights {
    const int8_t* w;
    Weights(const DepthwiseTile& b, int) : w(b.w) {}
    INT8_INLINE void multiply(Vec (&acc)[kVectors], const Column<kTaps>& column, int kw) const {
      INT8_UNROLL for (int u = 0; u < 2; u++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) {
          acc[i] = _mm512_dpbusd_epi32(acc[i], column.v[u][i], _mm512_load_si512(w + 64 * ((kw * 2 + u) * 4 + i)));
        }
      }
    }
  };
  INT8_INLINE static Vec offset(const DepthwiseTile& b, int, int i) { return _mm512_load_si512(b.offsets + 16 * i); }
  template <bool kBound>
  INT8_INLINE static void store(const Vec (&acc)[kVectors], const float* multipliers, const Constants& c, uint8_t* y) {
    store_codes<Codes::kGeneral, kBound>(acc, multipliers, c.epilogue, c.mask, y);
  }
};

void run(const DepthwiseBlock& b, const EpilogueScalars& e) {
  b.zero_points != nullptr ? run_any<true>(b, e) : run_any<false>(b, e);
}

void run_squares(const DepthwiseSquare& b, const EpilogueScalars& e) {
  if (b.size == 5) {
    b.step == 1 ? run_bounded<Ops, 5, 1>(b, e) : run_bounded<Ops, 5, 2>(b, e);
  } else if (b.step == 1) {
    run_codes<1>(b, e);
  } else {
    run_codes<2>(b, e);
  }
}

}  // namespace

const DepthwiseRow depthwise::kAvx512Vnni{
    .isa = Isa::kAvx512Vnni, .block = kBlock, .slot = slot, .run = run, .macs_per_ns = 70, .run_square = run_squares};

}  // namespace int8
