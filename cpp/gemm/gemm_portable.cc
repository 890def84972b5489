// The portable kernel in use: 32 rows x 16 channels, K by 16, so that W is widened once for many rows and in whole
// vectors.
#include "gemm/gemm_portable.h"

namespace int8 {

const GemmRow gemm::kPortable = portable_gemm_row<32, 16, 16, 4>();

}  // namespace int8
