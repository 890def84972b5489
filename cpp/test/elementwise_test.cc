// Protects the elementwise kernels: every instruction set gives the portable bytes, for every tail, alignment, value
// and number of threads; the portable ones give what numerics.md says.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "core/cpu_features.h"
#include "elementwise/kernels.h"
#include "elementwise/math.h"
#include "int8/thread_pool.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

const ElementwiseRow& portable() {
  return elementwise_rows().back();
}

class ElementwiseRows : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam())) GTEST_SKIP() << "this CPU lacks " << isa_name(GetParam());
  }
  const ElementwiseRow& row() { return select_row(elementwise_rows(), GetParam()); }
  Random random{1};
};

std::vector<Isa> row_isas() {
  std::vector<Isa> isas;
  for (const auto& row : elementwise_rows()) isas.push_back(row.isa);
  return isas;
}
INSTANTIATE_TEST_SUITE_P(Isas, ElementwiseRows, ::testing::ValuesIn(row_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

std::vector<Unary> unary_ops() {
  std::vector<Unary> ops;
  for (int op = 0; op <= static_cast<int>(Unary::kSelu); op++) ops.push_back(static_cast<Unary>(op));
  return ops;
}

// Runs one kernel of both rows over guarded buffers: fn(row, x, y).
template <class X, class Y, class Fn>
void expect_equal(const ElementwiseRow& row, const std::vector<X>& x, Fn fn) {
  const GuardedBuffer<X> gx(x);
  GuardedBuffer<Y> got(x.size()), want(x.size());
  fn(row, gx.data(), got.data());
  fn(portable(), gx.data(), want.data());
  EXPECT_TRUE(same(got.values(), want.values()));
  EXPECT_TRUE(got.front_untouched());
}

struct Grid {
  int32_t qmin, qmax, zero_point;
};
const Grid kGrids[] = {{0, 255, 0},    {0, 255, 255}, {0, 255, 127}, {-128, 127, -128},
                       {-128, 127, 0}, {0, 127, 64},  {-127, 127, 3}};

TEST_P(ElementwiseRows, QuantizeGivesThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    for (const Grid& g : kGrids) {
      for (const bool divide : {false, true}) {
        const auto x = hostile_floats(random, n);
        for (const float scale : {0.1f, 1.0f, 0.0748f, 1.17549435e-38f, 3e38f}) {
          expect_equal<float, uint8_t>(row(), x, [&](const ElementwiseRow& r, const float* px, uint8_t* py) {
            r.quantize->quantize(px, py, n, {{&scale, &g.zero_point, false}, g.qmin, g.qmax, divide});
          });
        }
        GuardedBuffer<float> scales(random_floats(random, n));
        GuardedBuffer<int32_t> zps(static_cast<size_t>(n));
        for (auto& s : scales.span()) s = std::fabs(s) + 0.01f;
        for (auto& z : zps.span())
          z = g.qmin + static_cast<int32_t>(random() % static_cast<uint32_t>(g.qmax - g.qmin + 1));
        expect_equal<float, uint8_t>(row(), x, [&](const ElementwiseRow& r, const float* px, uint8_t* py) {
          r.quantize->quantize(px, py, n, {{scales.data(), zps.data(), true}, g.qmin, g.qmax, divide});
        });
      }
    }
  }
}

TEST_P(ElementwiseRows, QuantizeToInt32GivesThePortableBytes) {
  const int32_t zps[] = {0, 1, -1, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), 12345};
  const int32_t bounds[][2] = {{INT32_MIN, INT32_MAX}, {-1000, INT32_MAX}, {INT32_MIN, 7}};
  for (const int64_t n : tail_lengths()) {
    for (const int32_t zp : zps) {
      for (const auto& [qmin, qmax] : bounds) {
        const auto x = hostile_floats(random, n);
        const float scale = 0.37f;
        for (const bool divide : {false, true}) {
          expect_equal<float, int32_t>(
              row(), x, [&, lo = qmin, hi = qmax](const ElementwiseRow& r, const float* px, int32_t* py) {
                r.quantize->quantize_s32(px, py, n, {{&scale, &zp, false}, lo, hi, divide});
              });
        }
      }
    }
    GuardedBuffer<float> scales(static_cast<size_t>(n));
    GuardedBuffer<int32_t> points(static_cast<size_t>(n));
    for (auto& s : scales.span())
      s = std::ldexp(1.0f + static_cast<float>(random() % 100) / 100, static_cast<int>(random() % 60) - 30);
    for (auto& z : points.span()) z = static_cast<int32_t>(random());
    expect_equal<float, int32_t>(
        row(), hostile_floats(random, n), [&](const ElementwiseRow& r, const float* px, int32_t* py) {
          r.quantize->quantize_s32(px, py, n, {{scales.data(), points.data(), true}, INT32_MIN, INT32_MAX, false});
        });
  }
}

