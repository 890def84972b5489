// Protects the drivers of the elementwise kernels: per-channel parameters in every split, broadcasting in every shape,
// for every instruction set and number of threads.
#include <gtest/gtest.h>

#include <functional>

#include "int8/elementwise.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"
#include "test/support/settings.h"

namespace int8 {
namespace {

const ChannelSplit kSplits[] = {{1, 1, 1},   {1, 1, 70001}, {3, 1, 40},    {2, 3, 50},    {1, 7, 20000}, {50, 3, 1},
                                {9, 1, 1},   {500, 16, 1},  {40000, 3, 1}, {3, 127, 1},   {3, 128, 1},   {30, 129, 1},
                                {2, 400, 1}, {100, 5, 3},   {0, 4, 3},     {300, 1000, 1}};

size_t size_of(const ChannelSplit& s) {
  return static_cast<size_t>(s.outer * s.channels * s.inner);
}
size_t channel_of(const ChannelSplit& s, size_t i) {
  return i / static_cast<size_t>(s.inner) % static_cast<size_t>(s.channels);
}

struct Parameters {
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
  Parameters(Random& random, int64_t channels) {
    for (int64_t c = 0; c < channels; ++c) {
      scales.push_back(0.01f + static_cast<float>(random() % 1000) / 1000);
      zero_points.push_back(static_cast<int32_t>(random() % 256));
    }
  }
};

TEST(ChannelSplits, QuantizeAndDequantizeTakeEachElementsOwnChannel) {
  Random random(1);
  for (const ChannelSplit& split : kSplits) {
    const Parameters p(random, split.channels);
    const GuardedBuffer<float> x(random_floats(random, static_cast<int64_t>(size_of(split)), 200));
    std::vector<uint8_t> codes;
    std::vector<int32_t> wide;
    std::vector<float> back, back_wide;
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t c = channel_of(split, i);
      const float v = x[i] * (1.0f / p.scales[c]);
      const auto q = static_cast<int32_t>(std::nearbyint(v)) + p.zero_points[c];
      codes.push_back(static_cast<uint8_t>(std::clamp(q, 0, 255)));
      wide.push_back(q);
      back.push_back(static_cast<float>(codes[i] - p.zero_points[c]) * p.scales[c]);
      back_wide.push_back(static_cast<float>(wide[i] - p.zero_points[c]) * p.scales[c]);
    }
    for_isas_and_threads([&] {
      GuardedBuffer<uint8_t> q(x.size());
      quantize(x.span(), {q.span(), CodeType::kU8}, {split, p.scales, p.zero_points, 0, 255, false});
      EXPECT_TRUE(same(q.values(), codes)) << split.outer << " " << split.channels << " " << split.inner;
      GuardedBuffer<int32_t> q32(x.size());
      quantize_s32(x.span(), q32.span(), {split, p.scales, p.zero_points, INT32_MIN, INT32_MAX, false});
      EXPECT_TRUE(same(q32.values(), wide));
      GuardedBuffer<float> y(x.size());
      dequantize({q.span(), CodeType::kU8}, y.span(), {split, p.scales, p.zero_points});
      EXPECT_TRUE(same(y.values(), back));
      dequantize_s32(q32.span(), y.span(), {split, p.scales, p.zero_points});
      EXPECT_TRUE(same(y.values(), back_wide));
    });
  }
}

TEST(ChannelSplits, AffineRoundsTwice) {
  Random random(2);
  for (const ChannelSplit& split : kSplits) {
    const auto scales = hostile_floats(random, split.channels), shifts = hostile_floats(random, split.channels);
    const GuardedBuffer<float> x(hostile_floats(random, static_cast<int64_t>(size_of(split))));
    std::vector<float> want;
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t c = channel_of(split, i);
      const float product = x[i] * scales[c];
      want.push_back(product + shifts[c]);
    }
    for_isas_and_threads([&] {
      GuardedBuffer<float> y(x.size());
      faffine(x.span(), y.span(), split, scales, shifts);
      EXPECT_TRUE(same(y.values(), want));
    });
  }
}

struct Shape {
  std::vector<int64_t> shape, a, b;
};
const Shape kShapes[] = {
    {{1}, {1}, {1}},
    {{1000}, {1}, {1}},
    {{200001}, {1}, {1}},
    {{300}, {1}, {0}},
    {{300}, {0}, {1}},
    {{5}, {0}, {0}},
    {{20, 33}, {33, 1}, {0, 1}},
    {{20, 33}, {33, 1}, {1, 0}},
    {{33, 20}, {20, 1}, {1, 33}},      // the other operand transposed
    {{300, 400}, {400, 1}, {1, 300}},  // rows longer than the buffer of strided rows
    {{4, 5, 6}, {0, 6, 1}, {1, 4, 0}},
    {{2, 3, 2, 3, 2, 3, 2, 3}, {0, 1, 0, 3, 0, 9, 0, 27}, {216, 72, 36, 12, 6, 2, 1, 0}},
    {{7, 0, 3}, {0, 3, 1}, {3, 3, 1}},
    {{50, 60}, {-60, -1}, {60, 1}},
};

// Offsets of a and b at each element of a shape.
void for_elements(const Shape& s, const std::function<void(int64_t, int64_t)>& fn) {
  int64_t size = 1;
  for (const int64_t n : s.shape) size *= n;
  for (int64_t i = 0; i < size; ++i) {
    int64_t rest = i, a = 0, b = 0;
    for (size_t d = s.shape.size(); d-- > 0;) {
      a += rest % s.shape[d] * s.a[d];
      b += rest % s.shape[d] * s.b[d];
      rest /= s.shape[d];
    }
    fn(a, b);
  }
}

