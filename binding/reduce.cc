// Reductions over rows.
#include "int8/reduce.h"

#include <algorithm>

#include "addon.h"
#include "codes.h"
#include "geometry.h"

namespace binding {
namespace {

// softmax(x, y, rows, length)
auto softmax(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  const int64_t length = args.integer(3, "length", 1, kMaxInteger);
  const int64_t count = count_of(args, "rows", {rows, length});
  const auto x = args.in<float>(0, "x", count);
  const auto y = args.out<float>(1, "y", count, Overlap::kNone);
  return [=] { int8::softmax(x, y, rows, length); };
}

// qsoftmax(x, y, rows, length, table, scale, zeroPoint, lo, hi)
auto qsoftmax(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  // Sums of so many terms of at most 2^23 stay below 2^54.
  const int64_t length = args.integer(3, "length", 1, kMaxDim);
  const int64_t count = count_of(args, "rows", {rows, length});
  const int8::CodesIn x = args.codes(0, "x", count);
  const int8::CodesOut y = args.codes_out(1, "y", count, Overlap::kNone);
  int8::SoftmaxCodes p;
  p.table = args.in<int32_t>(4, "table", 256);
  constexpr int32_t kOne = 1 << 23;
  if (p.table[0] != kOne || std::ranges::any_of(p.table, [](int32_t t) { return t < 0 || t > kOne; })) {
    args.fail_range("table", "must begin with 2^23 and hold nothing below 0 or above that");
  }
  p.scale = args.finite(5, "scale");
  if (!(p.scale >= 0x1p-126f)) args.fail_range("scale", "must be a normal float32 above 0");
  p.zero_point = read_zero_point(args, 6, "zeroPoint", y.type);
  const CodeRange bounds = read_bounds(args, 7, range_of(y.type));
  p.lo = bounds.lo;
  p.hi = bounds.hi;
  return [=] { int8::softmax_codes(x, y, rows, length, p); };
}

// freduce(x, y, rows, length, op); op is the position in the list that src/backend/encode.ts has
auto freduce(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  const int64_t length = args.integer(3, "length", 1, kMaxInteger);
  const auto x = args.in<float>(0, "x", count_of(args, "rows", {rows, length}));
  const auto y = args.out<float>(1, "y", rows, Overlap::kNone);
  const auto op = static_cast<int8::Reduce>(args.integer(4, "op", 0, static_cast<int64_t>(int8::Reduce::kProd)));
  return [=] { int8::freduce(op, x, y, rows, length); };
}

// layerNorm(x, y, rows, length, scale, bias, epsilon); bias may be null
auto layer_norm(Args& args) {
  const int64_t rows = args.integer(2, "rows", 0, kMaxInteger);
  const int64_t length = args.integer(3, "length", 1, kMaxInteger);
  const int64_t count = count_of(args, "rows", {rows, length});
  const auto x = args.in<float>(0, "x", count);
  int8::LayerNorm norm;
  norm.scale = args.in<float>(4, "scale", length);
  norm.bias = args.in_or_null<float>(5, "bias", length);
  norm.epsilon = args.finite(6, "epsilon");
  const auto y = args.out<float>(1, "y", count, Overlap::kNone);
  return [=] { int8::layer_norm(x, y, rows, length, norm); };
}

// minMax(x, y)
auto min_max(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<float>(1, "y", 2, Overlap::kNone);
  return [=] {
    const int8::MinMax found = int8::min_max(x);
    y[0] = found.min;
    y[1] = found.max;
  };
}

// dynamicParams(x, y)
auto dynamic_params(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<float>(1, "y", 2, Overlap::kNone);
  return [=] {
    const int8::ScaleAndZero found = int8::dynamic_params(x);
    y[0] = found.scale;
    y[1] = found.zero_point;
  };
}

}  // namespace

void add_reduce(Registry& registry) {
  registry.kernel<softmax>("softmax", "softmaxAsync");
  registry.kernel<qsoftmax>("qsoftmax", "qsoftmaxAsync");
  registry.kernel<freduce>("freduce", "freduceAsync");
  registry.kernel<layer_norm>("layerNorm", "layerNormAsync");
  registry.kernel<min_max>("minMax", "minMaxAsync");
  registry.kernel<dynamic_params>("dynamicParams", "dynamicParamsAsync");
}

}  // namespace binding
