// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   4 rows x 16 channels, K by 4 (what sdot adds at once), sixteen at a time (tiles_neon.h has the rest).
// Signs  sdot takes s8 on both sides: X is shifted by 128 as it is loaded (x ^ 0x80), and the offsets hold 128*sum(w)
//        for it (GemmRow::signed_x).
// Regs   16 accumulators + 4 of X + 4 of W = 24 of 32.
// Ports  for 16 k 64 sdot by element, 16 loads of W, 4 of X.
// X      row pointers, k bytes readable each, not one more.
// W      panels of pack_panels: [taps][ceil(k/4)][width][4], zero padded.
// Exact  sdot does not saturate; sums wrap.
#include "gemm/tiles_neon.h"

namespace int8 {
namespace {

struct Kernel {
  static constexpr int kMr = 4;

  template <int MR, int NV, int kLane>
  INT8_INLINE static void add_lane(const int8_t* w, const int8x16_t (&x)[MR], int32x4_t (&acc)[MR][NV]) {
    int8x16_t wv[NV];
    INT8_UNROLL for (int j = 0; j < NV; j++) wv[j] = vld1q_s8(w + 16 * j);
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = vdotq_laneq_s32(acc[r][j], wv[j], x[r], kLane);
    }
  }

  // Four bytes as signed, in every lane.
  INT8_INLINE static int8x16_t four(uint32_t bytes) { return vreinterpretq_s8_u32(vdupq_n_u32(bytes ^ 0x80808080u)); }

  template <int MR, int NV>
  INT8_INLINE static void add(const GemmBlock& b, int64_t first, int32x4_t (&acc)[MR][NV]) {
    constexpr int64_t kStep = 16 * NV;
    const uint8x16_t flip = vdupq_n_u8(0x80);
    const int64_t rest = b.k % 4;
    const int8_t* w = b.w;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p[MR];
      INT8_UNROLL for (int r = 0; r < MR; r++) p[r] = b.rows[t * b.row_pitch + first + r] + b.x_offset;
      int64_t k = 0;
      int8x16_t x[MR];
      for (; k + 16 <= b.k; k += 16, w += 4 * kStep) {
        INT8_UNROLL for (int r = 0; r < MR; r++) x[r] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p[r] + k), flip));
        add_lane<MR, NV, 0>(w, x, acc);
        add_lane<MR, NV, 1>(w + kStep, x, acc);
        add_lane<MR, NV, 2>(w + 2 * kStep, x, acc);
        add_lane<MR, NV, 3>(w + 3 * kStep, x, acc);
      }
      for (; k + 4 <= b.k; k += 4, w += kStep) {
        INT8_UNROLL for (int r = 0; r < MR; r++) {
          uint32_t bytes;
          __builtin_memcpy(&bytes, p[r] + k, 4);
          x[r] = four(bytes);
        }
        add_lane<MR, NV, 0>(w, x, acc);
      }
      if (rest != 0) {
        INT8_UNROLL for (int r = 0; r < MR; r++) x[r] = four(tail_of(p[r], b.k, rest));
        add_lane<MR, NV, 0>(w, x, acc);
        w += kStep;
      }
    }
  }
};

}  // namespace

const GemmRow gemm::kDotprod{.isa = Isa::kDotprod,
                             .mr = Kernel::kMr,
                             .nr = 16,
                             .quantum = 4,
                             .kr = 4,
                             .run = run_panel<Kernel>,
                             .row_sums = row_sums,
                             .macs_per_ns = 120,
                             .signed_x = true};

}  // namespace int8
