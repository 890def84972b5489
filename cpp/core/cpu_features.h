// CPU features and what each instruction set needs of them: the pure half of cpu.h, tested with invented CPUs.
#pragma once

#include "int8/cpu.h"

namespace int8 {

// Features of a CPU that its operating system lets programs use. One commented line each in the file that fills it.
struct CpuFeatures {
  bool avx2 = false;
  bool fma = false;
  bool avx512f = false;
  bool avx512bw = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512vnni = false;
  bool avxvnni = false;
  bool amx_tile = false;
  bool amx_int8 = false;
  bool neon = false;
  bool dotprod = false;
  bool i8mm = false;
};

// Of this CPU: cpu_features_<arch>.cc.
CpuFeatures detect_cpu_features();

// Whether a CPU with these features can run an instruction set. It asks for what the compiler's flags for that
// instruction set may emit (cpp/CMakeLists.txt), no more.
bool isa_runs_on(Isa isa, const CpuFeatures& features);

// The first row that `isa` includes; rows stand best first, and the last is portable. A row's file is only part of the
// build on its own architecture, so the order of Isa decides. A CPU with AVX512-VNNI need not have AVX-VNNI: a table
// with a row for the latter has one for the former too.
template <class Rows>
constexpr const auto& select_row(const Rows& rows, Isa isa) {
  for (const auto& row : rows) {
    if (row.isa <= isa) return row;
  }
  return rows[std::size(rows) - 1];
}

}  // namespace int8