TEST_P(ElementwiseRows, RescaleGivesThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    std::vector<int32_t> x(static_cast<size_t>(n)), sums(static_cast<size_t>(n));
    for (auto& v : x) v = static_cast<int32_t>(random());
    for (auto& v : sums) v = static_cast<int32_t>(random());
    const GuardedBuffer<int32_t> guarded_sums(sums);
    const GuardedBuffer<float> scales(random_floats(random, n)), bias(hostile_floats(random, n));
    for (const bool with_bias : {false, true}) {
      for (const float scale : {0.01f, -0.0f, std::numeric_limits<float>::quiet_NaN()}) {
        const RescaleRun run{.sums = guarded_sums.data(),
                             .scales = scales.data(),
                             .bias = with_bias ? bias.data() : nullptr,
                             .zero_point = 255,
                             .scale = scale,
                             .lo = with_bias ? 0.0f : -std::numeric_limits<float>::infinity(),
                             .hi = std::numeric_limits<float>::infinity()};
        expect_equal<int32_t, float>(row(), x, [&](const ElementwiseRow& r, const int32_t* px, float* py) {
          r.quantize->rescale(px, py, n, run);
        });
      }
    }
  }
}

TEST_P(ElementwiseRows, DequantizeGivesThePortableBytes) {
  for (const int64_t n : tail_lengths()) {
    GuardedBuffer<float> scales(static_cast<size_t>(n));
    GuardedBuffer<int32_t> points(static_cast<size_t>(n)), wide(static_cast<size_t>(n));
    for (auto& s : scales.span()) s = std::ldexp(1.3f, static_cast<int>(random() % 200) - 100);
    for (auto& z : points.span()) z = static_cast<int32_t>(random() % 256);
    for (auto& z : wide.span()) z = static_cast<int32_t>(random());
    std::vector<int32_t> codes(static_cast<size_t>(n));
    for (auto& c : codes) c = static_cast<int32_t>(random());
    for (const bool varying : {false, true}) {
      if (n == 0 && !varying) continue;
      for (const CodeType type : {CodeType::kU8, CodeType::kS8}) {
        expect_equal<uint8_t, float>(row(), random_codes(random, n),
                                     [&](const ElementwiseRow& r, const uint8_t* px, float* py) {
                                       r.quantize->dequantize(px, type, py, n, {scales.data(), points.data(), varying});
                                     });
      }
      expect_equal<int32_t, float>(row(), codes, [&](const ElementwiseRow& r, const int32_t* px, float* py) {
        r.quantize->dequantize_s32(px, py, n, {scales.data(), wide.data(), varying});
      });
    }
  }
}

TEST_P(ElementwiseRows, CodesToCodesGiveThePortableBytes) {
  std::vector<uint8_t> table = random_codes(random, 256);
  for (const int64_t n : tail_lengths()) {
    for (const CodeType type : {CodeType::kU8, CodeType::kS8}) {
      const int32_t shift = type == CodeType::kU8 ? 0 : -128;
      for (const float multiplier : {0.0f, 0.5f, 1.0f, 0.0123f, 3.7f, 1e30f, 1e-30f}) {
        const RequantizeParams p{shift + 3, shift + 130, multiplier, shift + 2, shift + 250};
        expect_equal<uint8_t, uint8_t>(
            row(), random_codes(random, n),
            [&](const ElementwiseRow& r, const uint8_t* px, uint8_t* py) { r.codes->requantize(px, type, py, n, p); });
        const GuardedBuffer<uint8_t> b(random_codes(random, std::max<int64_t>(n, 1)));
        const QAddParams add{shift + 128, shift + 7, shift + 100, multiplier, 0.77f, shift, shift + 255};
        const QMulParams mul{shift + 128, shift + 7, shift + 100, multiplier * 0.01f, shift + 100, shift + 255};
        for (const int64_t step : {0, 1}) {
          expect_equal<uint8_t, uint8_t>(row(), random_codes(random, n),
                                         [&](const ElementwiseRow& r, const uint8_t* px, uint8_t* py) {
                                           r.codes->qadd({px, 1}, {b.data(), step}, type, py, n, add);
                                         });
          expect_equal<uint8_t, uint8_t>(row(), random_codes(random, n),
                                         [&](const ElementwiseRow& r, const uint8_t* px, uint8_t* py) {
                                           r.codes->qmul({b.data(), step}, {px, 1}, type, py, n, mul);
                                         });
        }
      }
      expect_equal<uint8_t, uint8_t>(row(), random_codes(random, n),
                                     [&](const ElementwiseRow& r, const uint8_t* px, uint8_t* py) {
                                       r.codes->qclamp(px, type, py, n, shift + 20, shift + 200);
                                     });
    }
    expect_equal<uint8_t, uint8_t>(
        row(), random_codes(random, n),
        [&](const ElementwiseRow& r, const uint8_t* px, uint8_t* py) { r.codes->lookup(px, py, n, table.data()); });
  }
}

