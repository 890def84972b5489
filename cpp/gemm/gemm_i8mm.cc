// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Tile   6 rows x 16 channels, K by 8: usmmla multiplies 2 rows x 8 by 8 x 2 channels (tiles_neon.h has the rest).
// Regs   24 accumulators of 2 rows x 2 channels + 3 of X + 1 of W = 28 of 32.
// Ports  for 8 k 24 usmmla, 8 loads of W, 6 halves of X.
// X      row pointers, k bytes readable each, not one more.
// W      panels of pack_panels: [taps][ceil(k/8)][width][8], zero padded: two channels are a register.
// Exact  usmmla does not saturate; sums wrap.
// Odd    a tile of one row multiplies it twice.
#include "gemm/tiles_neon.h"

namespace int8 {
namespace {

struct Kernel {
  static constexpr int kMr = 6;

  template <int MR, int NV>
  INT8_INLINE static void add(const GemmBlock& b, int64_t first, int32x4_t (&acc)[MR][NV]) {
    constexpr int kPairs = (MR + 1) / 2;
    constexpr int64_t kStep = 4 * NV * 8;
    int32x4_t sums[kPairs][2 * NV];  // of rows 2i, 2i+1 and channels 2j, 2j+1
    INT8_UNROLL for (int i = 0; i < kPairs; i++) {
      INT8_UNROLL for (int j = 0; j < 2 * NV; j++) sums[i][j] = vdupq_n_s32(0);
    }
    const int64_t whole = b.k & ~int64_t{7};
    const int8_t* w = b.w;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* p[2 * kPairs];
      INT8_UNROLL for (int r = 0; r < 2 * kPairs; r++) {
        p[r] = b.rows[t * b.row_pitch + first + (r < MR ? r : MR - 1)] + b.x_offset;
      }
      const auto add_eight = [&](const uint8x8_t(&x)[2 * kPairs]) {
        INT8_UNROLL for (int j = 0; j < 2 * NV; j++) {
          const int8x16_t wv = vld1q_s8(w + 16 * j);
          INT8_UNROLL for (int i = 0; i < kPairs; i++) {
            sums[i][j] = vusmmlaq_s32(sums[i][j], vcombine_u8(x[2 * i], x[2 * i + 1]), wv);
          }
        }
        w += kStep;
      };
      for (int64_t k = 0; k < whole; k += 8) {
        uint8x8_t x[2 * kPairs];
        INT8_UNROLL for (int r = 0; r < 2 * kPairs; r++) x[r] = vld1_u8(p[r] + k);
        add_eight(x);
      }
      if (whole < b.k) {
        uint8x8_t x[2 * kPairs];
        INT8_UNROLL for (int r = 0; r < 2 * kPairs; r++) {
          uint64_t bytes = 0;
          for (int64_t i = 0; i < b.k - whole; i++) bytes |= static_cast<uint64_t>(p[r][whole + i]) << (8 * i);
          x[r] = vcreate_u8(bytes);
        }
        add_eight(x);
      }
    }
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) {
        const int32x4_t a = sums[r / 2][2 * j], c = sums[r / 2][2 * j + 1];
        const int32x4_t row = r % 2 == 0 ? vcombine_s32(vget_low_s32(a), vget_low_s32(c))
                                         : vcombine_s32(vget_high_s32(a), vget_high_s32(c));
        acc[r][j] = vaddq_s32(acc[r][j], row);
      }
    }
  }
};

}  // namespace

const GemmRow gemm::kI8mm{.isa = Isa::kI8mm,
                          .mr = Kernel::kMr,
                          .nr = 16,
                          .quantum = 4,
                          .kr = 8,
                          .run = run_panel<Kernel>,
                          .row_sums = row_sums,
                          .macs_per_ns = 200};

}  // namespace int8
