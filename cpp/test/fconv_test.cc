// Protects float convolution and linear: one fma chain per output element in ascending k, whatever the instruction set,
// tile, tail, group, padding and number of threads.
#include "int8/fconv.h"

#include <gtest/gtest.h>

#include <string>

#include "core/cpu_features.h"
#include "elementwise/math.h"
#include "float/kernels.h"
#include "int8/thread_pool.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Case {
  std::string name;
  ConvGeometry g;
  bool bias = true;
  float lo = -kInf, hi = kInf;
  bool hostile = false;
};

// Builds a case from what differs from a 3x3 convolution of 5 to 7 channels over 6x9.
class CaseBuilder {
 public:
  explicit CaseBuilder(std::string name) {
    c_.name = std::move(name);
    c_.g.batch = 1;
    c_.g.in_channels = 5;
    c_.g.out_channels = 7;
    c_.g.input = {1, 6, 9};
    c_.g.kernel = {1, 3, 3};
  }
  CaseBuilder& channels(int64_t in, int64_t out, int64_t groups = 1) {
    c_.g.in_channels = in, c_.g.out_channels = out, c_.g.groups = groups;
    return *this;
  }
  CaseBuilder& batch(int64_t n) { return c_.g.batch = n, *this; }
  CaseBuilder& input(Dims3 d) { return c_.g.input = d, *this; }
  CaseBuilder& kernel(Dims3 d) { return c_.g.kernel = d, *this; }
  CaseBuilder& stride(Dims3 d) { return c_.g.stride = d, *this; }
  CaseBuilder& dilation(Dims3 d) { return c_.g.dilation = d, *this; }
  CaseBuilder& padding(Dims3 before, Dims3 after) { return c_.g.padding = before, after_ = after, *this; }
  CaseBuilder& clamp(float lo, float hi) { return c_.lo = lo, c_.hi = hi, *this; }
  CaseBuilder& no_bias() { return c_.bias = false, *this; }
  CaseBuilder& hostile() { return c_.hostile = true, *this; }
  Case build() {
    auto size = [](int64_t in, int64_t before, int64_t after, int64_t kernel, int64_t dilation, int64_t stride) {
      return (in + before + after - dilation * (kernel - 1) - 1) / stride + 1;
    };
    ConvGeometry& g = c_.g;
    g.output = {size(g.input.d, g.padding.d, after_.d, g.kernel.d, g.dilation.d, g.stride.d),
                size(g.input.h, g.padding.h, after_.h, g.kernel.h, g.dilation.h, g.stride.h),
                size(g.input.w, g.padding.w, after_.w, g.kernel.w, g.dilation.w, g.stride.w)};
    return c_;
  }

 private:
  Case c_;
  Dims3 after_{0, 0, 0};
};

