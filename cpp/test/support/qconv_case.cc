#include "support/qconv_case.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "conv/depthwise_portable.h"
#include "conv/image.h"
#include "gemm/gemm_portable.h"

namespace int8::test {
namespace {

int32_t least(CodeType t) {
  return t == CodeType::kU8 ? 0 : -128;
}
int32_t value(uint8_t code, CodeType t) {
  return t == CodeType::kU8 ? code : static_cast<int8_t>(code);
}
CodeType y_type(OutputKind k) {
  return k == OutputKind::kS8 ? CodeType::kS8 : CodeType::kU8;
}

void fill_codes(Random& random, Codes codes, CodeType type, std::span<uint8_t> out) {
  random.fill(out);
  const int32_t middle = least(type) + 128;
  for (uint8_t& c : out) {
    switch (codes) {
      case Codes::kRandom:
        return;
      case Codes::kLowest:
        c = static_cast<uint8_t>(least(type));
        break;
      case Codes::kHighest:
        c = static_cast<uint8_t>(least(type) + 255);
        break;
      case Codes::kSevenBits:
        c = static_cast<uint8_t>(middle + c % 129 - 64);
        break;
      case Codes::kLowestSevenBits:
        c = static_cast<uint8_t>(middle - 64);
        break;
      case Codes::kHighestSevenBits:
        c = static_cast<uint8_t>(middle + 64);
        break;
    }
  }
}

// Everything that a run needs, made from the case's seed.
struct Operands {
  explicit Operands(const QConvCase& c, const ConvGeometry& g)
      : per_group(g.in_channels / g.groups),
        depth(g.kernel.count() * per_group),
        x(static_cast<size_t>(g.batch * g.input.count() * g.in_channels), 1, c.guard),
        w(static_cast<size_t>(g.out_channels * depth), 1, c.guard),
        w_zero_points(static_cast<size_t>(g.out_channels)),
        bias(static_cast<size_t>(g.out_channels)),
        multipliers(static_cast<size_t>(g.out_channels)),
        float_bias(c.float_bias ? static_cast<size_t>(g.out_channels) : 0) {
    Random random(c.seed * 1000003 + seed());
    fill_codes(random, c.x_codes, c.x_type, x.bytes());
    fill_codes(random, c.w_codes, c.w_type, w.bytes());
    for (size_t o = 0; o < bias.size(); o++) {
      w_zero_points[o] = c.w_zero_points == ZeroPoints::kZero ? 0
                         : c.w_zero_points == ZeroPoints::kSame
                             ? c.w_zero_point
                             : least(c.w_type) + static_cast<int32_t>(random.next() % 256);
      bias[o] = static_cast<int32_t>(random.between(-20000, 20000));
      const float spread =
          c.multiplier > 0 ? c.multiplier : 3.0f / (1.0f + std::sqrt(static_cast<float>(depth) + 1) * 73);
      multipliers[o] = spread * (0.5f + random.unit());
    }
    constexpr float kSpecials[] = {NAN, INFINITY, -INFINITY};
    for (size_t o = 0; o < float_bias.size(); o++) {
      float_bias[o] = c.special_bias && o % 3 == 0 ? kSpecials[o / 3 % 3] : (random.unit() - 0.5f) * 100;
    }
  }
  int64_t per_group;
  int64_t depth;
  Guarded x;
  Guarded w;
  std::vector<int32_t> w_zero_points;
  std::vector<int32_t> bias;
  std::vector<float> multipliers;
  std::vector<float> float_bias;

