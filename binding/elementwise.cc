// Elementwise functions of one or two tensors, on codes and on float32.
#include "int8/elementwise.h"

#include <string>

#include "addon.h"
#include "codes.h"
#include "geometry.h"

namespace binding {
namespace {

using int8::CodesIn;
using int8::CodesOut;

// Operands a, b, y of a broadcast, at 0 to 3: a, b, y, broadcast. y may be an operand that is read in y's order.
struct CodeOperands {
  CodesIn a, b;
  CodesOut y;
  BroadcastAxes axes;
};
CodeOperands read_codes(Args& args) {
  CodeOperands o;
  o.axes = read_broadcast(args, 3);
  o.a = args.codes(0, "a");
  o.b = args.codes(1, "b");
  if (o.b.type != o.a.type) args.fail_type("b", "must have the type of a");
  const bool in_place = o.axes.is_dense(o.axes.a) && o.axes.is_dense(o.axes.b);
  o.y = args.codes_out(2, "y", o.axes.count, in_place ? Overlap::kInPlace : Overlap::kNone, o.a.type);
  o.axes.check_inside(args, "a", o.axes.a, o.a.bytes.size());
  o.axes.check_inside(args, "b", o.axes.b, o.b.bytes.size());
  return o;
}

struct FloatOperands {
  std::span<const float> a, b;
  std::span<float> y;
  BroadcastAxes axes;
};
FloatOperands read_floats(Args& args) {
  FloatOperands o;
  o.axes = read_broadcast(args, 3);
  o.a = args.in<float>(0, "a");
  o.b = args.in<float>(1, "b");
  const bool in_place = o.axes.is_dense(o.axes.a) && o.axes.is_dense(o.axes.b);
  o.y = args.out<float>(2, "y", o.axes.count, in_place ? Overlap::kInPlace : Overlap::kNone);
  o.axes.check_inside(args, "a", o.axes.a, o.a.size());
  o.axes.check_inside(args, "b", o.axes.b, o.b.size());
  return o;
}

// qadd(a, b, y, broadcast, aZeroPoint, bZeroPoint, yZeroPoint, aMultiplier, bMultiplier, lo, hi)
auto qadd(Args& args) {
  const CodeOperands o = read_codes(args);
  int8::QAddParams p;
  p.a_zero_point = read_zero_point(args, 4, "aZeroPoint", o.a.type);
  p.b_zero_point = read_zero_point(args, 5, "bZeroPoint", o.b.type);
  p.y_zero_point = read_zero_point(args, 6, "yZeroPoint", o.y.type);
  p.a_multiplier = args.finite(7, "aMultiplier");
  p.b_multiplier = args.finite(8, "bMultiplier");
  const CodeRange bounds = read_bounds(args, 9, range_of(o.y.type));
  p.lo = bounds.lo;
  p.hi = bounds.hi;
  return [=] { int8::qadd(o.a, o.b, o.y, o.axes.view(), p); };
}

// qmul(a, b, y, broadcast, aZeroPoint, bZeroPoint, yZeroPoint, multiplier, lo, hi)
auto qmul(Args& args) {
  const CodeOperands o = read_codes(args);
  int8::QMulParams p;
  p.a_zero_point = read_zero_point(args, 4, "aZeroPoint", o.a.type);
  p.b_zero_point = read_zero_point(args, 5, "bZeroPoint", o.b.type);
  p.y_zero_point = read_zero_point(args, 6, "yZeroPoint", o.y.type);
  p.multiplier = args.finite(7, "multiplier");
  const CodeRange bounds = read_bounds(args, 8, range_of(o.y.type));
  p.lo = bounds.lo;
  p.hi = bounds.hi;
  return [=] { int8::qmul(o.a, o.b, o.y, o.axes.view(), p); };
}

// fbinary(a, b, y, broadcast, op); op is the position in the list that src/backend/encode.ts has
auto fbinary(Args& args) {
  const FloatOperands o = read_floats(args);
  const auto op = static_cast<int8::Binary>(args.integer(4, "op", 0, static_cast<int64_t>(int8::Binary::kPow)));
  return [=] { int8::fbinary(op, o.a, o.b, o.y, o.axes.view()); };
}

// fwhere(condition, a, b, y, [shape, conditionStrides, aStrides, bStrides])
auto fwhere(Args& args) {
  Numbers n(args, 4, "broadcast", std::nullopt);
  const size_t rank = n.size() / 4;
  if (rank < 1 || rank > 8 || n.size() % 4 != 0) {
    n.fail("must have 4 numbers per axis for 1 to 8 axes, but has " + std::to_string(n.size()));
  }
  BroadcastAxes axes;
  axes.shape = read_axes(n, "shape", rank, 0, kMaxInteger);
  const Axes condition_strides = read_axes(n, "conditionStrides", rank, 0, kMaxInteger);
  axes.a = read_axes(n, "aStrides", rank, 0, kMaxInteger);
  axes.b = read_axes(n, "bStrides", rank, 0, kMaxInteger);
  const auto count = product(axes.shape.span());
  if (!count) n.fail("describes more elements than memory can hold");
  axes.count = *count;
  const auto condition = args.in<uint8_t>(0, "condition");
  const auto a = args.in<float>(1, "a");
  const auto b = args.in<float>(2, "b");
  const auto y = args.out<float>(3, "y", axes.count, Overlap::kNone);
  axes.check_inside(args, "condition", condition_strides, condition.size());
  axes.check_inside(args, "a", axes.a, a.size());
  axes.check_inside(args, "b", axes.b, b.size());
  return [=] { int8::fwhere(condition, a, b, y, axes.view(), condition_strides.span()); };
}

// fclamp(x, y, lo, hi)
auto fclamp(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<float>(1, "y", static_cast<int64_t>(x.size()), Overlap::kInPlace);
  const float lo = args.real(2, "lo");
  const float hi = args.real(3, "hi");
  return [=] { int8::fclamp(x, y, lo, hi); };
}

// funary(x, y, op, alpha, beta); op is the position in the list that src/backend/encode.ts has
auto funary(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto y = args.out<float>(1, "y", static_cast<int64_t>(x.size()), Overlap::kInPlace);
  const auto op = static_cast<int8::Unary>(args.integer(2, "op", 0, static_cast<int64_t>(int8::Unary::kSelu)));
  const float alpha = args.finite(3, "alpha");
  const float beta = args.finite(4, "beta");
  return [=] { int8::funary(op, x, y, alpha, beta); };
}

// faffine(x, y, outer, channels, inner, scales, shifts)
auto faffine(Args& args) {
  const auto x = args.in<float>(0, "x");
  const auto count = static_cast<int64_t>(x.size());
  const auto y = args.out<float>(1, "y", count, Overlap::kInPlace);
  const int8::ChannelSplit split = read_split(args, 2, count);
  const auto scales = args.in<float>(5, "scales", split.channels);
  const auto shifts = args.in<float>(6, "shifts", split.channels);
  return [=] { int8::faffine(x, y, split, scales, shifts); };
}

}  // namespace

void add_elementwise(Registry& registry) {
  registry.kernel<qadd>("qadd", "qaddAsync");
  registry.kernel<qmul>("qmul", "qmulAsync");
  registry.kernel<fbinary>("fbinary", "fbinaryAsync");
  registry.kernel<fwhere>("fwhere", "fwhereAsync");
  registry.kernel<fclamp>("fclamp", "fclampAsync");
  registry.kernel<funary>("funary", "funaryAsync");
  registry.kernel<faffine>("faffine", "faffineAsync");
}

}  // namespace binding
