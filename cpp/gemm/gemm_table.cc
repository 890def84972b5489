// The table of GEMM kernels. A new instruction set is one more row.
#include "gemm/gemm.h"

namespace int8 {

std::span<const GemmRow> gemm_rows() {
  static const GemmRow rows[] = {
#ifdef INT8_ARCH_X64
      gemm::kAvx512Vnni,
      gemm::kAvxVnni,
      gemm::kAvx2,
#endif
      gemm::kPortable,
  };
  return rows;
}

}  // namespace int8
