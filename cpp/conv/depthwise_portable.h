// The portable depthwise kernel for any block, in plain loops: the definition that the others must equal.
#pragma once

#include <algorithm>

#include "conv/depthwise.h"
#include "gemm/epilogue_portable.h"

namespace int8 {

template <int kBlock>
struct PortableDepthwise {
  static int slot(int channel) { return channel; }

  static void run(const DepthwiseBlock& b, const EpilogueScalars& e) {
    for (int64_t r = 0; r < b.rows; r++) {
      for (int64_t p = 0; p < b.columns; p++) {
        pixel(b, e, b.x + r * b.x_row + p * b.x_pixel, b.y + r * b.y_row + p * b.y_pixel);
      }
    }
  }

 private:
  static void pixel(const DepthwiseBlock& b, const EpilogueScalars& e, const uint8_t* x, uint8_t* y) {
    uint32_t acc[kBlock];
    uint32_t sums[kBlock] = {};
    for (int c = 0; c < kBlock; c++) acc[c] = static_cast<uint32_t>(b.offsets[c]);
    for (int64_t q = 0; q < b.quads; q++) {
      for (int i = 0; i < 4; i++) {
        if ((b.ones[q] >> (8 * i) & 1) == 0) continue;
        const uint8_t* tap = x + b.taps[4 * q + i];
        const int8_t* w = b.w + q * kBlock * 4 + i;
        for (int c = 0; c < kBlock; c++) {
          acc[c] += static_cast<uint32_t>(tap[c] * w[4 * c]);
          sums[c] += tap[c];
        }
      }
    }
    if (b.zero_points != nullptr) {
      for (int c = 0; c < kBlock; c++) acc[c] -= static_cast<uint32_t>(b.zero_points[c]) * sums[c];
    }
    store_row(acc, std::min<int64_t>(b.n, kBlock), b.multipliers, b.bias, e, y);
  }
};

template <int kBlock>
constexpr DepthwiseRow portable_depthwise_row() {
  using Kernel = PortableDepthwise<kBlock>;
  return {.isa = Isa::kPortable, .block = kBlock, .slot = Kernel::slot, .run = Kernel::run, .macs_per_ns = 2};
}

}  // namespace int8
