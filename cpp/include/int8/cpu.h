// Instruction sets: what the CPU has, which one the kernels use.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace int8 {

// Of one architecture, best last: each includes those before it. A name means exactly the features that core/cpu.cc
// lists for it, and is one string everywhere: file suffix, CMake list, INT8_ISA, backend.isa, test titles.
enum class Isa : uint8_t {
  kPortable,
  kAvx2,  // x86-64
  kAvxVnni,
  kAvx512Vnni,
  kAvx512Amx,
  kNeon,  // arm64
  kDotprod,
  kI8mm,
};

std::string_view isa_name(Isa isa);
std::optional<Isa> isa_from_name(std::string_view name);

// Whether this CPU and operating system can run it (CPUID with XCR0, getauxval; never /proc or /sys).
bool isa_supported(Isa isa);

// Instruction sets that can run here, best first; portable is always last.
std::span<const Isa> supported_isas();

// The instruction set in force: the best supported one until set_active_isa names another. Weights that are already
// packed keep the kernels that they were packed for.
Isa active_isa();
// False, and no change, if the CPU cannot run it.
bool set_active_isa(Isa isa);

}  // namespace int8
