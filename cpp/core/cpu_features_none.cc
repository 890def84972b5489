// Architectures without kernels of their own: the portable ones run.
#include "core/cpu_features.h"

namespace int8 {

CpuFeatures detect_cpu_features() {
  return {};
}

}  // namespace int8
