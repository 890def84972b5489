// The portable GEMM for any tile, in plain loops: the definition that the others must equal. The library has one
// instance; tests make odd ones (1x1c1, 3x5c2, 4x24c8) that drive packing and drivers without any SIMD.
//
// Tile   MR rows x NR channels. Compilers make a dot product of 16-bit numbers eight multiply-adds an instruction even
//        where nothing but the baseline is allowed (pmaddwd on x86-64), and one of bytes far fewer: so both operands
//        are widened first, W once for all rows of a tile.
// W      panels of pack_panels: [taps][ceil(k/KR)][width][KR]; width is NR, or less in a group's last panel.
// X      is not read past k: the padding of W is skipped.
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
  // K of a step: sums of so many products fit into 32 bits.
  static constexpr int64_t kChunk = std::max(256 / KR, 1) * KR;
  // Channels that are multiplied together.
  static constexpr int kTogether = 4;
  static constexpr int kChannels = (NR + kTogether - 1) / kTogether * kTogether;
  using Words = int16_t[kChunk];

  static void tile(const GemmBlock& b, const EpilogueScalars& e, int64_t first, int64_t m, int64_t width) {
    uint32_t acc[MR][kChannels] = {};
    Words w[kChannels] = {};
    Words x;
    const int8_t* packed = b.w;
    for (int64_t t = 0; t < b.taps; t++) {
      const uint8_t* const* rows = b.rows + t * b.row_pitch + first;
      for (int64_t k = 0; k < b.k; k += kChunk) {
        const int64_t count = std::min(kChunk, b.k - k);
        packed = unpack(packed, width, count, w);
        for (int64_t r = 0; r < m; r++) {
          const uint8_t* from = rows[r] + b.x_offset + k;
          for (int64_t i = 0; i < count; i++) x[i] = from[i];
          for (int n = 0; n < kChannels; n += kTogether) add(x, w + n, count, acc[r] + n);
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

  // w[n][i] = W of channel n, for i < count. Returns where the next chunk starts.
  static const int8_t* unpack(const int8_t* packed, int64_t width, int64_t count, Words* w) {
    for (int64_t k = 0; k < count; k += KR) {
      for (int64_t n = 0; n < width; n++, packed += KR) {
        for (int64_t i = 0; i < KR; i++) w[n][k + i] = packed[i];
      }
    }
    return packed;
  }

  // acc[n] += sum of x[i] * w[n][i], of four channels.
  static void add(const Words& x, const Words* w, int64_t count, uint32_t* acc) {
    int32_t sums[kTogether] = {};
    for (int64_t i = 0; i < count; i++) {
      sums[0] += x[i] * w[0][i];
      sums[1] += x[i] * w[1][i];
      sums[2] += x[i] * w[2][i];
      sums[3] += x[i] * w[3][i];
    }
    for (int n = 0; n < kTogether; n++) acc[n] += static_cast<uint32_t>(sums[n]);
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
          .row_sums = Kernel::row_sums,
          .macs_per_ns = 30};
}

}  // namespace int8