// Elements that an operand with these strides needs, and where its first one lies.
std::pair<int64_t, int64_t> extent(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  int64_t before = 0, after = 0;
  for (size_t d = 0; d < shape.size(); ++d)
    (strides[d] < 0 ? before : after) += std::max<int64_t>(shape[d] - 1, 0) * strides[d];
  return {after - before + 1, -before};
}

TEST(Broadcasting, FloatSumsAndProductsReadTheRightElements) {
  Random random(3);
  for (const Shape& s : kShapes) {
    const auto [a_size, a_first] = extent(s.shape, s.a);
    const auto [b_size, b_first] = extent(s.shape, s.b);
    const GuardedBuffer<float> a(random_floats(random, a_size)), b(random_floats(random, b_size));
    std::vector<float> sums, products;
    for_elements(s, [&, first = a_first, second = b_first](int64_t i, int64_t j) {
      sums.push_back(a.data()[first + i] + b.data()[second + j]);
      products.push_back(a.data()[first + i] * b.data()[second + j]);
    });
    for_isas_and_threads([&, first = static_cast<size_t>(a_first), second = static_cast<size_t>(b_first)] {
      GuardedBuffer<float> y(sums.size());
      fbinary(Binary::kAdd, a.span().subspan(first), b.span().subspan(second), y.span(), {s.shape, s.a, s.b});
      EXPECT_TRUE(same(y.values(), sums));
      fbinary(Binary::kMul, a.span().subspan(first), b.span().subspan(second), y.span(), {s.shape, s.a, s.b});
      EXPECT_TRUE(same(y.values(), products));
      EXPECT_TRUE(y.front_untouched());
    });
  }
}

TEST(Broadcasting, QuantizedSumsAndProductsReadTheRightElements) {
  Random random(4);
  for (const Shape& s : kShapes) {
    const auto [a_size, a_first] = extent(s.shape, s.a);
    const auto [b_size, b_first] = extent(s.shape, s.b);
    const GuardedBuffer<uint8_t> a(random_codes(random, a_size)), b(random_codes(random, b_size));
    const QAddParams add{128, 7, 100, 0.5f, 0.3f, 90, 255};  // fused ReLU and clip: lo and hi
    const QMulParams mul{128, 7, 100, 0.01f, 0, 240};
    std::vector<uint8_t> sums, products;
    auto code = [](float v, int32_t lo, int32_t hi) {
      const float clamped = std::min(std::max(v, static_cast<float>(lo - 100)), static_cast<float>(hi - 100));
      return static_cast<uint8_t>(100 + std::lrint(clamped));
    };
    for_elements(s, [&, first = a_first, second = b_first](int64_t i, int64_t j) {
      const int32_t va = a.data()[first + i] - 128, vb = b.data()[second + j] - 7;
      const float fa = static_cast<float>(va) * 0.5f, fb = static_cast<float>(vb) * 0.3f;
      sums.push_back(code(fa + fb, 90, 255));
      products.push_back(code(static_cast<float>(va * vb) * 0.01f, 0, 240));
    });
    for_isas_and_threads([&, first = static_cast<size_t>(a_first), second = static_cast<size_t>(b_first)] {
      GuardedBuffer<uint8_t> y(sums.size());
      const CodesIn ca{a.span().subspan(first), CodeType::kU8}, cb{b.span().subspan(second), CodeType::kU8};
      qadd(ca, cb, {y.span(), CodeType::kU8}, {s.shape, s.a, s.b}, add);
      EXPECT_TRUE(same(y.values(), sums));
      qmul(ca, cb, {y.span(), CodeType::kU8}, {s.shape, s.a, s.b}, mul);
      EXPECT_TRUE(same(y.values(), products));
      EXPECT_TRUE(y.front_untouched());
    });
  }
}

TEST(Pieces, MapsWorkInPlaceOverManyPieces) {
  Random random(5);
  const auto codes = random_codes(random, 200003);
  const auto table = random_codes(random, 256);
  for_isas_and_threads([&] {
    GuardedBuffer<uint8_t> q(codes);
    lookup(q.span(), q.span(), std::span<const uint8_t, 256>(table));
    for (size_t i = 0; i < codes.size(); ++i) ASSERT_EQ(q[i], table[codes[i]]);
    qclamp({q.span(), CodeType::kS8}, {q.span(), CodeType::kS8}, -5, 9);
    for (const uint8_t c : q.span()) ASSERT_TRUE(static_cast<int8_t>(c) >= -5 && static_cast<int8_t>(c) <= 9);
    requantize({q.span(), CodeType::kS8}, {q.span(), CodeType::kU8}, {-5, 0, 2.0f, 0, 255});
    for (const uint8_t c : q.span()) ASSERT_TRUE(c <= 28 && c % 2 == 0);
    GuardedBuffer<float> x(std::vector<float>(70001, -3.0f));
    funary(Unary::kLeakyRelu, x.span(), x.span(), 0.5f, 0);
    fclamp(x.span(), x.span(), -1.0f, 6.0f);
    for (const float v : x.span()) ASSERT_EQ(v, -1.0f);
  });
}

}  // namespace
}  // namespace int8
