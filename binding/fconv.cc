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

int64_t input_count(Args& args, const int8::ConvGeometry& g) {
  return count_of(args, "geometry", {g.batch, g.input.d, g.input.h, g.input.w, g.in_channels});
}
int64_t output_count(Args& args, const int8::ConvGeometry& g) {
  return count_of(args, "geometry", {g.batch, g.output.d, g.output.h, g.output.w, g.out_channels});
}

// fconv(op, x, y, geometry, lo, hi, residual). residual: null, or as y.
auto fconv(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::ConvGeometry g = read_conv(args, 3, int8::facts(*op));
  const auto x = args.in<float>(1, "x", input_count(args, g));
  const auto residual = args.in_or_null<float>(6, "residual", output_count(args, g));
  const auto y = args.out<float>(2, "y", output_count(args, g), Overlap::kNone);
  const float lo = args.real(4, "lo");
  const float hi = args.real(5, "hi");
  return [=, op = std::move(op)] { return int8::fconv(*op, x, residual, y, g, lo, hi); };
}

// fconvTransposed(op, x, y, geometry, lo, hi)
auto fconv_transposed(Args& args) {
  auto op = args.object<PackedFloat>(0, "op");
  const int8::ConvGeometry g = read_transposed(args, 3, int8::facts(*op));
  const auto x = args.in<float>(1, "x", input_count(args, g));
  const auto y = args.out<float>(2, "y", output_count(args, g), Overlap::kNone);
  const float lo = args.real(4, "lo");
  const float hi = args.real(5, "hi");
  return [=, op = std::move(op)] { return int8::fconv_transposed(*op, x, y, g, lo, hi); };
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

// fmatmul(a, b, y, sizes, transposeB)
auto fmatmul(Args& args) {
  const Products p = read_products(args, 3);
  const auto a = args.in<float>(0, "a");
  const auto b = args.in<float>(1, "b");
  p.check_a(args, a.size());
  p.check_b(args, b.size());
  const auto y = args.out<float>(2, "y", p.y_count, Overlap::kNone);
  const int8::FloatMatmul m{.batch = p.batch,
                            .rows = p.rows,
                            .inner = p.inner,
                            .columns = p.columns,
                            .a_stride = p.a_stride,
                            .b_stride = p.b_stride,
                            .transpose_b = args.flag(4, "transposeB")};
  return [=] { return int8::fmatmul(a, b, y, m); };
}

}  // namespace

void add_fconv(Registry& registry) {
  registry.maker<pack>("packFloat");
  registry.kernel<fconv>("fconv", "fconvAsync");
  registry.kernel<fconv_transposed>("fconvTransposed", "fconvTransposedAsync");
  registry.kernel<flinear>("flinear", "flinearAsync");
  registry.kernel<fmatmul>("fmatmul", "fmatmulAsync");
}

}  // namespace binding
