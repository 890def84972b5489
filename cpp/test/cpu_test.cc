// Choice of instruction sets: names, needs, and the row that a table gives, on invented CPUs.
#include "int8/cpu.h"

#include <gtest/gtest.h>

#include "conv/depthwise.h"
#include "core/cpu_features.h"
#include "gemm/gemm.h"

namespace int8 {
namespace {

constexpr CpuFeatures kAll{.avx2 = true,
                           .fma = true,
                           .avx512f = true,
                           .avx512bw = true,
                           .avx512dq = true,
                           .avx512vl = true,
                           .avx512vnni = true};

TEST(Cpu, PortableRunsOnACpuWithoutAnyFeature) {
  EXPECT_TRUE(isa_runs_on(Isa::kPortable, {}));
  EXPECT_FALSE(isa_runs_on(Isa::kAvx512Vnni, {}));
}

TEST(Cpu, Avx512VnniNeedsEachOfItsFeatures) {
  EXPECT_TRUE(isa_runs_on(Isa::kAvx512Vnni, kAll));
  for (bool CpuFeatures::*feature :
       {&CpuFeatures::avx2, &CpuFeatures::fma, &CpuFeatures::avx512f, &CpuFeatures::avx512bw, &CpuFeatures::avx512dq,
        &CpuFeatures::avx512vl, &CpuFeatures::avx512vnni}) {
    CpuFeatures lacking = kAll;
    lacking.*feature = false;
    EXPECT_FALSE(isa_runs_on(Isa::kAvx512Vnni, lacking));
  }
}

TEST(Cpu, NamesGoBothWaysAndUnknownOnesAreRefused) {
  for (Isa isa : {Isa::kPortable, Isa::kAvx512Vnni}) EXPECT_EQ(isa_from_name(isa_name(isa)), isa);
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

TEST(Cpu, TheActiveInstructionSetCanBeNamed) {
  const Isa before = active_isa();
  for (Isa isa : supported_isas()) {
    EXPECT_TRUE(set_active_isa(isa));
    EXPECT_EQ(active_isa(), isa);
  }
  if (!isa_supported(Isa::kAvx512Vnni)) {
    EXPECT_FALSE(set_active_isa(Isa::kAvx512Vnni));
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
  EXPECT_TRUE(ordered(depthwise_rows()));
}

}  // namespace
}  // namespace int8
