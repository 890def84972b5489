// Instruction sets by name, what each needs, and the one in force.
#include "int8/cpu.h"

#include <array>
#include <atomic>

#include "core/cpu_features.h"

namespace int8 {
namespace {

struct IsaName {
  Isa isa;
  std::string_view name;
};
// Best first.
constexpr std::array kIsas{
    IsaName{Isa::kI8mm, "i8mm"},           IsaName{Isa::kDotprod, "dotprod"},       IsaName{Isa::kNeon, "neon"},
    IsaName{Isa::kAvx512Amx, "avx512amx"}, IsaName{Isa::kAvx512Vnni, "avx512vnni"}, IsaName{Isa::kAvxVnni, "avxvnni"},
    IsaName{Isa::kAvx2, "avx2"},           IsaName{Isa::kPortable, "portable"},
};

struct Supported {
  std::array<Isa, kIsas.size()> list{};
  size_t size = 0;
};

const Supported& supported() {
  static const Supported s = [] {
    const CpuFeatures features = detect_cpu_features();
    Supported r;
    for (const IsaName& entry : kIsas) {
      if (isa_runs_on(entry.isa, features)) r.list[r.size++] = entry.isa;
    }
    return r;
  }();
  return s;
}

std::atomic<Isa>& active() {
  static std::atomic<Isa> isa{supported().list[0]};
  return isa;
}

}  // namespace

bool isa_runs_on(Isa isa, const CpuFeatures& f) {
  const bool avx2 = f.avx2 && f.fma;
  const bool avx512vnni = avx2 && f.avx512f && f.avx512bw && f.avx512dq && f.avx512vl && f.avx512vnni;
  switch (isa) {
    case Isa::kPortable:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avx2 && f.avxvnni;
    case Isa::kAvx512Vnni:
      return avx512vnni;
    case Isa::kAvx512Amx:
      return avx512vnni && f.amx_tile && f.amx_int8;
    case Isa::kNeon:
      return f.neon;
    case Isa::kDotprod:
      return f.neon && f.dotprod;
    case Isa::kI8mm:
      return f.neon && f.dotprod && f.i8mm;
  }
  return false;
}

std::string_view isa_name(Isa isa) {
  for (const IsaName& entry : kIsas) {
    if (entry.isa == isa) return entry.name;
  }
  return {};
}

std::optional<Isa> isa_from_name(std::string_view name) {
  for (const IsaName& entry : kIsas) {
    if (entry.name == name) return entry.isa;
  }
  return std::nullopt;
}

bool isa_supported(Isa isa) {
  for (const Isa have : supported_isas()) {
    if (have == isa) return true;
  }
  return false;
}

std::span<const Isa> supported_isas() {
  return std::span(supported().list).first(supported().size);
}

Isa active_isa() {
  return active().load(std::memory_order_relaxed);
}

bool set_active_isa(Isa isa) {
  if (!isa_supported(isa)) return false;
  active().store(isa, std::memory_order_relaxed);
  return true;
}

}  // namespace int8
