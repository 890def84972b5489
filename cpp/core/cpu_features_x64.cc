// CPUID and XCR0: what an x86-64 CPU has, and which register state the operating system saves.
#include <cstdint>

#include "core/cpu_features.h"

#ifdef _MSC_VER
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace int8 {
namespace {

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

#ifdef _MSC_VER
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  int r[4];
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(subleaf));
  return {static_cast<uint32_t>(r[0]), static_cast<uint32_t>(r[1]), static_cast<uint32_t>(r[2]),
          static_cast<uint32_t>(r[3])};
}
uint64_t xcr0() {
  return _xgetbv(0);
}
#else
Registers cpuid(uint32_t leaf, uint32_t subleaf) {
  Registers r{};
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}
uint64_t xcr0() {
  uint32_t eax = 0;
  uint32_t edx = 0;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return (static_cast<uint64_t>(edx) << 32) | eax;
}
#endif

// Tile registers are 8 KB of state: Linux saves them only for processes that have asked (since 5.16; older ones clear
// XCR0's bits). Asking costs nothing until a thread uses tiles. False where the kernel refuses.
bool may_use_tiles() {
#ifdef __linux__
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

constexpr bool bit(uint32_t value, int index) {
  return ((value >> index) & 1) != 0;
}

}  // namespace

CpuFeatures detect_cpu_features() {
  CpuFeatures f;
  const uint32_t max_leaf = cpuid(0, 0).eax;
  if (max_leaf < 7) return f;
  const Registers leaf1 = cpuid(1, 0);
  const Registers leaf7 = cpuid(7, 0);
  // Leaf 1, ecx bit 27: OSXSAVE, the operating system has enabled xgetbv.
  if (!bit(leaf1.ecx, 27)) return f;
  // XCR0 bits 1, 2: SSE and AVX state; bits 5, 6, 7: opmask, upper halves of zmm0-15, zmm16-31.
  const uint64_t state = xcr0();
  const bool ymm = (state & 0x06) == 0x06;
  const bool zmm = (state & 0xe6) == 0xe6;
  f.fma = ymm && bit(leaf1.ecx, 12);         // leaf 1, ecx bit 12
  f.avx2 = ymm && bit(leaf7.ebx, 5);         // leaf 7, ebx bit 5
  f.avx512f = zmm && bit(leaf7.ebx, 16);     // leaf 7, ebx bit 16
  f.avx512dq = zmm && bit(leaf7.ebx, 17);    // leaf 7, ebx bit 17
  f.avx512bw = zmm && bit(leaf7.ebx, 30);    // leaf 7, ebx bit 30
  f.avx512vl = zmm && bit(leaf7.ebx, 31);    // leaf 7, ebx bit 31
  f.avx512vnni = zmm && bit(leaf7.ecx, 11);  // leaf 7, ecx bit 11
  // Leaf 7 has further subleaves where eax of the first says so.
  if (leaf7.eax >= 1) f.avxvnni = ymm && bit(cpuid(7, 1).eax, 4);  // leaf 7.1, eax bit 4
  // XCR0 bits 17, 18: tile configuration and data.
  if ((state & 0x60000) == 0x60000 && bit(leaf7.edx, 24) && bit(leaf7.edx, 25) && may_use_tiles()) {
    f.amx_tile = true;  // leaf 7, edx bit 24
    f.amx_int8 = true;  // leaf 7, edx bit 25
  }
  return f;
}

}  // namespace int8
