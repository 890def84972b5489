// Choice of instruction sets: names, needs, and the row that a table gives, on invented CPUs.
#include "int8/cpu.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "conv/depthwise.h"
#include "core/cpu_features.h"
#include "elementwise/kernels.h"
#include "float/kernels.h"
#include "gemm/gemm.h"
#include "pool/kernels.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr Isa kIsas[] = {Isa::kPortable,  Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni,
                         Isa::kAvx512Amx, Isa::kNeon, Isa::kDotprod, Isa::kI8mm};

using Feature = bool CpuFeatures::*;
// What each instruction set needs, all of it and nothing else.
std::vector<Feature> needs(Isa isa) {
  const std::vector<Feature> avx2{&CpuFeatures::avx2, &CpuFeatures::fma};
  const auto with = [](std::vector<Feature> list, std::initializer_list<Feature> more) {
    list.insert(list.end(), more);
    return list;
  };
  const std::vector<Feature> avx512 = with(avx2, {&CpuFeatures::avx512f, &CpuFeatures::avx512bw, &CpuFeatures::avx512dq,
                                                  &CpuFeatures::avx512vl, &CpuFeatures::avx512vnni});
  switch (isa) {
    case Isa::kPortable:
      return {};
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return with(avx2, {&CpuFeatures::avxvnni});
    case Isa::kAvx512Vnni:
      return avx512;
    case Isa::kAvx512Amx:
      return with(avx512, {&CpuFeatures::amx_tile, &CpuFeatures::amx_int8});
    case Isa::kNeon:
      return {&CpuFeatures::neon};
    case Isa::kDotprod:
      return {&CpuFeatures::neon, &CpuFeatures::dotprod};
    case Isa::kI8mm:
      return {&CpuFeatures::neon, &CpuFeatures::dotprod, &CpuFeatures::i8mm};
  }
  return {};
}

TEST(Cpu, PortableAloneRunsOnACpuWithoutAnyFeature) {
  for (Isa isa : kIsas) EXPECT_EQ(isa_runs_on(isa, {}), isa == Isa::kPortable) << isa_name(isa);
}

TEST(Cpu, AnInstructionSetNeedsEachOfItsFeaturesAndNoOther) {
  for (Isa isa : kIsas) {
    CpuFeatures exact;
    for (const Feature feature : needs(isa)) exact.*feature = true;
    EXPECT_TRUE(isa_runs_on(isa, exact)) << isa_name(isa);
    for (const Feature feature : needs(isa)) {
      CpuFeatures lacking = exact;
      lacking.*feature = false;
      EXPECT_FALSE(isa_runs_on(isa, lacking)) << isa_name(isa);
    }
  }
}

TEST(Cpu, NamesGoBothWaysAndUnknownOnesAreRefused) {
  for (Isa isa : kIsas) EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
  EXPECT_EQ(isa_from_name("avx512"), std::nullopt);
  EXPECT_EQ(isa_from_name(""), std::nullopt);
  EXPECT_EQ(isa_from_name("Portable"), std::nullopt);
}

TEST(Cpu, SupportedIsasEndWithPortableAndBeginWithTheActiveOne) {
  ASSERT_FALSE(supported_isas().empty());
  EXPECT_EQ(supported_isas().back(), Isa::kPortable);
  EXPECT_EQ(supported_isas().front(), active_isa());
  for (Isa isa : supported_isas()) EXPECT_TRUE(isa_runs_on(isa, detect_cpu_features()));
}

// The tests on emulated CPUs say in INT8_TEST_ISA what this one has to choose.
TEST(Cpu, TheBestInstructionSetIsTheOneThatTheCallerExpects) {
  const char* expected = std::getenv("INT8_TEST_ISA");
  if (expected == nullptr) GTEST_SKIP() << "no expectation";
  EXPECT_EQ(isa_name(active_isa()), expected);
}

TEST(Cpu, TheActiveInstructionSetCanBeNamed) {
  const Isa before = active_isa();
  for (Isa isa : supported_isas()) {
    EXPECT_TRUE(set_active_isa(isa));
    EXPECT_EQ(active_isa(), isa);
  }
  EXPECT_TRUE(set_active_isa(Isa::kPortable));
  for (Isa isa : kIsas) {
    if (isa_supported(isa)) continue;
    EXPECT_FALSE(set_active_isa(isa)) << isa_name(isa);
    EXPECT_EQ(active_isa(), Isa::kPortable);
  }
  EXPECT_TRUE(set_active_isa(before));
}

TEST(Cpu, ATableGivesTheBestRowThatTheInstructionSetIncludes) {
  struct Row {
    Isa isa;
    int id;
  };
  constexpr Row both[] = {{Isa::kAvx512Vnni, 2}, {Isa::kPortable, 1}};
  EXPECT_EQ(select_row(both, Isa::kAvx512Vnni).id, 2);
  EXPECT_EQ(select_row(both, Isa::kPortable).id, 1);
  constexpr Row portable[] = {{Isa::kPortable, 1}};
  EXPECT_EQ(select_row(portable, Isa::kAvx512Vnni).id, 1);
}

TEST(Cpu, TablesStandBestFirstAndEndWithPortable) {
  const auto ordered = [](const auto& rows) {
    for (size_t i = 1; i < rows.size(); i++) {
      if (!(rows[i].isa < rows[i - 1].isa)) return false;
    }
    return rows.back().isa == Isa::kPortable;
  };
  EXPECT_TRUE(ordered(gemm_rows()));
  EXPECT_TRUE(ordered(elementwise_rows()));
  EXPECT_TRUE(ordered(pool_rows()));
  EXPECT_TRUE(ordered(reduce_rows()));
  EXPECT_TRUE(ordered(float_rows()));
  EXPECT_TRUE(ordered(depthwise_rows()));
}

}  // namespace
}  // namespace int8
