// The table of the elementwise family. A new instruction set is one more row.
#include "core/cpu_features.h"
#include "elementwise/kernels.h"

namespace int8 {
namespace {

constexpr ElementwiseRow kRows[] = {
#ifdef INT8_ARCH_X64
    {Isa::kAvx512Vnni, &kQuantizeAvx512Vnni, &kCodesAvx512Vnni, &kFloatsAvx512Vnni},
    {Isa::kAvx2, &kQuantizeAvx2, &kCodesAvx2, &kFloatsAvx2},
#endif
#ifdef INT8_ARCH_ARM64
    {Isa::kNeon, &kQuantizeNeon, &kCodesNeon, &kFloatsNeon},
#endif
    {Isa::kPortable, &kQuantizePortable, &kCodesPortable, &kFloatsPortable},
};

}  // namespace

std::span<const ElementwiseRow> elementwise_rows() {
  return kRows;
}

const ElementwiseRow& elementwise_kernels() {
  return select_row(kRows, active_isa());
}

}  // namespace int8
