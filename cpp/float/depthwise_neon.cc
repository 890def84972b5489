// Depthwise float32 convolution on NEON.
#include "float/simd_neon.h"
// The templates take Simd as an argument.
#include "float/depthwise_simd.h"

namespace int8 {

void float_depthwise_neon(const DepthwiseTile& tile) {
  depthwise_tile<Simd>(tile);
}

}  // namespace int8