std::vector<Case> cases() {
  std::vector<Case> all;
  auto add = [&](CaseBuilder& b) { all.push_back(b.build()); };
  auto named = [](const std::string& name) { return CaseBuilder(name); };
  add(named("plain").clamp(0, 3));
  add(named("padded").padding({0, 1, 1}, {0, 1, 1}).no_bias());
  add(named("padding_on_one_side").padding({0, 0, 2}, {0, 1, 0}));
  add(named("kernel_larger_than_the_input").input({1, 2, 2}).kernel({1, 5, 5}).padding({0, 2, 2}, {0, 2, 2}));
  add(named("windows_wholly_in_padding").input({1, 3, 3}).padding({0, 6, 6}, {0, 6, 6}));
  add(named("strides").input({1, 11, 13}).stride({1, 2, 3}).padding({0, 1, 1}, {0, 1, 1}));
  add(named("stride_larger_than_the_kernel").input({1, 12, 12}).kernel({1, 2, 2}).stride({1, 5, 5}));
  add(named("dilation").input({1, 12, 12}).dilation({1, 2, 3}).padding({0, 2, 3}, {0, 2, 3}));
  add(named("three_dimensions")
          .input({4, 5, 6})
          .kernel({2, 3, 3})
          .padding({1, 1, 1}, {0, 1, 1})
          .stride({2, 1, 1})
          .batch(2));
  add(named("rows_only").input({1, 1, 40}).kernel({1, 1, 5}).padding({0, 0, 2}, {0, 0, 2}));
  add(named("pointwise").kernel({1, 1, 1}).channels(33, 70));
  add(named("pointwise_with_stride").kernel({1, 1, 1}).channels(33, 70).stride({1, 2, 2}));
  add(named("pointwise_with_padding").kernel({1, 1, 1}).channels(8, 16).padding({0, 1, 1}, {0, 1, 1}));
  add(named("first_layer").channels(3, 32).input({1, 19, 21}).stride({1, 2, 2}).padding({0, 1, 1}, {0, 1, 1}));
  add(named("one_channel").channels(1, 16).input({1, 14, 14}).padding({0, 1, 1}, {0, 1, 1}).batch(3));
  add(named("groups_of_three_to_five").channels(9, 15, 3).padding({0, 1, 1}, {0, 1, 1}));
  add(named("more_taps_than_a_call_takes")
          .input({1, 30, 30})
          .kernel({1, 17, 17})
          .channels(2, 20)
          .padding({0, 8, 8}, {0, 8, 8})
          .dilation({1, 1, 1}));
  add(named("many_taps_depthwise")
          .input({1, 20, 20})
          .kernel({1, 17, 17})
          .channels(18, 18, 18)
          .padding({0, 8, 8}, {0, 8, 8})
          .clamp(-1, 1));
  add(named("depthwise_multiplier").channels(6, 12, 6).padding({0, 1, 1}, {0, 1, 1}));
  add(named("depthwise_strides")
          .channels(20, 20, 20)
          .input({1, 9, 17})
          .stride({1, 2, 2})
          .padding({0, 1, 1}, {0, 1, 1})
          .clamp(0, 6));
  add(named("depthwise_dilation")
          .channels(20, 20, 20)
          .input({1, 9, 17})
          .dilation({1, 2, 2})
          .padding({0, 2, 2}, {0, 2, 2}));
  add(named("depthwise_narrow").channels(20, 20, 20).input({1, 4, 2}).kernel({1, 3, 7}).padding({0, 1, 3}, {0, 1, 3}));
  add(named("depthwise_three_dimensions")
          .channels(5, 5, 5)
          .input({4, 5, 6})
          .kernel({3, 3, 3})
          .padding({1, 1, 1}, {1, 1, 1})
          .batch(2));
  add(named("hostile_values").padding({0, 1, 1}, {0, 1, 1}).clamp(0, 6).hostile());
  add(named("hostile_values_depthwise")
          .channels(19, 19, 19)
          .padding({0, 1, 1}, {0, 1, 1})
          .clamp(-0.0f, kInf)
          .hostile());
  for (const int64_t size : {2, 4, 8, 16}) {
    for (const int64_t groups : {2, 3, 4, 5, 8, 9, 13}) {
      const std::string n = std::to_string(groups) + "_of_" + std::to_string(size);
      const int64_t c = groups * size;
      add(named("groups_" + n).channels(c, c, groups).padding({0, 1, 1}, {0, 1, 1}).clamp(0, 6));
    }
    const std::string n = std::to_string(size);
    const int64_t c = 7 * size;
    add(named("groups_strides_" + n)
            .channels(c, c, 7)
            .input({1, 9, 17})
            .stride({1, 2, 2})
            .padding({0, 1, 1}, {0, 1, 1}));
    add(named("groups_dilation_" + n)
            .channels(c, c, 7)
            .input({1, 9, 17})
            .dilation({1, 2, 2})
            .padding({0, 2, 2}, {0, 2, 2}));
    add(named("groups_many_taps_" + n)
            .channels(c, c, 7)
            .input({1, 4, 5})
            .kernel({1, 17, 17})
            .padding({0, 8, 8}, {0, 8, 8}));
    add(named("groups_hostile_values_" + n)
            .channels(c, c, 7)
            .padding({0, 1, 1}, {0, 1, 1})
            .clamp(-0.0f, kInf)
            .hostile());
  }
  add(named("empty_batch").batch(0));
  for (const int64_t c : {7, 9, 15, 16, 17, 25, 31, 33, 48, 64, 65, 100}) {
    const std::string n = std::to_string(c);
    add(named("depthwise_" + n).channels(c, c, c).padding({0, 1, 1}, {0, 1, 1}));
    add(named("out_" + n).channels(4, c).padding({0, 1, 1}, {0, 1, 1}));
    add(named("in_" + n).channels(c, 18).batch(2));
    add(named("width_" + n).input({1, 3, c + 2}).channels(3, 40));
    add(named("depthwise_width_" + n).input({1, 3, c}).channels(40, 40, 40).padding({0, 1, 1}, {0, 1, 1}));
  }
  return all;
}

