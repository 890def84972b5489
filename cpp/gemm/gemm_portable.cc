// The portable kernel in use: 4 rows x 16 channels, K one by one, so that the loop over channels is contiguous.
#include "gemm/gemm_portable.h"

namespace int8 {

const GemmRow gemm::kPortable = portable_gemm_row<4, 16, 1, 16>();

}  // namespace int8
