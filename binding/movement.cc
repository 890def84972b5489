// Data movement.
#include "int8/movement.h"

#include <string>

#include "addon.h"
#include "geometry.h"

namespace binding {
namespace {

void check_inside(const Args& args, const char* name, const Axes& shape, int64_t offset, const Axes& strides,
                  size_t length) {
  const auto reach = extent(offset, shape.span(), strides.span());
  if (!reach || reach->first < 0 || reach->last >= static_cast<int64_t>(length)) {
    args.fail_range(name, "has " + std::to_string(length) + " elements, but the copy goes beyond them");
  }
}

// stridedCopy(x, y, [shape, xStrides, yStrides], xOffset, yOffset); y keeps the elements that no index names
auto strided_copy(Args& args) {
  Numbers n(args, 2, "axes", std::nullopt);
  const size_t rank = n.size() / 3;
  if (rank > 8 || n.size() % 3 != 0) {
    n.fail("must have 3 numbers per axis for 0 to 8 axes, but has " + std::to_string(n.size()));
  }
  const Axes shape = read_axes(n, "shape", rank, 0, kMaxInteger);
  const Axes x_strides = read_axes(n, "xStrides", rank, -kMaxInteger, kMaxInteger);
  const Axes y_strides = read_axes(n, "yStrides", rank, -kMaxInteger, kMaxInteger);
  const int64_t x_offset = args.integer(3, "xOffset", 0, kMaxInteger);
  const int64_t y_offset = args.integer(4, "yOffset", 0, kMaxInteger);
  const auto count = product(shape.span());
  if (!count) n.fail("describes more elements than memory can hold");

  const Elements x = args.elements(0, "x");
  const ElementsOut y = args.elements_inout(1, "y", x.type);
  const bool empty = *count == 0;
  if (!empty) {
    for (size_t d = 0; d < rank; d++) {
      if (y_strides.values[d] == 0 && shape.values[d] > 1) n.fail("writes one element of y more than once");
    }
    check_inside(args, "x", shape, x_offset, x_strides, x.length);
    check_inside(args, "y", shape, y_offset, y_strides, y.length);
  }
  return [=] {
    if (empty) return;
    int8::strided_copy(x.bytes, y.bytes,
                       {.shape = shape.span(),
                        .x_offset = x_offset,
                        .x_strides = x_strides.span(),
                        .y_offset = y_offset,
                        .y_strides = y_strides.span(),
                        .item_size = static_cast<int64_t>(x.item_size)});
  };
}

// Blocks along one axis of a fold: the windows that fit.
int64_t blocks_of(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t padding) {
  const int64_t free = size + 2 * padding - dilation * (kernel - 1) - 1;
  return free < 0 ? 0 : free / stride + 1;
}

// fold(x, y, [batch, channels, blocks, output, kernel, stride, dilation, padding]), pairs of height and width
auto fold(Args& args) {
  Numbers n(args, 2, "fold", 14);
  int8::Fold f;
  f.batch = n.next("batch", 0, kMaxDim);
  f.channels = n.next("channels", 1, kMaxDim);
  f.blocks_h = n.next("blocks", 1, kMaxDim);
  f.blocks_w = n.next("blocks", 1, kMaxDim);
  f.out_h = n.next("output", 1, kMaxDim);
  f.out_w = n.next("output", 1, kMaxDim);
  f.kernel_h = n.next("kernel", 1, kMaxDim);
  f.kernel_w = n.next("kernel", 1, kMaxDim);
  f.stride_h = n.next("stride", 1, kMaxDim);
  f.stride_w = n.next("stride", 1, kMaxDim);
  f.dilation_h = n.next("dilation", 1, kMaxDim);
  f.dilation_w = n.next("dilation", 1, kMaxDim);
  f.padding_h = n.next("padding", 0, kMaxDim);
  f.padding_w = n.next("padding", 0, kMaxDim);
  if (f.blocks_h != blocks_of(f.out_h, f.kernel_h, f.stride_h, f.dilation_h, f.padding_h) ||
      f.blocks_w != blocks_of(f.out_w, f.kernel_w, f.stride_w, f.dilation_w, f.padding_w)) {
    n.fail("has a number of blocks that does not follow from output, kernel, stride, dilation and padding");
  }
  const auto x = args.in<float>(
      0, "x", count_of(args, "fold", {f.batch, f.channels, f.kernel_h, f.kernel_w, f.blocks_h, f.blocks_w}));
  const auto y =
      args.out<float>(1, "y", count_of(args, "fold", {f.batch, f.channels, f.out_h, f.out_w}), Overlap::kNone);
  return [=] { int8::fold(x, y, f); };
}

// gather(x, y, outer, axis, inner, indices); the kernel checks the indices
auto gather(Args& args) {
  int8::Gather g;
  g.outer = args.integer(2, "outer", 0, kMaxInteger);
  g.axis = args.integer(3, "axis", 0, kMaxDim);
  g.inner = args.integer(4, "inner", 0, kMaxInteger);
  const auto indices = args.in<int32_t>(5, "indices");
  const Elements x = args.elements(0, "x");
  const ElementsOut y = args.elements_inout(1, "y", x.type);
  const auto check = [&](const char* name, int64_t count, size_t length) {
    if (static_cast<uint64_t>(count) != length) {
      args.fail_range(name, "must have " + std::to_string(count) + " elements, has " + std::to_string(length));
    }
  };
  check("x", count_of(args, "x", {g.outer, g.axis, g.inner}), x.length);
  check("y", count_of(args, "y", {g.outer, static_cast<int64_t>(indices.size()), g.inner}), y.length);
  g.item_size = static_cast<int64_t>(x.item_size);
  return [=] { return int8::gather(x.bytes, y.bytes, indices, g); };
}

// resample(x, y, outer, inLength, outLength, inner, taps, indices, weights); the kernel checks the indices
auto resample(Args& args) {
  int8::Resample r;
  r.outer = args.integer(2, "outer", 0, kMaxInteger);
  r.in_length = args.integer(3, "inLength", 1, kMaxDim);
  r.out_length = args.integer(4, "outLength", 0, kMaxDim);
  r.inner = args.integer(5, "inner", 0, kMaxInteger);
  r.taps = args.integer(6, "taps", 1, kMaxDim);
  const int64_t terms = count_of(args, "indices", {r.out_length, r.taps});
  r.indices = args.in<int32_t>(7, "indices", terms);
  r.weights = args.in<float>(8, "weights", terms);
  const auto x = args.in<float>(0, "x", count_of(args, "x", {r.outer, r.in_length, r.inner}));
  const auto y = args.out<float>(1, "y", count_of(args, "y", {r.outer, r.out_length, r.inner}), Overlap::kNone);
  return [=] { return int8::resample(x, y, r); };
}

}  // namespace

void add_movement(Registry& registry) {
  registry.kernel<strided_copy>("stridedCopy", "stridedCopyAsync");
  registry.kernel<gather>("gather", "gatherAsync");
  registry.kernel<resample>("resample", "resampleAsync");
  registry.kernel<fold>("fold", "foldAsync");
}

}  // namespace binding