std::vector<float> reference(const Case& c, const float* x, const float* w, const float* bias) {
  const ConvGeometry& g = c.g;
  const int64_t ipg = g.in_channels / g.groups, opg = g.out_channels / g.groups;
  std::vector<float> y;
  for (int64_t n = 0; n < g.batch; ++n)
    for (int64_t od = 0; od < g.output.d; ++od)
      for (int64_t oh = 0; oh < g.output.h; ++oh)
        for (int64_t ow = 0; ow < g.output.w; ++ow)
          for (int64_t o = 0; o < g.out_channels; ++o) {
            float acc = bias != nullptr ? bias[o] : 0.0f;
            const float* wk = w + o * g.kernel.count() * ipg;
            for (int64_t kd = 0; kd < g.kernel.d; ++kd)
              for (int64_t kh = 0; kh < g.kernel.h; ++kh)
                for (int64_t kw = 0; kw < g.kernel.w; ++kw)
                  for (int64_t i = 0; i < ipg; ++i) {
                    const int64_t d = od * g.stride.d - g.padding.d + kd * g.dilation.d;
                    const int64_t h = oh * g.stride.h - g.padding.h + kh * g.dilation.h;
                    const int64_t v = ow * g.stride.w - g.padding.w + kw * g.dilation.w;
                    const bool inside = d >= 0 && d < g.input.d && h >= 0 && h < g.input.h && v >= 0 && v < g.input.w;
                    const int64_t at =
                        (((n * g.input.d + d) * g.input.h + h) * g.input.w + v) * g.in_channels + o / opg * ipg + i;
                    acc = std::fma(inside ? x[at] : 0.0f, *wk++, acc);
                  }
            y.push_back(minimum(maximum(acc, c.lo), c.hi));
          }
  return y;
}

// The table's rows, and portable ones with odd tiles that drive packing and driver.
std::vector<FloatRow> all_rows() {
  std::vector<FloatRow> rows;
  for (const FloatRow& row : float_rows()) {
    rows.push_back(row);
    if (row.wide != nullptr) rows.push_back(*row.wide);
  }
  for (const auto& [mr, nr, lanes] : {std::tuple{1, 1, 1}, {3, 5, 5}, {16, 24, 8}, {5, 40, 3}}) {
    rows.push_back({Isa::kPortable, mr, nr, lanes, float_tile_portable, float_depthwise_portable});
  }
  return rows;
}

class FloatConvolution : public ::testing::TestWithParam<Case> {};

TEST_P(FloatConvolution, IsTheFmaChainForEveryTileAndNumberOfThreads) {
  const Case& c = GetParam();
  const ConvGeometry& g = c.g;
  Random random(3);
  auto data = [&](int64_t n, float bound) {
    return c.hostile ? hostile_floats(random, n) : random_floats(random, n, bound);
  };
  const GuardedBuffer<float> x(data(g.batch * g.input.count() * g.in_channels, 4));
  const GuardedBuffer<float> w(data(g.out_channels * g.kernel.count() * (g.in_channels / g.groups), 1));
  const GuardedBuffer<float> bias(data(g.out_channels, 2));
  const auto want = reference(c, x.data(), w.data(), c.bias ? bias.data() : nullptr);
  const GuardedBuffer<float> residual(data(static_cast<int64_t>(want.size()), 3));
  Case open = c;
  open.lo = -std::numeric_limits<float>::infinity();
  open.hi = std::numeric_limits<float>::infinity();
  auto want_added = reference(open, x.data(), w.data(), c.bias ? bias.data() : nullptr);
  for (size_t i = 0; i < want.size(); i++) {
    want_added[i] = minimum(maximum(want_added[i] + residual.data()[i], c.lo), c.hi);
  }
  for (const FloatRow& row : all_rows()) {
    if (!isa_supported(row.isa)) continue;
    const auto packed = pack_float_for(row, {w.span(), c.bias ? bias.span() : std::span<const float>{}, g.groups,
                                             g.out_channels, g.in_channels / g.groups, g.kernel});
    ASSERT_NE(packed, nullptr);
    EXPECT_EQ(facts(*packed).kernel, g.kernel);
    for (const int threads : {1, 2, 5}) {
      set_num_threads(threads);
      GuardedBuffer<float> y(want.size());
      ASSERT_EQ(fconv(*packed, x.span(), {}, y.span(), g, c.lo, c.hi), Status::kOk);
      EXPECT_TRUE(same(y.values(), want))
          << isa_name(row.isa) << " mr " << row.mr << " nr " << row.nr << ", " << threads << " threads";
      EXPECT_TRUE(y.front_untouched());
      ASSERT_EQ(fconv(*packed, x.span(), residual.span(), y.span(), g, c.lo, c.hi), Status::kOk);
      EXPECT_TRUE(same(y.values(), want_added)) << isa_name(row.isa) << " with a residual";
      EXPECT_TRUE(y.front_untouched());
    }
  }
  set_num_threads(default_num_threads());
}

