// Depthwise float32 convolution on AVX-512.
#include "float/simd_avx512.h"
// The templates take Simd as an argument.
#include "float/depthwise_simd.h"

namespace int8 {

void float_depthwise_avx512vnni(const DepthwiseTile& tile) {
  depthwise_tile<Simd>(tile);
}

}  // namespace int8
