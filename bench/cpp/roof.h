// What one core can do at most.
#pragma once

#include <cstdint>
#include <span>

namespace int8::bench {

// Multiply-adds per second of a loop of independent accumulators, run once, for about 0.1 ms, with the instructions
// that the kernels of the active instruction set multiply with: vpdpbusd on zmm registers (avx512vnni and above) or ymm
// registers (avxvnni), vpmaddwd and vpaddd (avx2). 0 for the others.
double roof_macs_per_second();

// Bytes per second of one core that reads all of `bytes`, once, in ascending order; 0 where the CPU lacks AVX2.
double read_bytes_per_second(std::span<const uint8_t> bytes);

}  // namespace int8::bench