TEST_P(ElementwiseRows, FloatKernelsGiveThePortableBytes) {
  const float inf = std::numeric_limits<float>::infinity();
  const float bounds[][2] = {{0.0f, 6.0f}, {0.0f, inf},   {-0.0f, inf}, {-inf, -0.0f},
                             {-inf, 0.0f}, {-1.0f, 1.0f}, {-inf, inf},  {0.0f, -0.0f}};
  for (const int64_t n : tail_lengths()) {
    const auto x = hostile_floats(random, n);
    for (const auto& [lo, hi] : bounds) {
      expect_equal<float, float>(row(), x,
                                 [&, low = lo, high = hi](const ElementwiseRow& r, const float* px, float* py) {
                                   r.floats->fclamp(px, py, n, low, high);
                                 });
    }
    for (const Unary op : unary_ops()) {
      expect_equal<float, float>(row(), x, [&](const ElementwiseRow& r, const float* px, float* py) {
        r.floats->funary(op, px, py, n, 0.01f, 0.5f);
      });
    }
    const GuardedBuffer<float> b(hostile_floats(random, std::max<int64_t>(n, 1)));
    const GuardedBuffer<float> c(hostile_floats(random, std::max<int64_t>(n, 1)));
    for (const int64_t step : {0, 1}) {
      for (const Binary op :
           {Binary::kAdd, Binary::kSub, Binary::kMul, Binary::kDiv, Binary::kMin, Binary::kMax, Binary::kPow}) {
        expect_equal<float, float>(row(), x, [&](const ElementwiseRow& r, const float* px, float* py) {
          r.floats->fbinary(op, {px, 1}, {b.data(), step}, py, n);
        });
        expect_equal<float, float>(row(), x, [&](const ElementwiseRow& r, const float* px, float* py) {
          r.floats->fbinary(op, {b.data(), step}, {px, 1}, py, n);
        });
      }
      expect_equal<float, float>(row(), x, [&](const ElementwiseRow& r, const float* px, float* py) {
        r.floats->faffine(px, py, n, {b.data(), step}, {c.data(), step});
      });
    }
  }
}

TEST_P(ElementwiseRows, PolynomialsGiveThePortableBytesOverAllExponents) {
  std::vector<float> x;
  for (uint32_t high = 0; high < 512; ++high) {
    for (uint32_t m = 0; m < 256; ++m)
      x.push_back(std::bit_cast<float>((high << 23) | ((m * 32767 + high) & 0x7fffff)));
  }
  for (float v = -105; v < 90; v += 0.0007f) x.push_back(v);
  const auto n = static_cast<int64_t>(x.size());
  for (const Unary op : unary_ops()) {
    expect_equal<float, float>(row(), x, [&](const ElementwiseRow& r, const float* px, float* py) {
      r.floats->funary(op, px, py, n, 1.5f, 0.5f);
    });
  }
}

// Distance to the true value in units of its last place.
double ulps(float got, double want) {
  const auto rounded = static_cast<float>(want);
  if (std::isinf(rounded)) return got == rounded ? 0 : 1e9;
  const int exponent = std::max(want == 0 ? -126 : std::ilogb(want), -126);
  return std::fabs(got - want) / std::ldexp(1.0, exponent - 23);
}

TEST(ElementwiseMath, ExpSigmoidAndTanhAreWithinTwoUlpOfTheTrueValue) {
  double worst[3] = {};
  auto check = [&](float x) {
    worst[0] = std::max(worst[0], ulps(exp_float(x), std::exp(double{x})));
    worst[1] = std::max(worst[1], ulps(sigmoid_float(x), 1 / (1 + std::exp(-double{x}))));
    worst[2] = std::max(worst[2], ulps(tanh_float(x), std::tanh(double{x})));
  };
  for (uint32_t bits = 0; bits < 0xff800000u; bits += 4099) {
    if ((bits & 0x7f800000u) != 0x7f800000u) check(std::bit_cast<float>(bits));
  }
  for (float x = -106; x < 92; x += 0.0001f) check(x);
  for (const double w : worst) EXPECT_LE(w, 2.0);
}