INSTANTIATE_TEST_SUITE_P(Cases, FloatConvolution, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(FloatLinear, IsTheFmaChainForEverySize) {
  Random random(5);
  const int64_t sizes[][3] = {{1, 1, 1},    {1, 64, 10},    {2, 0, 5},     {0, 3, 5},     {3, 5, 0},
                              {12, 32, 32}, {13, 33, 33},   {24, 17, 64},  {25, 129, 47}, {7, 300, 16},
                              {5, 2, 15},   {100, 784, 10}, {64, 256, 300}};
  for (const auto& [rows, k, n] : sizes) {
    Case c;
    c.g.batch = rows;
    c.g.in_channels = k;
    c.g.out_channels = n;
    const GuardedBuffer<float> x(random_floats(random, rows * k)), w(random_floats(random, n * k)),
        bias(random_floats(random, n));
    const auto want = reference(c, x.data(), w.data(), bias.data());
    for (const FloatRow& row : all_rows()) {
      if (!isa_supported(row.isa)) continue;
      const auto packed = pack_float_for(row, {w.span(), bias.span(), 1, n, k, {1, 1, 1}});
      ASSERT_NE(packed, nullptr);
      for (const int threads : {1, 2, 5}) {
        set_num_threads(threads);
        GuardedBuffer<float> y(want.size());
        ASSERT_EQ(flinear(*packed, x.span(), y.span(), rows, -kInf, kInf), Status::kOk);
        EXPECT_TRUE(same(y.values(), want))
            << rows << "x" << k << "x" << n << " on " << isa_name(row.isa) << " mr " << row.mr;
      }
    }
  }
  set_num_threads(default_num_threads());
}

TEST(FloatMatmul, IsTheFmaChainForEverySizeEitherWayRound) {
  Random random(6);
  const int64_t sizes[][4] = {{1, 1, 1, 1},   {2, 3, 0, 5},     {1, 0, 3, 5},    {3, 4, 64, 64},
                              {2, 5, 64, 64}, {1, 2, 9, 47},    {4, 12, 32, 32}, {2, 13, 33, 33},
                              {1, 25, 5, 15}, {1, 200, 17, 40}, {9, 50, 40, 50}};
  for (const auto& [batch, rows, k, n] : sizes) {
    for (const bool transpose : {false, true}) {
      const GuardedBuffer<float> a(random_floats(random, batch * rows * k)), b(random_floats(random, batch * k * n));
      std::vector<float> want(static_cast<size_t>(batch * rows * n));
      for (int64_t i = 0; i < batch * rows * n; i++) {
        const int64_t at = i / n / rows, c = i % n;
        const float *row = a.data() + i / n * k, *matrix = b.data() + at * k * n;
        float acc = 0;
        for (int64_t j = 0; j < k; j++) acc = fma_once(row[j], matrix[transpose ? c * k + j : j * n + c], acc);
        want[static_cast<size_t>(i)] = acc;
      }
      for (const FloatRow& row : all_rows()) {
        if (!isa_supported(row.isa)) continue;
        for (const int threads : {1, 5}) {
          set_num_threads(threads);
          GuardedBuffer<float> y(want.size());
          ASSERT_EQ(fmatmul_for(row, a.span(), b.span(), y.span(), {batch, rows, k, n, rows * k, k * n, transpose}),
                    Status::kOk);
          EXPECT_TRUE(same(y.values(), want))
              << batch << "x" << rows << "x" << k << "x" << n << " on " << isa_name(row.isa) << " mr " << row.mr;
        }
      }
    }
  }
  set_num_threads(default_num_threads());
}

TEST(FloatTable, TakesWidePanelsWhereChannelsFillThemAndWeightsAreNotTooLarge) {
  FloatRow wide{Isa::kPortable, 6, 64, 16, float_tile_portable, float_depthwise_portable};
  FloatRow row{Isa::kPortable, 12, 32, 16, float_tile_portable, float_depthwise_portable, &wide};
  for (const int64_t channels : {64, 128, 100, 200, 225}) EXPECT_EQ(&row_for(row, 64, channels), &wide) << channels;
  for (const int64_t channels : {1, 24, 32, 80, 96, 144}) EXPECT_EQ(&row_for(row, 64, channels), &row) << channels;
  EXPECT_EQ(&row_for(row, 4608, 512), &row);
  EXPECT_EQ(&row_for(wide, 64, 64), &wide);
}

TEST(FloatTable, ChoosesTheBestRowThatTheInstructionSetIncludes) {
  EXPECT_EQ(select_row(float_rows(), Isa::kPortable).isa, Isa::kPortable);
#ifdef INT8_ARCH_X64
  EXPECT_EQ(select_row(float_rows(), Isa::kAvx512Amx).isa, Isa::kAvx512Vnni);
  EXPECT_EQ(select_row(float_rows(), Isa::kAvxVnni).isa, Isa::kAvx2);
#endif
#ifdef INT8_ARCH_ARM64
  EXPECT_EQ(select_row(float_rows(), Isa::kI8mm).isa, Isa::kNeon);
#endif
}

}  // namespace
}  // namespace int8