  QuantizedWeights weights(const QConvCase& c, const ConvGeometry& g) {
    return {.codes = w.bytes(),
            .type = c.w_type,
            .zero_points = w_zero_points,
            .groups = g.groups,
            .out_channels = g.out_channels,
            .in_per_group = per_group,
            .kernel = g.kernel};
  }
  QuantizedEpilogue epilogue(const QConvCase& c) const {
    const int32_t lo = least(y_type(c.output));
    return {.x_type = c.x_type,
            .x_zero_point = c.x_zero_point,
            .bias = bias,
            .output = c.output,
            .multipliers = multipliers,
            .y_zero_point = c.y_zero_point,
            .y_lo = c.narrow ? std::max(lo, c.y_zero_point) : lo,
            .y_hi = c.narrow ? lo + 199 : lo + 255,
            .float_bias = float_bias,
            .float_lo = c.narrow ? 0.0f : -INFINITY,
            .float_hi = c.narrow ? 60.0f : INFINITY};
  }
};

// numerics.md 4: every term in int64; the sum wraps to int32.
int32_t accumulate(const QConvCase& c, const ConvGeometry& g, Operands& o, int64_t n, const Dims3& at,
                   int64_t channel) {
  const int64_t group = channel / (g.out_channels / g.groups);
  int64_t acc = o.bias[static_cast<size_t>(channel)];
  const uint8_t* w = o.w.bytes().data() + channel * o.depth;
  const int32_t zw = o.w_zero_points[static_cast<size_t>(channel)];
  for (int64_t kd = 0; kd < g.kernel.d; kd++) {
    for (int64_t kh = 0; kh < g.kernel.h; kh++) {
      for (int64_t kw = 0; kw < g.kernel.w; kw++, w += o.per_group) {
        const int64_t d = at.d * g.stride.d - g.padding.d + kd * g.dilation.d;
        const int64_t h = at.h * g.stride.h - g.padding.h + kh * g.dilation.h;
        const int64_t v = at.w * g.stride.w - g.padding.w + kw * g.dilation.w;
        if (d < 0 || h < 0 || v < 0 || d >= g.input.d || h >= g.input.h || v >= g.input.w) continue;
        const uint8_t* x = o.x.bytes().data() +
                           (((n * g.input.d + d) * g.input.h + h) * g.input.w + v) * g.in_channels +
                           group * o.per_group;
        for (int64_t i = 0; i < o.per_group; i++) {
          acc += int64_t{value(x[i], c.x_type) - c.x_zero_point} * (value(w[i], c.w_type) - zw);
        }
      }
    }
  }
  return static_cast<int32_t>(acc);
}

// numerics.md 5
void finish(const QConvCase& c, const Operands& o, const QuantizedEpilogue& e, int32_t acc, int64_t channel,
            uint8_t* y) {
  const float m = o.multipliers[static_cast<size_t>(channel)];
  const float scaled = static_cast<float>(acc) * m;
  if (c.output == OutputKind::kS32) {
    std::memcpy(y, &acc, 4);
  } else if (c.output == OutputKind::kF32) {
    float v = o.float_bias.empty() ? scaled : scaled + o.float_bias[static_cast<size_t>(channel)];
    if (!std::isnan(v)) v = std::fmin(std::fmax(v, e.float_lo), e.float_hi);
    if (v == 0) v = 0.0f;
    std::memcpy(y, &v, 4);
  } else {
    const float v = std::fmin(std::fmax(scaled, static_cast<float>(e.y_lo - e.y_zero_point)),
                              static_cast<float>(e.y_hi - e.y_zero_point));
    *y = static_cast<uint8_t>(e.y_zero_point + static_cast<int32_t>(std::nearbyint(v)));
  }
}

std::vector<uint8_t> reference(const QConvCase& c, const ConvGeometry& g, Operands& o) {
  const int64_t element = element_size(c.output);
  std::vector<uint8_t> y(static_cast<size_t>(g.batch * g.output.count() * g.out_channels * element));
  const QuantizedEpilogue e = o.epilogue(c);
  uint8_t* out = y.data();
  for (int64_t n = 0; n < g.batch; n++) {
    for (int64_t p = 0; p < g.output.count(); p++) {
      const Dims3 at{p / (g.output.h * g.output.w), p / g.output.w % g.output.h, p % g.output.w};
      for (int64_t channel = 0; channel < g.out_channels; channel++, out += element) {
        finish(c, o, e, accumulate(c, g, o, n, at, channel), channel, out);
      }
    }
  }
  return y;
}

// The same weights, read from the image of what was packed. The codes are not there.
std::shared_ptr<const PackedQuantized> through_image(QuantizedWeights weights, const PackedQuantized& packed,
                                                     const Kernels& kernels) {
  const auto memory = std::make_shared<AlignedBuffer<uint8_t>>(static_cast<size_t>(image_size(packed)));
  write_image(packed, memory->span());
  weights.codes = {};
  return read_image_for(weights, kernels.gemm, kernels.depthwise, memory->span(), memory);
}

void run_op(const QConvCase& c, const ConvGeometry& g, const Kernels& kernels, Operands& o, std::span<uint8_t> y) {
  auto packed = pack_quantized_for(o.weights(c, g), kernels.gemm, kernels.depthwise);
  ASSERT_NE(packed, nullptr);
  if (c.image) packed = through_image(o.weights(c, g), *packed, kernels);
  ASSERT_NE(packed, nullptr);
  const auto bound = bind_quantized(packed, o.epilogue(c));
  ASSERT_NE(bound, nullptr);
  ASSERT_EQ(c.is_linear ? qlinear(*bound, o.x.bytes(), y, g.batch) : qconv(*bound, o.x.bytes(), y, g), Status::kOk);
}

template <int MR, int NR, int KR, int kQuantum>
Kernels odd(std::string name) {
  return {std::move(name), portable_gemm_row<MR, NR, KR, kQuantum>(), portable_depthwise_row<NR>()};
}

}  // namespace

const std::vector<Kernels>& all_kernels() {
  static const std::vector<Kernels> kernels = [] {
    std::vector<Kernels> list;
    for (const GemmRow& gemm : gemm_rows()) {
      if (isa_supported(gemm.isa)) {
        list.push_back({std::string(isa_name(gemm.isa)), gemm, select_row(depthwise_rows(), gemm.isa)});
      } else {
        std::printf("skipped: this CPU cannot run %s\n", std::string(isa_name(gemm.isa)).c_str());
      }
    }
    list.push_back(odd<1, 1, 1, 1>("tile1x1c1"));
    list.push_back(odd<3, 5, 2, 1>("tile3x5c2"));
    list.push_back(odd<4, 24, 8, 8>("tile4x24c8"));
    // However small a case is, it is shared among the threads that there are.
    for (Kernels& kernels : list) kernels.gemm.macs_per_ns = kernels.depthwise.macs_per_ns = 0;
    return list;
  }();
  return kernels;
}

ConvGeometry QConvCase::geometry() const {
  ConvGeometry r = g;
  const auto output = [](int64_t in, int64_t before, int64_t behind, int64_t k, int64_t s, int64_t d) {
    return (in + before + behind - ((k - 1) * d + 1)) / s + 1;
  };
  r.output = {output(g.input.d, g.padding.d, after.d, g.kernel.d, g.stride.d, g.dilation.d),
              output(g.input.h, g.padding.h, after.h, g.kernel.h, g.stride.h, g.dilation.h),
              output(g.input.w, g.padding.w, after.w, g.kernel.w, g.stride.w, g.dilation.w)};
  return r;
}

std::string QConvCase::describe() const {
  std::ostringstream s;
  const auto dims = [&s](const char* name, const Dims3& d) {
    s << ' ' << name << ' ' << d.d << 'x' << d.h << 'x' << d.w;
  };
  s << (is_linear ? "linear" : "conv") << " n" << g.batch << ' ' << g.in_channels << "->" << g.out_channels << " g"
    << g.groups;
  dims("in", g.input);
  dims("kernel", g.kernel);
  dims("stride", g.stride);
  dims("dilation", g.dilation);
  dims("pad", g.padding);
  s << " types " << static_cast<int>(x_type) << static_cast<int>(w_type) << static_cast<int>(output) << " zx "
    << x_zero_point << " zy " << y_zero_point << " zw " << static_cast<int>(w_zero_points) << ':' << w_zero_point
    << " seed " << seed << '+' << test::seed();
  return s.str();
}

void QConvCase::check(const Kernels& kernels) const {
  SCOPED_TRACE(kernels.name + ": " + describe());
  const ConvGeometry geo = geometry();
  ASSERT_GT(geo.output.count(), 0);
  Operands o(*this, geo);
  const std::vector<uint8_t> expected = reference(*this, geo, o);
  const auto element = static_cast<size_t>(element_size(output));
  Guarded y(expected.size(), element, guard);
  run_op(*this, geo, kernels, o, y.bytes());
  EXPECT_TRUE(y.untouched()) << "bytes around y were written";
  EXPECT_TRUE(o.x.untouched());
  for (size_t i = 0; i < expected.size(); i += element) {
    if (std::memcmp(&expected[i], &y.bytes()[i], element) == 0) continue;
    int32_t want = expected[i];
    int32_t got = y.bytes()[i];
    if (element == 4) {
      std::memcpy(&want, &expected[i], 4);
      std::memcpy(&got, &y.bytes()[i], 4);
    }
    const auto channels = static_cast<size_t>(geo.out_channels);
    FAIL() << "element " << i / element << " (pixel " << i / element / channels << ", channel "
           << i / element % channels << "): " << got << ", should be " << want;
  }
}

std::vector<uint8_t> QConvCase::run(const Kernels& kernels) const {
  const ConvGeometry geo = geometry();
  Operands o(*this, geo);
  std::vector<uint8_t> y(static_cast<size_t>(geo.batch * geo.output.count() * geo.out_channels * element_size(output)));
  run_op(*this, geo, kernels, o, y);
  return y;
}

}  // namespace int8::test
