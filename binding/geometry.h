// Geometry of an op, as arguments: read from a Float64Array and checked against the buffers and weights that a kernel
// will touch. The order of the numbers is that of src/backend/encode.ts.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>

#include "args.h"
#include "int8/elementwise.h"
#include "int8/pool.h"
#include "int8/qconv.h"

namespace binding {

// Up to 8 sizes or strides, held by value so that a job can carry them.
struct Axes {
  std::array<int64_t, 8> values{};
  size_t rank = 0;
  std::span<const int64_t> span() const { return {values.data(), rank}; }
};
Axes read_axes(Numbers& numbers, const char* field, size_t rank, int64_t lo, int64_t hi);

// Number of elements; throws where it overflows.
int64_t count_of(const Args& args, const char* name, std::initializer_list<int64_t> factors);

// [batch, groups, inChannels, outChannels, input, output, kernel, stride, dilation, padding], against the weights.
int8::ConvGeometry read_conv(Args& args, size_t i, const int8::PackedFacts& weights);
// The same of a transposed convolution, for weights that were packed with its stride and dilation.
int8::ConvGeometry read_transposed(Args& args, size_t i, const int8::PackedFacts& weights);

// Sizes of weights: [groups, outChannels, kernel, inPerGroup], then, if they are a transposed convolution's, [stride,
// dilation].
struct WeightSizes {
  int64_t groups, out_channels, in_per_group;
  int8::Dims3 kernel;
  std::optional<int8::TransposedSteps> transposed;
  int64_t count;  // of all weights
};
WeightSizes read_weight_sizes(Args& args, size_t i);

// Three numbers: outer, channels, inner, whose product is `count`; channels is at least 1.
int8::ChannelSplit read_split(Args& args, size_t i, int64_t count);

// [shape, aStrides, bStrides] of one rank, 1 to 8, strides not negative.
struct BroadcastAxes {
  Axes shape, a, b;
  int64_t count = 0;  // elements of y
  int8::Broadcast view() const { return {shape.span(), a.span(), b.span()}; }
  // Throws unless every element read lies inside an operand of that many elements.
  void check_inside(const Args& args, const char* name, const Axes& strides, size_t length) const;
  // Whether an operand is read in y's own order, so that y may take its place.
  bool is_dense(const Axes& strides) const;
};
BroadcastAxes read_broadcast(Args& args, size_t i);

// Numbers [batch, rows, inner, columns, aStride, bStride] of a batch of matrix products, strides not negative.
struct Products {
  int64_t batch, rows, inner, columns, a_stride, b_stride;
  int64_t y_count;  // elements of y
  // Throw unless every matrix of a (b) lies inside so many elements.
  void check_a(const Args& args, size_t length) const;
  void check_b(const Args& args, size_t length) const;
};
Products read_products(Args& args, size_t i);

// Numbers [batch, channels, input, output, steps] at `i`; at i+1 the tables: starts of the three axes, then counts.
int8::PoolWindows read_windows(Args& args, size_t i);

}  // namespace binding
