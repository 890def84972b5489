// Depthwise float32 convolution on AVX2 and FMA.
#include "float/simd_avx2.h"
// The templates take Simd as an argument.
#include "float/depthwise_simd.h"

namespace int8 {

void float_depthwise_avx2(const DepthwiseTile& tile) {
  depthwise_tile<Simd>(tile);
}

}  // namespace int8
