// Transposed convolutions: every kernel of the tables, and hidden portable ones with odd tiles, give what adding each
// input pixel's contributions gives, and touch nothing beside their operands.
#include <cmath>

#include "float/kernels.h"
#include "support/qconv_case.h"

namespace int8::test {
namespace {

ConvGeometry geometry(int64_t in, int64_t out, int64_t groups, Dims3 input, Dims3 output, Dims3 kernel, Dims3 stride,
                      Dims3 dilation = {1, 1, 1}, Dims3 padding = {0, 0, 0}) {
  return {2, groups, in, out, input, output, kernel, stride, dilation, padding};
}

// Upsampling by 2, overlaps, gaps (stride above kernel), dilation with and without a common factor, groups, depthwise,
// three axes, and outputs beyond what the input reaches.
const ConvGeometry kGeometries[] = {
    geometry(1, 1, 1, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}),
    geometry(9, 33, 1, {1, 3, 7}, {1, 6, 14}, {1, 2, 2}, {1, 2, 2}),
    geometry(16, 5, 1, {1, 5, 5}, {1, 10, 10}, {1, 4, 4}, {1, 2, 2}, {1, 1, 1}, {0, 1, 1}),
    geometry(4, 70, 1, {1, 4, 3}, {1, 9, 8}, {1, 1, 2}, {1, 3, 4}),
    geometry(6, 4, 2, {1, 3, 4}, {1, 11, 13}, {1, 3, 3}, {1, 2, 3}, {1, 4, 2}),
    geometry(7, 7, 7, {1, 4, 4}, {1, 9, 9}, {1, 3, 3}, {1, 2, 2}),
    geometry(3, 2, 1, {2, 3, 2}, {5, 6, 5}, {3, 2, 3}, {2, 2, 2}, {1, 1, 1}, {1, 0, 1}),
    geometry(5, 6, 1, {1, 1, 40}, {1, 1, 130}, {1, 1, 5}, {1, 1, 3}, {1, 1, 1}, {0, 0, 4}),
    geometry(8, 8, 1, {1, 4, 4}, {1, 6, 6}, {1, 3, 3}, {1, 1, 1}),
};

// Calls add(output pixel, tap, input pixel) for all that meet, taps of an output in descending order.
template <class Add>
void each_pair(const ConvGeometry& g, const Add& add) {
  const auto input = [](int64_t o, int64_t pad, int64_t k, int64_t dilation, int64_t stride, int64_t size) {
    const int64_t at = o + pad - k * dilation;
    return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
  };
  for (int64_t n = 0; n < g.batch; n++) {
    for (int64_t o = 0; o < g.output.count(); o++) {
      for (int64_t t = g.kernel.count(); t-- > 0;) {
        const int64_t w = input(o % g.output.w, g.padding.w, t % g.kernel.w, g.dilation.w, g.stride.w, g.input.w);
        const int64_t h = input(o / g.output.w % g.output.h, g.padding.h, t / g.kernel.w % g.kernel.h, g.dilation.h,
                                g.stride.h, g.input.h);
        const int64_t d = input(o / g.output.w / g.output.h, g.padding.d, t / g.kernel.w / g.kernel.h, g.dilation.d,
                                g.stride.d, g.input.d);
        if (w < 0 || h < 0 || d < 0) continue;
        add(n * g.output.count() + o, t, ((n * g.input.d + d) * g.input.h + h) * g.input.w + w);
      }
    }
  }
}

class QConvTransposed : public testing::TestWithParam<Kernels> {};
INSTANTIATE_TEST_SUITE_P(Kernels, QConvTransposed, testing::ValuesIn(all_kernels()),
                         [](const testing::TestParamInfo<Kernels>& info) { return info.param.name; });

TEST_P(QConvTransposed, GivesTheSumOfContributions) {
  for (const ConvGeometry& g : kGeometries) {
    for (const bool zero_points : {false, true}) {
      const int64_t per_group = g.in_channels / g.groups, out_per_group = g.out_channels / g.groups;
      const auto outputs = static_cast<size_t>(g.batch * g.output.count() * g.out_channels);
      Guarded x(static_cast<size_t>(g.batch * g.input.count() * g.in_channels), 1, Guarded::Side::kAfter);
      Guarded w(static_cast<size_t>(g.out_channels * g.kernel.count() * per_group), 1, Guarded::Side::kAfter);
      Guarded y(outputs * 4, 4, Guarded::Side::kAfter);
      Random random(7);
      random.fill(x.bytes());
      random.fill(w.bytes());
      std::vector<int32_t> zeros(static_cast<size_t>(g.out_channels)), bias(zeros.size());
      for (size_t c = 0; c < bias.size(); c++) {
        zeros[c] = zero_points ? static_cast<int32_t>(random.next() % 256) - 128 : 0;
        bias[c] = static_cast<int32_t>(random.next() % 1000);
      }
      constexpr int32_t kXZero = 77;
      std::vector<int32_t> expected(outputs);
      for (size_t i = 0; i < outputs; i++) expected[i] = bias[i % bias.size()];
      each_pair(g, [&](int64_t o, int64_t t, int64_t i) {
        for (int64_t c = 0; c < g.out_channels; c++) {
          for (int64_t k = 0; k < per_group; k++) {
            const auto from = static_cast<size_t>(i * g.in_channels + c / out_per_group * per_group + k);
            const auto weight = static_cast<size_t>((c * g.kernel.count() + t) * per_group + k);
            expected[static_cast<size_t>(o * g.out_channels + c)] +=
                (x.bytes()[from] - kXZero) * (static_cast<int8_t>(w.bytes()[weight]) - zeros[static_cast<size_t>(c)]);
          }
        }
      });
      const auto packed = pack_quantized_for({.codes = w.bytes(),
                                              .type = CodeType::kS8,
                                              .zero_points = zeros,
                                              .groups = g.groups,
                                              .out_channels = g.out_channels,
                                              .in_per_group = per_group,
                                              .kernel = g.kernel,
                                              .transposed = TransposedSteps{g.stride, g.dilation}},
                                             GetParam().gemm, GetParam().depthwise);
      ASSERT_NE(packed, nullptr);
      const auto bound = bind_quantized(packed, {.x_zero_point = kXZero, .bias = bias, .output = OutputKind::kS32});
      ASSERT_NE(bound, nullptr);
      ASSERT_EQ(qconv_transposed(*bound, x.bytes(), y.bytes(), g), Status::kOk);
      EXPECT_TRUE(y.untouched());
      std::vector<int32_t> got(outputs);
      std::memcpy(got.data(), y.bytes().data(), outputs * 4);
      EXPECT_EQ(got, expected) << "geometry " << &g - kGeometries << " zero points " << zero_points;
    }
  }
}

TEST(FConvTransposed, IsOneChainOfFmaForEveryRowOfTheTable) {
  for (const FloatRow& row : float_rows()) {
    if (!isa_supported(row.isa)) continue;
    for (const ConvGeometry& g : kGeometries) {
      const int64_t per_group = g.in_channels / g.groups, out_per_group = g.out_channels / g.groups;
      Random random(3);
      const auto fill = [&random](int64_t count) {
        std::vector<float> values(static_cast<size_t>(count));
        for (float& v : values) v = random.unit() - 0.5f;
        return values;
      };
      const std::vector<float> x = fill(g.batch * g.input.count() * g.in_channels);
      const std::vector<float> w = fill(g.out_channels * g.kernel.count() * per_group);
      const std::vector<float> bias = fill(g.out_channels);
      std::vector<float> expected(static_cast<size_t>(g.batch * g.output.count() * g.out_channels));
      for (size_t i = 0; i < expected.size(); i++) expected[i] = bias[i % bias.size()];
      each_pair(g, [&](int64_t o, int64_t t, int64_t i) {
        for (int64_t c = 0; c < g.out_channels; c++) {
          float& sum = expected[static_cast<size_t>(o * g.out_channels + c)];
          for (int64_t k = 0; k < per_group; k++) {
            sum = std::fma(x[static_cast<size_t>(i * g.in_channels + c / out_per_group * per_group + k)],
                           w[static_cast<size_t>((c * g.kernel.count() + t) * per_group + k)], sum);
          }
        }
      });
      const auto packed = pack_float_for(row, {.values = w,
                                               .bias = bias,
                                               .groups = g.groups,
                                               .out_channels = g.out_channels,
                                               .in_per_group = per_group,
                                               .kernel = g.kernel,
                                               .transposed = TransposedSteps{g.stride, g.dilation}});
      ASSERT_NE(packed, nullptr);
      std::vector<float> got(expected.size());
      ASSERT_EQ(fconv_transposed(*packed, x, got, g, -INFINITY, INFINITY), Status::kOk);
      EXPECT_EQ(got, expected) << isa_name(row.isa) << " geometry " << &g - kGeometries;
    }
  }
}

}  // namespace
}  // namespace int8::test
