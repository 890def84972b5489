// Float convolution and linear: pack, run.
#include "int8/fconv.h"

#include "addon.h"
#include "geometry.h"

namespace binding {
namespace {

using int8::PackedFloat;

// packFloat(values, bias, [groups, outChannels, kernel, inPerGroup])
Made<PackedFloat> pack(Args& args) {
  Numbers n(args, 2, "weights", 6);
  int8::FloatWeights w;
  w.groups = n.next("groups", 1, kMaxDim);
  w.out_channels = n.next("outChannels", 1, kMaxDim);
  w.kernel = n.dims("kernel", 1);
  w.in_per_group = n.next("inPerGroup", 1, kMaxDim);
  if (w.out_channels % w.groups != 0) n.fail("has outChannels that groups does not divide");
  w.values = args.in<float>(
      0, "values", count_of(args, "weights", {w.out_channels, w.kernel.d, w.kernel.h, w.kernel.w, w.in_per_group}));
  w.bias = args.in_or_null<float>(1, "bias", w.out_channels);
  auto packed = int8::pack_float(w);
  const size_t bytes = packed == nullptr ? 0 : int8::facts(*packed).bytes;
  return {std::move(packed), bytes};
}

// fconv(op, x, y, geometry, lo, hi)
auto fconv(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::ConvGeometry g = read_conv(args, 3, int8::facts(*op));
  const auto x =
      args.in<float>(1, "x", count_of(args, "geometry", {g.batch, g.input.d, g.input.h, g.input.w, g.in_channels}));
  const auto y =
      args.out<float>(2, "y", count_of(args, "geometry", {g.batch, g.output.d, g.output.h, g.output.w, g.out_channels}),
                      Overlap::kNone);
  const float lo = args.real(4, "lo");
  const float hi = args.real(5, "hi");
  return [=, op = std::move(op)] { return int8::fconv(*op, x, y, g, lo, hi); };
}

// flinear(op, x, y, rows, lo, hi)
auto flinear(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::PackedFacts weights = int8::facts(*op);
  if (weights.groups != 1 || weights.kernel.count() != 1) {
    args.fail_type("op", "must have one group and a kernel of 1 x 1 x 1");
  }
  const int64_t rows = args.integer(3, "rows", 0, kMaxInteger);
  const auto x = args.in<float>(1, "x", count_of(args, "rows", {rows, weights.in_per_group}));
  const auto y = args.out<float>(2, "y", count_of(args, "rows", {rows, weights.out_channels}), Overlap::kNone);
  const float lo = args.real(4, "lo");
  const float hi = args.real(5, "hi");
  return [=, op = std::move(op)] { return int8::flinear(*op, x, y, rows, lo, hi); };
}

}  // namespace

void add_fconv(Registry& registry) {
  registry.maker<pack>("packFloat");
  registry.kernel<fconv>("fconv", "fconvAsync");
  registry.kernel<flinear>("flinear", "flinearAsync");
}

}  // namespace binding
