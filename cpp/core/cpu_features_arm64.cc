// The auxiliary vector, or what the operating system has in its place: what an arm64 CPU has.
#include "core/cpu_features.h"

#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

namespace int8 {
namespace {

#if defined(__linux__)
constexpr unsigned long kAsimd = 1ul << 1;     // AT_HWCAP: HWCAP_ASIMD
constexpr unsigned long kAsimdDp = 1ul << 20;  // AT_HWCAP: HWCAP_ASIMDDP
constexpr unsigned long kI8mmBit = 1ul << 13;  // AT_HWCAP2: HWCAP2_I8MM
#elif defined(__APPLE__)
bool has(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

}  // namespace

CpuFeatures detect_cpu_features() {
  CpuFeatures f;
#if defined(__linux__)
  const unsigned long first = getauxval(AT_HWCAP);
  const unsigned long second = getauxval(AT_HWCAP2);
  f.neon = (first & kAsimd) != 0;
  f.dotprod = (first & kAsimdDp) != 0;
  f.i8mm = (second & kI8mmBit) != 0;
#elif defined(__APPLE__)
  f.neon = true;  // part of the architecture as Apple builds it
  f.dotprod = has("hw.optional.arm.FEAT_DotProd");
  f.i8mm = has("hw.optional.arm.FEAT_I8MM");
#elif defined(_WIN32)
  f.neon = true;                                   // Windows on arm64 asks for it
  f.dotprod = IsProcessorFeaturePresent(43) != 0;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
#endif
  return f;
}

}  // namespace int8
