// Depthwise convolution, 64 channels at a time, u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Quads  four taps of 64 channels are interleaved to 4 zmm of u8x4 by byte and word unpacks, then one vpdpbusd each.
//        Unpacks work within 128-bit lanes: vector i, lane l holds channels 16*l+4*i to +3. Packed weights and
//        parameters stand in that order, and packing the results puts the channels back into their own.
// 3x3    depthwise_3x3_avx512.h.
// 5x5    a column of five taps serves five outputs at stride 1, two or three at stride 2 (depthwise_ring.h).
// Groups depthwise_groups.h, four pixels: 16 accumulators, 4 of codes and one of W.
// Regs   5x5: 20 accumulators + 8 of the column of 32 zmm, W from memory.
// X      read in whole vectors: there are 64 bytes behind all that a kernel reads.
// Tails  n: masked store.
#include <immintrin.h>

#include "conv/depthwise_3x3_avx512.h"

// What follows is written with the macros of the epilogue.
#include "conv/depthwise_groups.h"
#include "conv/depthwise_ring.h"

namespace int8 {
namespace {

constexpr int kBlock = 64;

// Channel 16*l + 4*i + e stands at 16*i + 4*l + e.
int slot(int channel) {
  return channel / 4 % 4 * 16 + channel / 16 * 4 + channel % 4;
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
    Weights(const DepthwisePart& b, int) : w(b.w) {}
    INT8_INLINE void multiply(Vec (&acc)[kVectors], const Column<kTaps>& column, int kw) const {
      INT8_UNROLL for (int u = 0; u < 2; u++) {
        INT8_UNROLL for (int i = 0; i < kVectors; i++) {
          acc[i] = _mm512_dpbusd_epi32(acc[i], column.v[u][i], _mm512_load_si512(w + 64 * ((kw * 2 + u) * 4 + i)));
        }
      }
    }
  };
  INT8_INLINE static Vec offset(const DepthwisePart& b, int, int i) { return _mm512_load_si512(b.offsets + 16 * i); }
  template <bool kBound>
  INT8_INLINE static void store(const Vec (&acc)[kVectors], const float* multipliers, const Constants& c, uint8_t* y) {
    store_codes<Codes::kGeneral, kBound>(acc, multipliers, c.epilogue, c.mask, y);
  }
};

struct GroupOps {
  using Vec = __m512i;
  using Codes = Vec;
  using Weights = Vec;
  using Constants = Ops::Constants;
  static constexpr int kBlock = int8::kBlock;
  static constexpr int kPixels = 4;
  INT8_INLINE static Vec zero() { return _mm512_setzero_si512(); }
  INT8_INLINE static Codes load(const uint8_t* x) { return _mm512_loadu_si512(x); }
  INT8_INLINE static Vec turned_lanes(Vec x) { return _mm512_shuffle_epi32(x, _MM_PERM_CDAB); }
  INT8_INLINE static Codes turned(Codes x) { return turned_lanes(x); }
  INT8_INLINE static Weights weights(const int8_t* w) { return _mm512_load_si512(w); }
  INT8_INLINE static Vec dot(Vec acc, Codes x, Weights w) { return _mm512_dpbusd_epi32(acc, x, w); }
  INT8_INLINE static Vec add(Vec a, Vec b) { return _mm512_add_epi32(a, b); }

  static void finish(const Vec (&acc)[4], const uint8_t* x, const DepthwiseBlock& b, const EpilogueScalars& e,
                     const Constants& c, uint8_t* y) {
    const Vec lo01 = _mm512_unpacklo_epi32(acc[0], acc[1]), hi01 = _mm512_unpackhi_epi32(acc[0], acc[1]);
    const Vec lo23 = _mm512_unpacklo_epi32(acc[2], acc[3]), hi23 = _mm512_unpackhi_epi32(acc[2], acc[3]);
    Vec v[4] = {_mm512_unpacklo_epi64(lo01, lo23), _mm512_unpackhi_epi64(lo01, lo23), _mm512_unpacklo_epi64(hi01, hi23),
                _mm512_unpackhi_epi64(hi01, hi23)};
    INT8_UNROLL for (int i = 0; i < 4; i++) v[i] = add(v[i], _mm512_load_si512(b.offsets + 16 * i));
    if (b.zero_points != nullptr) {
      const Vec sum = sum_of_groups<GroupOps>(b, x);
      const Vec sums[4] = {_mm512_shuffle_epi32(sum, _MM_PERM_AAAA), _mm512_shuffle_epi32(sum, _MM_PERM_BBBB),
                           _mm512_shuffle_epi32(sum, _MM_PERM_CCCC), _mm512_shuffle_epi32(sum, _MM_PERM_DDDD)};
      INT8_UNROLL for (int i = 0; i < 4; i++) {
        const Vec zw = _mm512_load_si512(b.zero_points + 16 * i);
        v[i] = _mm512_sub_epi32(v[i], _mm512_mullo_epi32(zw, sums[i]));
      }
    }
    if (e.kind == OutputKind::kS32 || e.kind == OutputKind::kF32) {
      store_wide(v, b, e, y);
    } else {
      store_codes<int8::Codes::kGeneral>(v, b.multipliers, c.epilogue, c.mask, y);
    }
  }
};

void run(const DepthwiseBlock& b, const EpilogueScalars& e) {
  b.zero_points != nullptr ? run_any<true>(b, e) : run_any<false>(b, e);
}

void run_squares(const DepthwiseSquare& b, const EpilogueScalars& e) {
  if (b.size == 5) {
    b.step == 1 ? run_bounded<Ops, 5, 1>(b, e) : run_bounded<Ops, 5, 2>(b, e);
  } else {
    b.step == 1 ? run_3x3<1>(b, e) : run_3x3<2>(b, e);
  }
}

}  // namespace

const DepthwiseRow depthwise::kAvx512Vnni{.isa = Isa::kAvx512Vnni,
                                          .block = kBlock,
                                          .slot = slot,
                                          .run = run,
                                          .macs_per_ns = 70,
                                          .run_square = run_squares,
                                          .run_groups = run_groups<GroupOps>};

}  // namespace int8
