// The table of depthwise kernels. A new instruction set is one more row.
#include "conv/depthwise.h"

namespace int8 {

std::span<const DepthwiseRow> depthwise_rows() {
  static const DepthwiseRow rows[] = {
#ifdef INT8_ARCH_X64
      depthwise::kAvx512Vnni, depthwise::kAvxVnni, depthwise::kAvx2,
#endif
#ifdef INT8_ARCH_ARM64
      depthwise::kNeon,
#endif
      depthwise::kPortable,
  };
  return rows;
}

}  // namespace int8
