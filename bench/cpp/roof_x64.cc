// Independent accumulators, no memory: the instructions' own throughput. In assembly, so that no compiler's choices are
// measured.
#include <chrono>
#include <cstdint>

#include "int8/cpu.h"
#include "roof.h"

namespace int8::bench {
namespace {

// Twelve accumulators hide the latency of any of these instructions.
#define INT8_TIMES12(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)
#define INT8_LOOP(op)                                                                                           \
  asm volatile("1:\n" INT8_TIMES12(op) INT8_TIMES12(op) "dec %0\njnz 1b\nvzeroupper\n"                          \
               : "+r"(n)                                                                                        \
               :                                                                                                \
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
                 "xmm11", "xmm13")
#define INT8_ZMM(n) "vpdpbusd %%zmm15, %%zmm14, %%zmm" #n "\n"
#define INT8_YMM(n) "%{vex%} vpdpbusd %%ymm15, %%ymm14, %%ymm" #n "\n"
#define INT8_WORDS(n) "vpmaddwd %%ymm15, %%ymm14, %%ymm13\nvpaddd %%ymm13, %%ymm" #n ", %%ymm" #n "\n"

void zmm_loop(int64_t n) {
  INT8_LOOP(INT8_ZMM);
}
void ymm_loop(int64_t n) {
  INT8_LOOP(INT8_YMM);
}
void words_loop(int64_t n) {
  INT8_LOOP(INT8_WORDS);
}

// Four accumulators of 16x16, each the product of two other tiles: eight tiles in all.
void tile_loop(int64_t n) {
  alignas(64) static constexpr struct {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } kConfig;
  asm volatile(
      "ldtilecfg %1\n1:\n.rept 6\ntdpbusd %%tmm6, %%tmm4, %%tmm0\ntdpbusd %%tmm7, %%tmm4, %%tmm1\n"
      "tdpbusd %%tmm6, %%tmm5, %%tmm2\ntdpbusd %%tmm7, %%tmm5, %%tmm3\n.endr\ndec %0\njnz 1b\ntilerelease\n"
      : "+r"(n)
      : "m"(kConfig)
      : "cc");
}

// 24 instructions a loop.
struct Roof {
  void (*loop)(int64_t n);
  int64_t macs;  // of one instruction
};

Roof roof_of(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return {words_loop, 16};
    case Isa::kAvxVnni:
      return {ymm_loop, 32};
    case Isa::kAvx512Vnni:
      return {zmm_loop, 64};
    case Isa::kAvx512Amx:
      return {tile_loop, 16 * 1024};
    default:
      return {nullptr, 0};
  }
}

}  // namespace

double roof_macs_per_second() {
  const Roof roof = roof_of(active_isa());
  const int64_t loops = active_isa() == Isa::kAvx512Amx ? 3000 : 30000;
  if (roof.loop == nullptr) return 0;
  const auto start = std::chrono::steady_clock::now();
  roof.loop(loops);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return static_cast<double>(loops * 24 * roof.macs) / time.count();
}

double read_bytes_per_second(std::span<const uint8_t> bytes) {
  if (!isa_supported(Isa::kAvx2)) return 0;
  const uint8_t* p = bytes.data();
  const auto lines = static_cast<int64_t>(bytes.size() / 64);
  int64_t n = lines;
  const auto start = std::chrono::steady_clock::now();
  asm volatile(
      "1:\nvpaddd (%0), %%ymm0, %%ymm0\nvpaddd 32(%0), %%ymm1, %%ymm1\nadd $64, %0\ndec %1\njnz 1b\nvzeroupper\n"
      : "+r"(p), "+r"(n)
      :
      : "cc", "memory", "xmm0", "xmm1");
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return static_cast<double>(lines * 64) / time.count();
}

}  // namespace int8::bench
