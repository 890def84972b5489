// float32 to codes and back, codes to codes, tables.
#include <limits>

#include "addon.h"
#include "codes.h"
#include "geometry.h"
#include "int8/elementwise.h"

namespace binding {
namespace {

using int8::CodesIn;
using int8::CodesOut;

constexpr CodeRange kInt32Range{std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()};

// quantize(x, y, outer, channels, inner, scales, zeroPoints, qmin, qmax, divide)
auto quantize(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto count = static_cast<int64_t>(x.size());
  const bool wide = args.type_of(1, "y") == napi_int32_array;
  std::span<int32_t> words;
  CodesOut codes;
  if (wide) {
    words = args.out<int32_t>(1, "y", count, Overlap::kInPlace);
  } else {
    codes = args.codes_out(1, "y", count, Overlap::kNone);
  }
  const CodeRange range = wide ? kInt32Range : range_of(codes.type);
  int8::QuantizeParams p;
  p.split = read_split(args, 2, count);
  p.scales = args.in<float>(5, "scales", p.split.channels);
  p.zero_points = read_zero_points(args, 6, p.split.channels, range);
  p.qmin = static_cast<int32_t>(args.integer(7, "qmin", range.lo, range.hi));
  p.qmax = static_cast<int32_t>(args.integer(8, "qmax", p.qmin, range.hi));
  p.divide = args.flag(9, "divide");
  return [=] {
    if (wide) {
      int8::quantize_s32(x, words, p);
    } else {
      int8::quantize(x, codes, p);
    }
  };
}

// quantizeBy(x, y, params)
auto quantize_by(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<uint8_t>(1, "y", static_cast<int64_t>(x.size()), Overlap::kNone);
  const auto params = args.in<float>(2, "params", 2).first<2>();
  return [=] { int8::quantize_by(x, y, params); };
}

// dynamicRescale(x, y, params, sums, scales, bias, rows, channels, lo, hi)
auto dynamic_rescale(Args& args) {
  const int64_t rows = args.integer(6, "rows", 0, kMaxInteger);
  const int64_t channels = args.integer(7, "channels", 1, kMaxInteger);
  const int64_t count = count_of(args, "rows", {rows, channels});
  const auto x = args.in<int32_t>(0, "x", count);
  const auto y = args.out<float>(1, "y", count, Overlap::kInPlace);
  const auto params = args.in<float>(2, "params", 2).first<2>();
  int8::DynamicRescale p;
  p.sums = args.in<int32_t>(3, "sums", channels);
  p.scales = args.in<float>(4, "scales", channels);
  p.bias = args.in_or_null<float>(5, "bias", channels);
  p.lo = args.real(8, "lo");
  p.hi = args.real(9, "hi");
  return [=] { int8::dynamic_rescale(x, y, rows, channels, params, p); };
}

// dequantize(x, y, outer, channels, inner, scales, zeroPoints)
auto dequantize(Args& args) {
  const bool wide = args.type_of(0, "x") == napi_int32_array;
  std::span<const int32_t> words;
  CodesIn codes;
  if (wide) {
    words = args.in<int32_t>(0, "x");
  } else {
    codes = args.codes(0, "x");
  }
  const auto count = static_cast<int64_t>(wide ? words.size() : codes.bytes.size());
  const auto y = args.out<float>(1, "y", count, wide ? Overlap::kInPlace : Overlap::kNone);
  int8::DequantizeParams p;
  p.split = read_split(args, 2, count);
  p.scales = args.in<float>(5, "scales", p.split.channels);
  p.zero_points = read_zero_points(args, 6, p.split.channels, wide ? kInt32Range : range_of(codes.type));
  return [=] {
    if (wide) {
      int8::dequantize_s32(words, y, p);
    } else {
      int8::dequantize(codes, y, p);
    }
  };
}

// requantize(x, y, xZeroPoint, yZeroPoint, multiplier, lo, hi)
auto requantize(Args& args) {
  const CodesIn x = args.codes(0, "x");
  const CodesOut y = args.codes_out(1, "y", static_cast<int64_t>(x.bytes.size()), Overlap::kInPlace);
  int8::RequantizeParams p;
  p.x_zero_point = read_zero_point(args, 2, "xZeroPoint", x.type);
  p.y_zero_point = read_zero_point(args, 3, "yZeroPoint", y.type);
  p.multiplier = args.finite(4, "multiplier");
  const CodeRange bounds = read_bounds(args, 5, range_of(y.type));
  p.lo = bounds.lo;
  p.hi = bounds.hi;
  return [=] { int8::requantize(x, y, p); };
}

// qclamp(x, y, lo, hi)
auto qclamp(Args& args) {
  const CodesIn x = args.codes(0, "x");
  const CodesOut y = args.codes_out(1, "y", static_cast<int64_t>(x.bytes.size()), Overlap::kInPlace, x.type);
  const CodeRange bounds = read_bounds(args, 2, range_of(x.type));
  return [=] { int8::qclamp(x, y, bounds.lo, bounds.hi); };
}

// lookup(x, y, table)
auto lookup(Args& args) {
  const CodesIn x = args.codes(0, "x");
  const CodesOut y = args.codes_out(1, "y", static_cast<int64_t>(x.bytes.size()), Overlap::kInPlace);
  const auto table = args.in<uint8_t>(2, "table", 256);
  return [=] { int8::lookup(x.bytes, y.bytes, table.first<256>()); };
}

}  // namespace

void add_quantize(Registry& registry) {
  registry.kernel<quantize>("quantize", "quantizeAsync");
  registry.kernel<quantize_by>("quantizeBy", "quantizeByAsync");
  registry.kernel<dynamic_rescale>("dynamicRescale", "dynamicRescaleAsync");
  registry.kernel<dequantize>("dequantize", "dequantizeAsync");
  registry.kernel<requantize>("requantize", "requantizeAsync");
  registry.kernel<qclamp>("qclamp", "qclampAsync");
  registry.kernel<lookup>("lookup", "lookupAsync");
}

}  // namespace binding
