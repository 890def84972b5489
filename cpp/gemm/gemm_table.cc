// The table of GEMM kernels. A new instruction set is one more row.
#include "gemm/gemm.h"

namespace int8 {

std::span<const GemmRow> gemm_rows() {
  static const GemmRow rows[] = {
#ifdef INT8_WITH_AMX
      gemm::kAvx512Amx,
#endif
#ifdef INT8_ARCH_X64
      gemm::kAvx512Vnni, gemm::kAvxVnni, gemm::kAvx2,
#endif
#ifdef INT8_ARCH_ARM64
      gemm::kI8mm,       gemm::kDotprod, gemm::kNeon,
#endif
      gemm::kPortable,
  };
  return rows;
}

const GemmRow& select_gemm_row(Isa isa, int64_t taps, int64_t k) {
  for (const GemmRow& row : gemm_rows()) {
    if (row.isa <= isa && row.least_k <= k && row.least_depth <= taps * k) return row;
  }
  return gemm_rows().back();
}

}  // namespace int8
