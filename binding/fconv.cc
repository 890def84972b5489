// Float convolution and linear: pack, run.
#include "int8/fconv.h"

#include "addon.h"
#include "geometry.h"

namespace binding {
namespace {

using int8::PackedFloat;

// packFloat(values, bias, weight sizes)
Made<PackedFloat> pack(Args& args) {
  const WeightSizes sizes = read_weight_sizes(args, 2);
  const int8::FloatWeights w{.values = args.in<float>(0, "values", sizes.count),
                             .bias = args.in_or_null<float>(1, "bias", sizes.out_channels),
                             .groups = sizes.groups,
                             .out_channels = sizes.out_channels,
                             .in_per_group = sizes.in_per_group,
                             .kernel = sizes.kernel,
                             .transposed = sizes.transposed};
  auto packed = int8::pack_float(w);
  const size_t bytes = packed == nullptr ? 0 : int8::facts(*packed).bytes;
  return {std::move(packed), bytes};
}

// Operands of both convolutions: (op, x, y, geometry, lo, hi).
template <auto kRead, auto kRun>
auto convolution(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::ConvGeometry g = kRead(args, 3, int8::facts(*op));
  const auto x =
      args.in<float>(1, "x", count_of(args, "geometry", {g.batch, g.input.d, g.input.h, g.input.w, g.in_channels}));
  const auto y =
      args.out<float>(2, "y", count_of(args, "geometry", {g.batch, g.output.d, g.output.h, g.output.w, g.out_channels}),
                      Overlap::kNone);
  const float lo = args.real(4, "lo");
  const float hi = args.real(5, "hi");
  return [=, op = std::move(op)] { return kRun(*op, x, y, g, lo, hi); };
}
auto fconv(Args& args) {
  return convolution<read_conv, int8::fconv>(args);
}
auto fconv_transposed(Args& args) {
  return convolution<read_transposed, int8::fconv_transposed>(args);
}

// flinear(op, x, y, rows, lo, hi)
auto flinear(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::PackedFacts weights = int8::facts(*op);
  if (weights.groups != 1 || weights.kernel.count() != 1 || weights.transposed) {
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
  registry.kernel<fconv_transposed>("fconvTransposed", "fconvTransposedAsync");
  registry.kernel<flinear>("flinear", "flinearAsync");
}

}  // namespace binding
