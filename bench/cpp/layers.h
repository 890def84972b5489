// A layer to time: a convolution with padding (k-1)/2, or a matrix product.
#pragma once

#include <cstdint>

namespace int8::bench {

struct Layer {
  bool is_gemm = false;
  int64_t ci = 0, co = 0, k = 0, s = 0, hw = 0, g = 0;  // conv
  int64_t m = 0, depth = 0, n = 0;                      // gemm
  int weight_bits = 8;                                  // or 7: -64 to 64
};

}  // namespace int8::bench
