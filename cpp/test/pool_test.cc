// Protects the pools: every instruction set gives the portable bytes, for every tail of channels and window size; the
// drivers read what the windows name, no more, on any number of threads.
#include <gtest/gtest.h>

#include <deque>

#include "core/cpu_features.h"
#include "int8/thread_pool.h"
#include "pool/kernels.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

const PoolKernels& portable() {
  return *pool_rows().back().kernels;
}

class PoolRows : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam())) GTEST_SKIP() << "this CPU lacks " << isa_name(GetParam());
  }
  const PoolKernels& row() { return *select_row(pool_rows(), GetParam()).kernels; }
  Random random{7};
};

std::vector<Isa> row_isas() {
  std::vector<Isa> isas;
  for (const auto& row : pool_rows()) isas.push_back(row.isa);
  return isas;
}
INSTANTIATE_TEST_SUITE_P(Isas, PoolRows, ::testing::ValuesIn(row_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

constexpr int64_t kStep = 3;  // elements from one window to the next

// `count` pixels of `channels` elements for each of some windows, which end at a page that nobody may touch.
template <class T>
struct Pixels {
  template <class Make>
  Pixels(int64_t count, int64_t channels, int64_t pixels, Make make) {
    for (int64_t i = 0; i < count; i++)
      rows.push_back(buffers.emplace_back(make(channels + kStep * (pixels - 1))).data());
    run = {rows.data(), count, channels, pixels, kStep};
  }
  std::deque<GuardedBuffer<T>> buffers;
  std::vector<const T*> rows;
  PoolRun<T> run;
};

// Runs one kernel of both rows: fn(kernels, y).
template <class T, class Fn>
void expect_equal(const PoolKernels& row, const PoolRun<T>& run, Fn fn) {
  const auto size = static_cast<size_t>(run.channels * run.pixels);
  GuardedBuffer<T> got(size), want(size);
  fn(row, got.data());
  fn(portable(), want.data());
  EXPECT_TRUE(same(got.values(), want.values()));
  EXPECT_TRUE(got.front_untouched());
}

const int64_t kWindowSizes[] = {0, 1, 2, 3, 4, 5, 7, 9, 16, 17, 25, 49};

TEST_P(PoolRows, PoolsOfCodesGiveThePortableBytes) {
  for (const int64_t channels : tail_lengths()) {
    if (channels == 0) continue;
    for (const int64_t count : kWindowSizes) {
      const int64_t pixels = 1 + count % 3;
      const Pixels<uint8_t> x(count, channels, pixels, [&](int64_t n) { return random_codes(random, n); });
      for (const CodeType type : {CodeType::kU8, CodeType::kS8}) {
        expect_equal(row(), x.run, [&](const PoolKernels& k, uint8_t* y) { k.qmax(x.run, type, y); });
        const int32_t least = type == CodeType::kU8 ? 0 : -128;
        const AveragePixel p{.x_zero_point = least + static_cast<int32_t>(random() % 256),
                             .y_zero_point = static_cast<int32_t>(random() % 256),
                             .lo = 0,
                             .hi = 255,
                             .multiplier = 0.8f / static_cast<float>(count + 1)};
        expect_equal(row(), x.run, [&](const PoolKernels& k, uint8_t* y) { k.qavg(x.run, type, y, p); });
      }
    }
  }
}

TEST_P(PoolRows, PoolsOfFloatsGiveThePortableBytes) {
  for (const int64_t channels : tail_lengths()) {
    if (channels == 0) continue;
    for (const int64_t count : kWindowSizes) {
      const int64_t pixels = 1 + count % 3;
      const Pixels<float> x(count, channels, pixels, [&](int64_t n) { return hostile_floats(random, n); });
      expect_equal(row(), x.run, [&](const PoolKernels& k, float* y) { k.fmax(x.run, y); });
      expect_equal(row(), x.run, [&](const PoolKernels& k, float* y) { k.favg(x.run, y, 3.0f); });
    }
  }
}

TEST_P(PoolRows, LargestOfAnyTwoSpecialFloatsIsThePortableOne) {
  std::vector<float> values = special_floats();
  values.push_back(-std::numeric_limits<float>::quiet_NaN());
  std::vector<float> a, b;
  for (const float first : values) {
    for (const float second : values) {
      a.push_back(first);
      b.push_back(second);
    }
  }
  const float* rows[] = {a.data(), b.data()};
  const PoolRun<float> run{rows, 2, static_cast<int64_t>(a.size())};
  expect_equal(row(), run, [&](const PoolKernels& k, float* y) { k.fmax(run, y); });
}

TEST(Pool, AverageRoundsHalfToEvenBeforeItAddsTheZeroPoint) {
  const uint8_t pixels[] = {3, 4, 0, 1};  // sums 3.5 and 0.5 after halving
  const uint8_t* rows[] = {pixels, pixels + 2};
  const PoolRun<uint8_t> run{rows, 2, 2};
  uint8_t y[2];
  portable().qavg(run, CodeType::kU8, y,
                  {.x_zero_point = 0, .y_zero_point = 1, .lo = 0, .hi = 255, .multiplier = 0.5f});
  EXPECT_EQ(y[0], 3);  // 1 + rne(1.5)
  EXPECT_EQ(y[1], 3);  // 1 + rne(2.5)
}

TEST(Pool, MaximumIsIeee) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float a[] = {-0.0f, 0.0f, nan, 1.0f}, b[] = {0.0f, -0.0f, 5.0f, nan};
  const float* rows[] = {a, b};
  float y[4];
  for (const PoolRow& row : pool_rows()) {
    if (!isa_supported(row.isa)) continue;
    row.kernels->fmax({rows, 2, 4}, y);
    EXPECT_FALSE(std::signbit(y[0]));
    EXPECT_FALSE(std::signbit(y[1]));
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_TRUE(std::isnan(y[3]));
  }
}

// 2 images of 3 x 5 x 4 pixels; windows of 2 x 3 x 2 with steps, one of them empty.
TEST(Pool, DriversGiveTheSameBytesOnAnyNumberOfThreads) {
  Random random{3};
  const int64_t channels = 37;
  const std::vector<int32_t> d_starts{0, 1}, d_counts{2, 2};
  const std::vector<int32_t> h_starts{0, 1, 4}, h_counts{3, 2, 1};
  const std::vector<int32_t> w_starts{0, 2, 0}, w_counts{2, 1, 0};
  const PoolWindows windows{.batch = 2,
                            .channels = channels,
                            .input = {3, 5, 4},
                            .output = {2, 3, 3},
                            .d = {d_starts, d_counts, 1},
                            .h = {h_starts, h_counts, 2},
                            .w = {w_starts, w_counts, 1}};
  const GuardedBuffer<uint8_t> x(random_codes(random, 2 * 60 * channels));
  const size_t size = 2 * 18 * static_cast<size_t>(channels);
  std::vector<std::vector<uint8_t>> results;
  const int before = num_threads();
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    GuardedBuffer<uint8_t> y(size);
    EXPECT_EQ(qmax_pool({x.span()}, {y.span()}, windows), Status::kOk);
    EXPECT_TRUE(y.front_untouched());
    results.push_back(y.values());
  }
  set_num_threads(before);
  EXPECT_TRUE(same(results[1], results[0]));
  EXPECT_TRUE(same(results[2], results[0]));
  // The window at depth 1, row 1, column 1 of image 0: depths 1, 2; rows 1, 3; column 2.
  for (int64_t c = 0; c < channels; c++) {
    uint8_t largest = 0;
    for (const int64_t d : {1, 2}) {
      for (const int64_t h : {1, 3}) {
        largest = std::max(largest, x.values()[static_cast<size_t>(((d * 5 + h) * 4 + 2) * channels + c)]);
      }
    }
    EXPECT_EQ(results[0][static_cast<size_t>((1 * 9 + 1 * 3 + 1) * channels + c)], largest);
  }
}

}  // namespace
}  // namespace int8
