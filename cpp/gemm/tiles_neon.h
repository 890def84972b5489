// GEMM panels on NEON registers: the frame, the epilogue and the tails that the arm64 instruction sets share. Only
// their files include it.
//
// Kernel   gives kMr, the rows of the widest tile, and add<MR, NV>(b, first, acc): acc[r][j] += the products of row
//          first + r with channels 4*j to 4*j+3 of the panel, over all taps.
// Tiles    1, 2, 4 or kMr rows x 4, 8, 12 or 16 channels; a tile wider than what is left repeats the last row.
// Codes    clamping to [lo, hi] commutes with rounding, so it is left to the saturating narrowings and two byte
//          operations. fcvtns saturates at both ends of int32.
// Floats   FMAX and FMIN are IEEE's: a NaN stays, +0 is above -0.
// Tails    n: there are no masks: the last channels go through the stack. Bytes behind n are never written.
#pragma once

#include <arm_neon.h>

#include "gemm/gemm.h"

#define INT8_UNROLL _Pragma("GCC unroll 64")
#define INT8_INLINE inline __attribute__((always_inline))

namespace int8 {
namespace {

// The last `rest` (1 to 3) of k bytes at p, zeros above them. Nothing beyond p + k is read.
INT8_INLINE uint32_t tail_of(const uint8_t* p, int64_t k, int64_t rest) {
  uint32_t v = 0;
  for (int64_t i = 0; i < rest; i++) v |= static_cast<uint32_t>(p[k - rest + i]) << (8 * i);
  return v;
}

struct Epilogue {
  EpilogueScalars e;
  int16x8_t zero_point;  // in the u8 domain
  uint8x16_t lo, hi;     // u8
  uint8x16_t flip;       // 0x80 for s8
};

inline Epilogue make_epilogue(const EpilogueScalars& e) {
  const int shift = e.kind == OutputKind::kS8 ? 128 : 0;
  return {e, vdupq_n_s16(static_cast<int16_t>(e.zero_point + shift)), vdupq_n_u8(static_cast<uint8_t>(e.lo + shift)),
          vdupq_n_u8(static_cast<uint8_t>(e.hi + shift)), vdupq_n_u8(static_cast<uint8_t>(shift))};
}

// One row of NV*4 channels as codes.
template <int NV>
INT8_INLINE void store_codes(const int32x4_t (&acc)[NV], const GemmBlock& b, const Epilogue& c, uint8_t* y) {
  int16x4_t words[4];
  INT8_UNROLL for (int j = 0; j < 4; j++) {
    if (j < NV) {
      const float32x4_t f = vmulq_f32(vcvtq_f32_s32(acc[j < NV ? j : 0]), vld1q_f32(b.multipliers + 4 * j));
      words[j] = vqmovn_s32(vcvtnq_s32_f32(f));
    } else {
      words[j] = vdup_n_s16(0);
    }
  }
  const int16x8_t low = vqaddq_s16(vcombine_s16(words[0], words[1]), c.zero_point);
  const int16x8_t high = vqaddq_s16(vcombine_s16(words[2], words[3]), c.zero_point);
  uint8x16_t bytes = vcombine_u8(vqmovun_s16(low), vqmovun_s16(high));
  bytes = veorq_u8(vminq_u8(vmaxq_u8(bytes, c.lo), c.hi), c.flip);
  if (b.n == 16) {
    vst1q_u8(y, bytes);
  } else {
    uint8_t some[16];
    vst1q_u8(some, bytes);
    for (int64_t i = 0; i < b.n; i++) y[i] = some[i];
  }
}

// One row as int32 or float32: clamp(f(f(f(acc)*p) + bias), lo, hi).
template <int NV>
INT8_INLINE void store_wide(const int32x4_t (&acc)[NV], const GemmBlock& b, const EpilogueScalars& e, uint8_t* y) {
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    int32x4_t v = acc[j];
    if (e.kind == OutputKind::kF32) {
      float32x4_t f = vmulq_f32(vcvtq_f32_s32(v), vld1q_f32(b.multipliers + 4 * j));
      if (b.bias != nullptr) f = vaddq_f32(f, vld1q_f32(b.bias + 4 * j));
      f = vminq_f32(vmaxq_f32(f, vdupq_n_f32(e.float_lo)), vdupq_n_f32(e.float_hi));
      v = vreinterpretq_s32_f32(f);
    }
    int32_t some[4];
    vst1q_s32(some, v);
    const int64_t left = b.n - 4 * j < 4 ? b.n - 4 * j : 4;
    __builtin_memcpy(y + 16 * j, some, static_cast<size_t>(left) * 4);
  }
}

template <class Kernel, int MR, int NV>
__attribute__((noinline)) void tile(const GemmBlock& b, const Epilogue& c, int64_t first, int64_t m) {
  int32x4_t acc[MR][NV];
  INT8_UNROLL for (int j = 0; j < NV; j++) {
    const int32x4_t offset = vld1q_s32(b.offsets + 4 * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) acc[r][j] = offset;
  }
  Kernel::template add<MR, NV>(b, first, acc);
  if (b.zero_points != nullptr) {
    INT8_UNROLL for (int j = 0; j < NV; j++) {
      const int32x4_t zw = vld1q_s32(b.zero_points + 4 * j);
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        acc[r][j] = vmlsq_s32(acc[r][j], zw, vdupq_n_s32(b.row_sums[first + (r < m ? r : m - 1)]));
      }
    }
  }
  const bool wide = c.e.kind == OutputKind::kS32 || c.e.kind == OutputKind::kF32;
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    if (r >= m) break;
    uint8_t* y = b.y + (first + r) * b.y_pitch;
    if (wide) {
      store_wide(acc[r], b, c.e, y);
    } else {
      store_codes(acc[r], b, c, y);
    }
  }
}

template <class Kernel, int NV>
void panel(const GemmBlock& b, const Epilogue& c) {
  constexpr int kMr = Kernel::kMr;
  int64_t r = 0;
  for (; r + kMr <= b.m; r += kMr) tile<Kernel, kMr, NV>(b, c, r, kMr);
  const int64_t left = b.m - r;
  if (left == 0) return;
  if (left == 1) {
    tile<Kernel, 1, NV>(b, c, r, 1);
  } else if (left == 2) {
    tile<Kernel, 2, NV>(b, c, r, 2);
  } else if (left <= 4) {
    tile<Kernel, 4, NV>(b, c, r, left);
  } else {
    tile<Kernel, kMr, NV>(b, c, r, left);
  }
}

template <class Kernel>
void run_panel(const GemmBlock& b, const EpilogueScalars& e) {
  const Epilogue c = make_epilogue(e);
  if (b.n > 12) {
    panel<Kernel, 4>(b, c);
  } else if (b.n > 8) {
    panel<Kernel, 3>(b, c);
  } else if (b.n > 4) {
    panel<Kernel, 2>(b, c);
  } else {
    panel<Kernel, 1>(b, c);
  }
}

inline void row_sums(const GemmBlock& b, int32_t* sums) {
  for (int64_t r = 0; r < b.m; r++) {
    uint32x4_t acc = vdupq_n_u32(0);
    uint32_t sum = 0;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p = b.rows[t * b.row_pitch + r] + b.x_offset;
      int64_t k = 0;
      for (; k + 16 <= b.k; k += 16) acc = vpadalq_u16(acc, vpaddlq_u8(vld1q_u8(p + k)));
      for (; k < b.k; k++) sum += p[k];
    }
    sums[r] = static_cast<int32_t>(sum + vaddvq_u32(acc));
  }
}

}  // namespace
}  // namespace int8
