// 24 independent accumulators, no memory: the instruction's own throughput.
#include <chrono>
#include <cstdint>

#include "int8/cpu.h"
#include "roof.h"

namespace int8::bench {
namespace {

#define INT8_DP(n) "vpdpbusd %%zmm31, %%zmm30, %%zmm" #n "\n"

void loop(int64_t n) {
  asm volatile(
      "1:\n" INT8_DP(0) INT8_DP(1) INT8_DP(2) INT8_DP(3) INT8_DP(4) INT8_DP(5) INT8_DP(6) INT8_DP(7) INT8_DP(8)
          INT8_DP(9) INT8_DP(10) INT8_DP(11) INT8_DP(12) INT8_DP(13) INT8_DP(14) INT8_DP(15) INT8_DP(16) INT8_DP(17)
              INT8_DP(18) INT8_DP(19) INT8_DP(20) INT8_DP(21) INT8_DP(22) INT8_DP(23) "dec %0\njnz 1b\nvzeroupper\n"
      : "+r"(n)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23");
}

}  // namespace

double roof_macs_per_second() {
  if (!isa_supported(Isa::kAvx512Vnni)) return 0;
  constexpr int64_t kLoops = 40000;
  const auto start = std::chrono::steady_clock::now();
  loop(kLoops);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return static_cast<double>(kLoops) * 24 * 64 / time.count();
}

}  // namespace int8::bench
