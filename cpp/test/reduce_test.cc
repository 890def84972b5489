// Protects the reductions: every instruction set gives the portable bytes for every row length and value; sums follow
// the sixteen lanes of numerics.md 7.
#include <gtest/gtest.h>

#include "core/cpu_features.h"
#include "int8/thread_pool.h"
#include "reduce/kernels.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

const ReduceKernels& portable() {
  return *reduce_rows().back().kernels;
}

class ReduceRows : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam())) GTEST_SKIP() << "this CPU lacks " << isa_name(GetParam());
  }
  const ReduceKernels& row() { return *select_row(reduce_rows(), GetParam()).kernels; }
  Random random{11};
};

std::vector<Isa> row_isas() {
  std::vector<Isa> isas;
  for (const auto& row : reduce_rows()) isas.push_back(row.isa);
  return isas;
}
INSTANTIATE_TEST_SUITE_P(Isas, ReduceRows, ::testing::ValuesIn(row_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

TEST_P(ReduceRows, SumsGiveThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    for (const bool hostile : {false, true}) {
      const GuardedBuffer<float> x(hostile ? hostile_floats(random, n) : random_floats(random, n));
      for (const Reduce op : {Reduce::kSum, Reduce::kMean, Reduce::kMax, Reduce::kMin, Reduce::kSumSquares,
                              Reduce::kSumAbs, Reduce::kProd}) {
        EXPECT_TRUE(same_bits(row().reduce(op, x.data(), n), portable().reduce(op, x.data(), n))) << n;
      }
    }
  }
}

TEST_P(ReduceRows, SoftmaxGivesThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    if (n == 0) continue;
    for (const bool hostile : {false, true}) {
      const GuardedBuffer<float> x(hostile ? hostile_floats(random, n) : random_floats(random, n));
      GuardedBuffer<float> got(static_cast<size_t>(n)), want(static_cast<size_t>(n));
      row().softmax_row(x.data(), got.data(), n);
      portable().softmax_row(x.data(), want.data(), n);
      EXPECT_TRUE(same(got.values(), want.values()));
      EXPECT_TRUE(got.front_untouched());
    }
  }
}

TEST_P(ReduceRows, LayerNormsGiveThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    if (n == 0) continue;
    for (const bool hostile : {false, true}) {
      const GuardedBuffer<float> x(hostile ? hostile_floats(random, n) : random_floats(random, n));
      const GuardedBuffer<float> scale(random_floats(random, n)), bias(random_floats(random, n));
      GuardedBuffer<float> got(static_cast<size_t>(n)), want(static_cast<size_t>(n));
      for (const bool biased : {false, true}) {
        LayerNorm norm{{scale.data(), static_cast<size_t>(n)}, {}, 1e-5f};
        if (biased) norm.bias = {bias.data(), static_cast<size_t>(n)};
        row().layer_norm_row(x.data(), got.data(), n, norm);
        portable().layer_norm_row(x.data(), want.data(), n, norm);
        EXPECT_TRUE(same(got.values(), want.values()));
        EXPECT_TRUE(got.front_untouched());
      }
    }
  }
}

TEST_P(ReduceRows, RangesGiveThePortableValues) {
  for (const int64_t n : tail_lengths()) {
    const GuardedBuffer<float> x(hostile_floats(random, n));
    const MinMax got = row().min_max(x.data(), n), want = portable().min_max(x.data(), n);
    EXPECT_EQ(got.min, want.min);
    EXPECT_EQ(got.max, want.max);
  }
}

TEST(Reduce, SumAddsLaneJToLaneJPlusHalf) {
  // 2^24 + 1 + 1 is 2^24 if the ones are added one by one, 2^24 + 2 if they meet first.
  std::vector<float> x(16, 0.0f);
  x[0] = 16777216.0f;
  x[8] = 1.0f;
  x[4] = 1.0f;
  EXPECT_EQ(portable().reduce(Reduce::kSum, x.data(), 16), 16777216.0f);
  x[4] = 0.0f;
  x[9] = 1.0f;
  x[1] = 0.0f;
  x[8] = 0.0f;
  x[3] = 1.0f;
  EXPECT_EQ(portable().reduce(Reduce::kSum, x.data(), 16), 16777218.0f);
}

TEST(Reduce, RangeSkipsWhatIsNotFiniteOnAnyNumberOfThreads) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(300000, -0.0f);
  x[1] = infinity;
  x[2] = -infinity;
  x[3] = nan;
  x[299999] = 7.0f;
  x[150000] = -3.0f;
  const int before = num_threads();
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    const MinMax found = min_max(x);
    EXPECT_EQ(found.min, -3.0f);
    EXPECT_EQ(found.max, 7.0f);
  }
  set_num_threads(before);
  EXPECT_EQ(dynamic_params(x).scale, 10.0f / 255.0f);
  EXPECT_EQ(dynamic_params(x).zero_point, 76.0f);  // 76.5, half to even
  EXPECT_EQ(dynamic_params({}).scale, 1.0f);
  const MinMax none = min_max(std::span(x).subspan(1, 3));
  EXPECT_EQ(none.min, infinity);
  EXPECT_EQ(none.max, -infinity);
  EXPECT_FALSE(std::signbit(min_max(std::span(x).first(1)).min));
}

}  // namespace
}  // namespace int8
