// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   4 rows x 16 channels, K one by one, eight at a time (tiles_neon.h has the rest).
// Exact  both sides are widened to 16 bits; smlal by element adds 4 products of 16 bits to 32. smull on bytes would
// take
//        half the instructions, but two of its products do not fit into 16 bits.
// Regs   16 accumulators + 4 of X, widened + 2 of W, widened + 1 = 23 of 32.
// Ports  for each k 16 smlal, one load of W and two widenings.
// X      row pointers, k bytes readable each, not one more.
// W      panels of pack_panels: [taps][k][width].
#include "gemm/tiles_neon.h"

namespace int8 {
namespace {

struct Kernel {
  static constexpr int kMr = 4;

  // One k of NV*4 channels at w.
  template <int NV>
  INT8_INLINE static void load_w(const int8_t* w, int16x4_t (&out)[NV]) {
    if (NV == 4) {
      const int8x16_t bytes = vld1q_s8(w);
      const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
      out[0] = vget_low_s16(low);
      out[NV > 1 ? 1 : 0] = vget_high_s16(low);
      out[NV > 2 ? 2 : 0] = vget_low_s16(high);
      out[NV > 3 ? 3 : 0] = vget_high_s16(high);
    } else {
      INT8_UNROLL for (int j = 0; j < NV; j++) {
        uint32_t four;
        __builtin_memcpy(&four, w + 4 * j, 4);
        out[j] = vget_low_s16(vmovl_s8(vcreate_s8(four)));
      }
    }
  }

  template <int MR, int NV, int kLane>
  INT8_INLINE static void add_lane(const int8_t* w, const int16x8_t (&x)[MR], int32x4_t (&acc)[MR][NV]) {
    int16x4_t wv[NV];
    load_w<NV>(w, wv);
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = vmlal_laneq_s16(acc[r][j], wv[j], x[r], kLane);
    }
  }

  template <int MR, int NV>
  INT8_INLINE static void add(const GemmBlock& b, int64_t first, int32x4_t (&acc)[MR][NV]) {
    constexpr int64_t kWidth = 4 * NV;
    const int8_t* w = b.w;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p[MR];
      INT8_UNROLL for (int r = 0; r < MR; r++) p[r] = b.rows[t * b.row_pitch + first + r] + b.x_offset;
      int64_t k = 0;
      for (; k + 8 <= b.k; k += 8, w += 8 * kWidth) {
        int16x8_t x[MR];
        INT8_UNROLL for (int r = 0; r < MR; r++) x[r] = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p[r] + k)));
        add_lane<MR, NV, 0>(w, x, acc);
        add_lane<MR, NV, 1>(w + kWidth, x, acc);
        add_lane<MR, NV, 2>(w + 2 * kWidth, x, acc);
        add_lane<MR, NV, 3>(w + 3 * kWidth, x, acc);
        add_lane<MR, NV, 4>(w + 4 * kWidth, x, acc);
        add_lane<MR, NV, 5>(w + 5 * kWidth, x, acc);
        add_lane<MR, NV, 6>(w + 6 * kWidth, x, acc);
        add_lane<MR, NV, 7>(w + 7 * kWidth, x, acc);
      }
      for (; k < b.k; k++, w += kWidth) {
        int16x8_t x[MR];
        INT8_UNROLL for (int r = 0; r < MR; r++) x[r] = vdupq_n_s16(p[r][k]);
        add_lane<MR, NV, 0>(w, x, acc);
      }
    }
  }
};

}  // namespace

const GemmRow gemm::kNeon{.isa = Isa::kNeon,
                          .mr = Kernel::kMr,
                          .nr = 16,
                          .quantum = 4,
                          .kr = 1,
                          .run = run_panel<Kernel>,
                          .row_sums = row_sums,
                          .macs_per_ns = 30};

}  // namespace int8
