// Quantized convolution and linear: pack, bind, run.
#include "int8/qconv.h"

#include <algorithm>

#include "addon.h"
#include "codes.h"
#include "geometry.h"

namespace binding {
namespace {

using int8::BoundQuantized;
using int8::CodesIn;
using int8::CodeType;
using int8::OutputKind;
using int8::PackedQuantized;

// packQuantized(codes, zeroPoints, weight sizes)
Made<PackedQuantized> pack(Args& args) {
  const WeightSizes sizes = read_weight_sizes(args, 2);
  const CodesIn codes = args.codes(0, "codes", sizes.count);
  const int8::QuantizedWeights w{.codes = codes.bytes,
                                 .type = codes.type,
                                 .zero_points = read_zero_points(args, 1, sizes.out_channels, range_of(codes.type)),
                                 .groups = sizes.groups,
                                 .out_channels = sizes.out_channels,
                                 .in_per_group = sizes.in_per_group,
                                 .kernel = sizes.kernel,
                                 .transposed = sizes.transposed};
  auto packed = int8::pack_quantized(w);
  const size_t bytes = packed == nullptr ? 0 : int8::facts(*packed).bytes;
  return {std::move(packed), bytes};
}

// bindQuantized(packed, bias, xType, xZeroPoint, outputKind, multipliers, floatBias, yZeroPoint, lo, hi)
// xType: 0 quint8, 1 qint8. outputKind: 0 quint8, 1 qint8, 2 int32, 3 float32. multipliers: null for int32. floatBias:
// null but for float32. yZeroPoint: for codes alone.
Made<BoundQuantized> bind(Args& args) {
  auto packed = args.object<PackedQuantized>(0, "packed");
  const int8::PackedFacts weights = int8::facts(*packed);
  int8::QuantizedEpilogue e;
  e.bias = args.in<int32_t>(1, "bias", weights.out_channels);
  e.x_type = static_cast<CodeType>(args.integer(2, "xType", 0, 1));
  e.x_zero_point = read_zero_point(args, 3, "xZeroPoint", e.x_type);
  e.output = static_cast<OutputKind>(args.integer(4, "outputKind", 0, 3));
  if (e.output != OutputKind::kS32) e.multipliers = args.in<float>(5, "multipliers", weights.out_channels);
  if (e.output == OutputKind::kF32) {
    e.float_bias = args.in_or_null<float>(6, "floatBias", weights.out_channels);
    e.float_lo = args.real(8, "lo");
    e.float_hi = args.real(9, "hi");
  } else if (e.output != OutputKind::kS32) {
    const CodeType y_type = e.output == OutputKind::kU8 ? CodeType::kU8 : CodeType::kS8;
    e.y_zero_point = read_zero_point(args, 7, "yZeroPoint", y_type);
    const CodeRange bounds = read_bounds(args, 8, range_of(y_type));
    e.y_lo = bounds.lo;
    e.y_hi = bounds.hi;
  }
  auto bound = int8::bind_quantized(packed, e);
  const size_t bytes = bound == nullptr ? 0 : int8::facts(*bound).bytes;
  return {std::move(bound), bytes - std::min(bytes, weights.bytes)};
}

CodesIn read_input(Args& args, size_t i, const BoundQuantized& op, int64_t count) {
  const CodesIn x = args.codes(i, "x", count);
  if (x.type != int8::input_type(op)) args.fail_type("x", "does not have the type of code that op was bound for");
  return x;
}

// y, whose type follows the bound output, as bytes.
std::span<uint8_t> read_output(Args& args, size_t i, const BoundQuantized& op, int64_t count) {
  const auto bytes = [](auto y) { return std::span<uint8_t>{reinterpret_cast<uint8_t*>(y.data()), y.size_bytes()}; };
  switch (int8::output_kind(op)) {
    case OutputKind::kU8:
      return args.codes_out(i, "y", count, Overlap::kNone, CodeType::kU8).bytes;
    case OutputKind::kS8:
      return args.codes_out(i, "y", count, Overlap::kNone, CodeType::kS8).bytes;
    case OutputKind::kS32:
      return bytes(args.out<int32_t>(i, "y", count, Overlap::kNone));
    case OutputKind::kF32:
      break;
  }
  return bytes(args.out<float>(i, "y", count, Overlap::kNone));
}

// Operands of both convolutions: (op, x, y, geometry).
template <auto kRead, auto kRun>
auto convolution(Args& args) {
  auto op = args.object<BoundQuantized>(0, "op");
  const int8::ConvGeometry g = kRead(args, 3, int8::facts(*op));
  const CodesIn x =
      read_input(args, 1, *op, count_of(args, "geometry", {g.batch, g.input.d, g.input.h, g.input.w, g.in_channels}));
  const auto y = read_output(args, 2, *op,
                             count_of(args, "geometry", {g.batch, g.output.d, g.output.h, g.output.w, g.out_channels}));
  return [=, op = std::move(op)] { return kRun(*op, x.bytes, y, g); };
}
auto qconv(Args& args) {
  return convolution<read_conv, int8::qconv>(args);
}
auto qconv_transposed(Args& args) {
  return convolution<read_transposed, int8::qconv_transposed>(args);
}

// qlinear(op, x, y, rows)
auto qlinear(Args& args) {
  auto op = args.object<BoundQuantized>(0, "op");
  const int8::PackedFacts weights = int8::facts(*op);
  if (weights.groups != 1 || weights.kernel.count() != 1 || weights.transposed) {
    args.fail_type("op", "must have one group and a kernel of 1 x 1 x 1");
  }
  const int64_t rows = args.integer(3, "rows", 0, kMaxInteger);
  const CodesIn x = read_input(args, 1, *op, count_of(args, "rows", {rows, weights.in_per_group}));
  const auto y = read_output(args, 2, *op, count_of(args, "rows", {rows, weights.out_channels}));
  return [=, op = std::move(op)] { return int8::qlinear(*op, x.bytes, y, rows); };
}

// qmatmulInt32(a, b, y, sizes, aZeroPoint, bZeroPoints)
auto qmatmul(Args& args) {
  const Products p = read_products(args, 3);
  const CodesIn a = args.codes(0, "a");
  const CodesIn b = args.codes(1, "b");
  p.check_a(args, a.bytes.size());
  p.check_b(args, b.bytes.size());
  const auto y = args.out<int32_t>(2, "y", p.y_count, Overlap::kNone);
  const int8::QuantizedMatmul m{.batch = p.batch,
                                .rows = p.rows,
                                .inner = p.inner,
                                .columns = p.columns,
                                .a_stride = p.a_stride,
                                .b_stride = p.b_stride,
                                .a_zero_point = read_zero_point(args, 4, "aZeroPoint", a.type),
                                .b_zero_points = args.in<int32_t>(5, "bZeroPoints")};
  if (m.b_zero_points.size() != 1 && static_cast<int64_t>(m.b_zero_points.size()) != p.columns) {
    args.fail_range("bZeroPoints", "needs one element, or one for each column");
  }
  const CodeRange range = range_of(b.type);
  for (const int32_t zero : m.b_zero_points) {
    if (zero < range.lo || zero > range.hi) {
      args.fail_range("bZeroPoints", "has " + std::to_string(zero) + ", which b's type does not hold");
    }
  }
  return [=] { return int8::qmatmul_s32(a, b, y, m); };
}

}  // namespace

void add_qconv(Registry& registry) {
  registry.maker<pack>("packQuantized");
  registry.maker<bind>("bindQuantized");
  registry.kernel<qconv>("qconv", "qconvAsync");
  registry.kernel<qconv_transposed>("qconvTransposed", "qconvTransposedAsync");
  registry.kernel<qlinear>("qlinear", "qlinearAsync");
  registry.kernel<qmatmul>("qmatmulInt32", "qmatmulInt32Async");
}

}  // namespace binding
