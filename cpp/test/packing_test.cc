// Packing: which kernels weights are packed for, and in which layout.
#include <algorithm>

#include "gemm/pack.h"
#include "support/qconv_case.h"

namespace int8::test {
namespace {

TEST(Packing, EqualStepsMakeUpKWherePaddingWouldNotSaveAThird) {
  EXPECT_EQ(even_step(24, 4, 64), 24);
  EXPECT_EQ(even_step(64, 4, 64), 64);
  EXPECT_EQ(even_step(96, 4, 64), 48);
  EXPECT_EQ(even_step(144, 4, 64), 48);
  EXPECT_EQ(even_step(160, 4, 64), 40);
  EXPECT_EQ(even_step(960, 4, 64), 64);
  EXPECT_EQ(even_step(26, 4, 64), 0);
  EXPECT_EQ(even_step(100, 4, 64), 0);
  EXPECT_EQ(even_step(1, 1, 1), 1);
  EXPECT_EQ(even_step(0, 4, 64), 0);
  const GemmRow row{.nr = 16, .quantum = 16, .kr = 4, .gather = [](const GemmBlock&, uint8_t*) {}, .depth_quantum = 64};
  EXPECT_EQ(panel_layout(row, 1, 16, 1, 96).depth(), 96);
  EXPECT_EQ(panel_layout(row, 1, 16, 9, 96).depth(), 9 * 96);
  EXPECT_EQ(panel_layout(row, 1, 16, 1, 100).depth(), 128);
  EXPECT_EQ(panel_layout(row, 1, 16, 1, 26).depth(), 28);
}

TEST(Packing, PairsFitWhereNoSumOfTwoProductsLeavesInt16) {
  const auto fit = [](std::vector<int> weights, int64_t k) {
    std::vector<uint8_t> codes;
    for (int w : weights) codes.push_back(static_cast<uint8_t>(w));
    return pairs_fit(codes.data(), static_cast<int64_t>(codes.size()) / k, k, 0);
  };
  EXPECT_TRUE(fit({64, 64, -64, -64, -128, 0, 1, 127}, 4));
  EXPECT_FALSE(fit({64, 65}, 2));
  EXPECT_FALSE(fit({-64, 65}, 2));
  EXPECT_FALSE(fit({0, 0, 0, 0, -128, 1}, 2));
  EXPECT_TRUE(fit({127, -128, 127}, 1));
  EXPECT_TRUE(fit({1, 1, 127, 127, 0, 0}, 3));
  const std::vector<uint8_t> codes{64, 192, 128, 0};
  EXPECT_TRUE(pairs_fit(codes.data(), 1, 4, 0x80));
}

TEST(Packing, PackedWeightsKeepTheirInstructionSet) {
  const Isa before = active_isa();
  for (Isa isa : supported_isas()) {
    for (int64_t depth : {4, 128}) {
      const std::vector<uint8_t> codes(static_cast<size_t>(3 * depth), 1);
      const std::vector<int32_t> zeros(3);
      ASSERT_TRUE(set_active_isa(isa));
      const auto packed =
          pack_quantized({.codes = codes, .zero_points = zeros, .out_channels = 3, .in_per_group = depth});
      ASSERT_TRUE(set_active_isa(before));
      EXPECT_EQ(packed->gemm->isa, select_gemm_row(isa, 1, depth).isa);
    }
  }
}

TEST(Packing, ARowLeavesWeightsOfShortTapsToTheNextOne) {
  for (const GemmRow& row : gemm_rows()) {
    EXPECT_EQ(&select_gemm_row(row.isa, row.least_depth + 1, row.least_k + 1), &row);
    EXPECT_EQ(&select_gemm_row(row.isa, 1, std::max(row.least_k, row.least_depth)), &row);
    if (row.least_k > 0) {
      EXPECT_LT(select_gemm_row(row.isa, row.least_depth, row.least_k - 1).isa, row.isa);
    }
    if (row.least_depth > 0) {
      EXPECT_LT(select_gemm_row(row.isa, 1, row.least_depth - 1).isa, row.isa);
    }
  }
  EXPECT_EQ(gemm_rows().back().least_k, 0);
  EXPECT_EQ(gemm_rows().back().least_depth, 0);
}

}  // namespace
}  // namespace int8::test