TEST(ElementwiseMath, FunctionsInFloat64AreWithinOneUlpOfTheTrueValue) {
  using Real = long double;
  const Real root2 = std::sqrt(Real{2}), u = std::sqrt(2 / std::acos(Real{-1}));
  const auto elu = [](Real x) { return x > 0 ? x : std::expm1(x); };
  const std::pair<Unary, std::function<Real(Real)>> functions[] = {
      {Unary::kLog, [](Real x) { return std::log(x); }},
      {Unary::kErf, [](Real x) { return std::erf(x); }},
      {Unary::kGelu, [&](Real x) { return x * std::erfc(-x / root2) / 2; }},
      {Unary::kGeluTanh, [&](Real x) { return x / (1 + std::exp(-2 * u * (x + 0.044715L * x * x * x))); }},
      {Unary::kSoftplus, [](Real x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }},
      {Unary::kElu, elu},
      {Unary::kSilu, [](Real x) { return x / (1 + std::exp(-x)); }},
      {Unary::kMish, [](Real x) { return x > 100 ? x : x * std::tanh(std::log1p(std::exp(x))); }},
      {Unary::kSelu, [&](Real x) { return elu(x); }},
  };
  for (const auto& [op, function] : functions) {
    double worst = 0;
    const auto check = [&, op = op, &function = function](float x) {
      if (op == Unary::kLog && x < 0) return;
      float y;
      elementwise_rows().back().floats->funary(op, &x, &y, 1, 1, 1);
      worst = std::max(worst, ulps(y, static_cast<double>(function(x))));
    };
    for (uint32_t bits = 0; bits < 0xff800000u; bits += 65537) {
      if ((bits & 0x7f800000u) != 0x7f800000u) check(std::bit_cast<float>(bits));
    }
    for (float x = -106; x < 92; x += 0.003f) check(x);
    EXPECT_LE(worst, 0.6) << static_cast<int>(op);
  }
}

TEST(ElementwiseMath, PowersAreWithinOneUlpOfTheTrueValue) {
  Random random(5);
  double worst = 0;
  for (int i = 0; i < 200000; i++) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(random()) & 0x7fffffffu);
    const float y = static_cast<float>(static_cast<int32_t>(random())) / (i % 2 == 0 ? 0x1p24f : 0x1p29f);
    if (!(x > 0) || std::isinf(x)) continue;
    float z;
    elementwise_rows().back().floats->fbinary(Binary::kPow, {&x, 1}, {&y, 1}, &z, 1);
    worst = std::max(worst, ulps(z, static_cast<double>(std::pow(static_cast<long double>(x), y))));
  }
  EXPECT_LE(worst, 0.6);
}

TEST(ElementwiseMath, FmaOnceIsStdFma) {
  Random random(7);
  for (int i = 0; i < 2000000; ++i) {
    float a = std::bit_cast<float>(static_cast<uint32_t>(random())),
          b = std::bit_cast<float>(static_cast<uint32_t>(random()));
    float c = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (i % 2 == 0) {  // near ties: short mantissas and close exponents
      a = std::ldexp(1.0f + static_cast<float>(random() & 0xfff) / 4096, static_cast<int>(random() % 8));
      b = std::ldexp(1.0f + static_cast<float>(random() & 0xfff) / 4096,
                     static_cast<int>(random() % 8) - 80 * (i % 4 == 0));
      c = std::ldexp(1.0f + static_cast<float>(random() & 0xff) / 8388608, static_cast<int>(random() % 80) - 40);
    }
    ASSERT_TRUE(same_bits(fma_once(a, b, c), std::fma(a, b, c))) << a << " " << b << " " << c;
  }
}

TEST(ElementwiseMath, MaximumAndMinimumOrderZerosAndKeepNaN) {
  EXPECT_FALSE(std::signbit(maximum(-0.0f, 0.0f)));
  EXPECT_FALSE(std::signbit(maximum(0.0f, -0.0f)));
  EXPECT_TRUE(std::signbit(minimum(-0.0f, 0.0f)));
  EXPECT_TRUE(std::signbit(minimum(0.0f, -0.0f)));
  EXPECT_TRUE(std::isnan(maximum(NAN, 1)) && std::isnan(minimum(1, NAN)));
}

}  // namespace
}  // namespace int8
