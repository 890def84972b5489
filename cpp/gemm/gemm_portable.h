// The portable GEMM for any tile, in plain loops: the definition that the others must equal. The library has one
// instance; tests make odd ones (1x1c1, 3x5c2, 4x24c8) that drive packing and drivers without any SIMD.
//
// Tile   MR rows x NR channels, K by KR. X is not read past k: the padding of W is skipped.
// W      panels of pack_panels: [taps][ceil(k/KR)][width][KR]; width is NR, or less in a group's last panel.
#pragma once

#include <algorithm>

#include "gemm/epilogue_portable.h"
#include "gemm/gemm.h"

namespace int8 {

template <int MR, int NR, int KR, int kQuantum>
struct PortableGemm {
  static void run(const GemmBlock& b, const EpilogueScalars& e) {
    const int64_t width = (b.n + kQuantum - 1) / kQuantum * kQuantum;
    for (int64_t r = 0; r < b.m; r += MR) tile(b, e, r, std::min<int64_t>(MR, b.m - r), width);
  }

  static void row_sums(const GemmBlock& b, int32_t* sums) {
    for (int64_t r = 0; r < b.m; r++) {
      uint32_t sum = 0;
      for (int64_t t = 0; t < b.taps; t++) {
        const uint8_t* x = b.rows[t * b.row_pitch + r] + b.x_offset;
        for (int64_t k = 0; k < b.k; k++) sum += x[k];
      }
      sums[r] = static_cast<int32_t>(sum);
    }
  }

 private:
  static void tile(const GemmBlock& b, const EpilogueScalars& e, int64_t first, int64_t m, int64_t width) {
    uint32_t acc[MR][NR] = {};
    const int8_t* w = b.w;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* x[MR];
      for (int64_t r = 0; r < MR; r++) {
        x[r] = b.rows[t * b.row_pitch + first + std::min(r, m - 1)] + b.x_offset;
      }
      for (int64_t k = 0; k < b.k; k += KR, w += width * KR) {
        for (int64_t i = 0; i < std::min<int64_t>(KR, b.k - k); i++) {
          if (width == NR) {
            add<NR>(x, k + i, w + i, acc, NR);
          } else {
            add<0>(x, k + i, w + i, acc, width);
          }
        }
      }
    }
    for (int64_t r = 0; r < m; r++) {
      for (int64_t n = 0; n < b.n; n++) {
        acc[r][n] += static_cast<uint32_t>(b.offsets[n]);
        if (b.zero_points != nullptr) {
          acc[r][n] -= static_cast<uint32_t>(b.zero_points[n]) * static_cast<uint32_t>(b.row_sums[first + r]);
        }
      }
      store_row(acc[r], std::min<int64_t>(b.n, NR), b.multipliers, b.bias, e, b.y + (first + r) * b.y_pitch);
    }
  }

  // One k of each row. A product of u8 and s8 fits into int16, which compilers multiply eight at a time.
  template <int kWidth>
  static void add(const uint8_t* const (&x)[MR], int64_t k, const int8_t* w, uint32_t (&acc)[MR][NR], int64_t width) {
    const int64_t count = kWidth > 0 ? kWidth : width;
    for (int r = 0; r < MR; r++) {
      const int16_t v = x[r][k];
      for (int64_t n = 0; n < count; n++) {
        const auto product = static_cast<int16_t>(v * w[n * KR]);
        acc[r][n] += static_cast<uint32_t>(int32_t{product});
      }
    }
  }
};

template <int MR, int NR, int KR, int kQuantum>
constexpr GemmRow portable_gemm_row() {
  using Kernel = PortableGemm<MR, NR, KR, kQuantum>;
  return {.isa = Isa::kPortable,
          .mr = MR,
          .nr = NR,
          .quantum = kQuantum,
          .kr = KR,
          .run = Kernel::run,
          .row_sums = Kernel::row_sums};
}

}  // namespace int8
