#include "geometry.h"

#include <string>

namespace binding {
namespace {

using int8::Dims3;

// Elements of one image with its border that any convolution may have, whatever the size of its data.
constexpr int64_t kMaxPadded = int64_t{1} << 26;

// Drivers copy parts of the input with its border. Sizes that only a hostile caller can mean, a border that dwarfs the
// data on both sides, are refused before they become a request for all memory.
void check_padded_size(const Args& args, const int8::ConvGeometry& g) {
  const auto reach = [](int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t dilation,
                        int64_t padding) {
    const int64_t windows = (output - 1) * stride + (kernel - 1) * dilation + 1;
    return (input > windows ? input : windows) + padding;
  };
  const int64_t d = reach(g.input.d, g.output.d, g.kernel.d, g.stride.d, g.dilation.d, g.padding.d);
  const int64_t h = reach(g.input.h, g.output.h, g.kernel.h, g.stride.h, g.dilation.h, g.padding.h);
  const int64_t w = reach(g.input.w, g.output.w, g.kernel.w, g.stride.w, g.dilation.w, g.padding.w);
  const int64_t padded = count_of(args, "geometry", {g.in_channels, d, h, w});
  const int64_t x = count_of(args, "geometry", {g.in_channels, g.input.d, g.input.h, g.input.w});
  const int64_t y = count_of(args, "geometry", {g.out_channels, g.output.d, g.output.h, g.output.w});
  if (padded > kMaxPadded && padded / 64 > x + y) {
    args.fail_range("geometry", "has padding or strides out of all proportion: " + std::to_string(padded) +
                                    " padded elements for " + std::to_string(x) + " of x and " + std::to_string(y) +
                                    " of y");
  }
}

void check_axis(const Args& args, const char* axis, const int8::PoolAxis& a, int64_t input) {
  for (size_t o = 0; o < a.starts.size(); o++) {
    const int64_t start = a.starts[o];
    const int64_t count = a.counts[o];
    if (count < 0 || (count > 0 && (start < 0 || start + (count - 1) * a.step >= input))) {
      args.fail_range("windows", std::string("has a window outside the input: ") + axis + " " + std::to_string(o) +
                                     " starts at " + std::to_string(start) + " and takes " + std::to_string(count) +
                                     " of " + std::to_string(input));
    }
  }
}

int8::ConvGeometry read_geometry(Args& args, size_t i, const int8::PackedFacts& weights) {
  Numbers n(args, i, "geometry", 22);
  int8::ConvGeometry g;
  g.batch = n.next("batch", 0, kMaxDim);
  g.groups = n.next("groups", 1, kMaxDim);
  g.in_channels = n.next("inChannels", 1, kMaxDim);
  g.out_channels = n.next("outChannels", 1, kMaxDim);
  g.input = n.dims("input", 1);
  g.output = n.dims("output", 1);
  g.kernel = n.dims("kernel", 1);
  g.stride = n.dims("stride", 1);
  g.dilation = n.dims("dilation", 1);
  g.padding = n.dims("padding", 0);
  if (g.groups != weights.groups || g.out_channels != weights.out_channels || !(g.kernel == weights.kernel) ||
      g.in_channels != weights.groups * weights.in_per_group) {
    n.fail("does not fit the weights: they have groups " + std::to_string(weights.groups) + ", inChannels " +
           std::to_string(weights.groups * weights.in_per_group) + ", outChannels " +
           std::to_string(weights.out_channels) + ", kernel " + std::to_string(weights.kernel.d) + " x " +
           std::to_string(weights.kernel.h) + " x " + std::to_string(weights.kernel.w));
  }
  return g;
}

}  // namespace

Axes read_axes(Numbers& numbers, const char* field, size_t rank, int64_t lo, int64_t hi) {
  Axes axes;
  axes.rank = rank;
  for (size_t d = 0; d < rank; d++) axes.values[d] = numbers.next(field, lo, hi);
  return axes;
}

int64_t count_of(const Args& args, const char* name, std::initializer_list<int64_t> factors) {
  const auto count = product(factors);
  if (!count) args.fail_range(name, "describes more elements than memory can hold");
  return *count;
}

int8::ConvGeometry read_conv(Args& args, size_t i, const int8::PackedFacts& weights) {
  if (weights.transposed) args.fail_type("op", "was packed for a transposed convolution");
  const int8::ConvGeometry g = read_geometry(args, i, weights);
  check_padded_size(args, g);
  return g;
}

int8::ConvGeometry read_transposed(Args& args, size_t i, const int8::PackedFacts& weights) {
  if (!weights.transposed) args.fail_type("op", "was not packed for a transposed convolution");
  const int8::ConvGeometry g = read_geometry(args, i, weights);
  if (!(int8::TransposedSteps{g.stride, g.dilation} == *weights.transposed)) {
    args.fail_range("geometry", "does not have the stride and dilation that the weights were packed for");
  }
  return g;
}

WeightSizes read_weight_sizes(Args& args, size_t i) {
  Numbers n(args, i, "weights", std::nullopt);
  if (n.size() != 6 && n.size() != 12) n.fail("must have 6 or 12 numbers, but has " + std::to_string(n.size()));
  WeightSizes w;
  w.groups = n.next("groups", 1, kMaxDim);
  w.out_channels = n.next("outChannels", 1, kMaxDim);
  w.kernel = n.dims("kernel", 1);
  w.in_per_group = n.next("inPerGroup", 1, kMaxDim);
  if (w.out_channels % w.groups != 0) n.fail("has outChannels that groups does not divide");
  if (n.size() == 12) {
    const Dims3 stride = n.dims("stride", 1);
    w.transposed = int8::TransposedSteps{stride, n.dims("dilation", 1)};
  }
  w.count = count_of(args, "weights", {w.out_channels, w.kernel.d, w.kernel.h, w.kernel.w, w.in_per_group});
  return w;
}

int8::ChannelSplit read_split(Args& args, size_t i, int64_t count) {
  int8::ChannelSplit split;
  split.outer = args.integer(i, "outer", 0, kMaxInteger);
  split.channels = args.integer(i + 1, "channels", 1, kMaxInteger);
  split.inner = args.integer(i + 2, "inner", 0, kMaxInteger);
  const int64_t described = count_of(args, "split", {split.outer, split.channels, split.inner});
  if (described != count) {
    args.fail_range("split",
                    "describes " + std::to_string(described) + " elements, but x has " + std::to_string(count));
  }
  return split;
}

void BroadcastAxes::check_inside(const Args& args, const char* name, const Axes& strides, size_t length) const {
  if (count == 0) return;
  const auto reach = extent(0, shape.span(), strides.span());
  if (!reach || static_cast<uint64_t>(reach->last) >= length) {
    args.fail_range(name, "has " + std::to_string(length) + " elements, but the broadcast reads beyond them");
  }
}

bool BroadcastAxes::is_dense(const Axes& strides) const {
  int64_t expected = 1;
  for (size_t d = shape.rank; d-- > 0;) {
    if (shape.values[d] != 1 && strides.values[d] != expected) return false;
    expected *= shape.values[d];
  }
  return true;
}

BroadcastAxes read_broadcast(Args& args, size_t i) {
  Numbers n(args, i, "broadcast", std::nullopt);
  const size_t rank = n.size() / 3;
  if (rank < 1 || rank > 8 || n.size() % 3 != 0) {
    n.fail("must have 3 numbers per axis for 1 to 8 axes, but has " + std::to_string(n.size()));
  }
  BroadcastAxes axes;
  axes.shape = read_axes(n, "shape", rank, 0, kMaxInteger);
  axes.a = read_axes(n, "aStrides", rank, 0, kMaxInteger);
  axes.b = read_axes(n, "bStrides", rank, 0, kMaxInteger);
  const auto count = product(axes.shape.span());
  if (!count) n.fail("describes more elements than memory can hold");
  axes.count = *count;
  return axes;
}

Products read_products(Args& args, size_t i) {
  Numbers numbers(args, i, "sizes", 6);
  Products p{};
  p.batch = numbers.next("batch", 0, kMaxDim);
  p.rows = numbers.next("rows", 0, kMaxDim);
  p.inner = numbers.next("inner", 0, kMaxDim);
  p.columns = numbers.next("columns", 0, kMaxDim);
  p.a_stride = numbers.next("aStride", 0, kMaxInteger);
  p.b_stride = numbers.next("bStride", 0, kMaxInteger);
  p.y_count = count_of(args, "sizes", {p.batch, p.rows, p.columns});
  return p;
}

namespace {

// `batch` matrices of `size` elements, `stride` apart, inside `length` elements.
void check_matrices(const Args& args, const char* name, int64_t batch, int64_t size, int64_t stride, size_t length) {
  if (batch == 0 || size == 0) return;
  const auto before = multiply(batch - 1, stride);
  if (!before || *before > static_cast<int64_t>(length) - size) {
    args.fail_range(name, "is too short for its matrices");
  }
}

}  // namespace

void Products::check_a(const Args& args, size_t length) const {
  check_matrices(args, "a", batch, count_of(args, "sizes", {rows, inner}), a_stride, length);
}

void Products::check_b(const Args& args, size_t length) const {
  check_matrices(args, "b", batch, count_of(args, "sizes", {inner, columns}), b_stride, length);
}

int8::PoolWindows read_windows(Args& args, size_t i) {
  Numbers n(args, i, "windows", 11);
  int8::PoolWindows windows;
  windows.batch = n.next("batch", 0, kMaxDim);
  windows.channels = n.next("channels", 1, kMaxDim);
  windows.input = n.dims("input", 1);
  windows.output = n.dims("output", 1);
  const Dims3 steps = n.dims("steps", 1);
  const Dims3& o = windows.output;
  const int64_t axes = o.d + o.h + o.w;
  const auto tables = args.in<int32_t>(i + 1, "windows.tables", 2 * axes);
  const auto axis = [&](int64_t first, int64_t length, int64_t step) {
    const auto at = [&](int64_t from) {
      return tables.subspan(static_cast<size_t>(from), static_cast<size_t>(length));
    };
    return int8::PoolAxis{at(first), at(axes + first), step};
  };
  windows.d = axis(0, o.d, steps.d);
  windows.h = axis(o.d, o.h, steps.h);
  windows.w = axis(o.d + o.h, o.w, steps.w);
  check_axis(args, "depth", windows.d, windows.input.d);
  check_axis(args, "row", windows.h, windows.input.h);
  check_axis(args, "column", windows.w, windows.input.w);
  return windows;
}

}  // namespace binding
