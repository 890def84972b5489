// Data movement: twins of stridedCopy, gather, resample and fold in src/backend/contract.ts.
#pragma once

#include "int8/types.h"

namespace int8 {

// For every index of shape: y[y_offset + sum i_d*y_strides_d] = x[x_offset + sum i_d*x_strides_d], in elements of
// item_size bytes (1, 2, 4 or 8). The caller has checked that every index lies inside both.
struct StridedCopy {
  std::span<const int64_t> shape;
  int64_t x_offset = 0;
  std::span<const int64_t> x_strides;
  int64_t y_offset = 0;
  std::span<const int64_t> y_strides;
  int64_t item_size = 1;
};
void strided_copy(std::span<const uint8_t> x, std::span<uint8_t> y, const StridedCopy& copy);

// y[o][i] = x[o][indices[i]], x [outer][axis][inner], y [outer][indices][inner], in elements of item_size bytes. A
// negative index counts from the end; where one lies outside the axis, y is not written.
struct Gather {
  int64_t outer = 0;
  int64_t axis = 0;
  int64_t inner = 0;
  int64_t item_size = 1;
};
Status gather(std::span<const uint8_t> x, std::span<uint8_t> y, std::span<const int32_t> indices, const Gather& gather);

// y[o][j] = sum over t of x[o][indices[j][t]] * weights[j][t], t ascending from the first product on, every step
// rounded; x [outer][in_length][inner], y [outer][out_length][inner]. Where an index lies outside, y is not written.
struct Resample {
  int64_t outer = 0;
  int64_t in_length = 0;
  int64_t out_length = 0;
  int64_t inner = 0;
  int64_t taps = 1;
  std::span<const int32_t> indices;  // [out_length][taps]
  std::span<const float> weights;
};
Status resample(std::span<const float> x, std::span<float> y, const Resample& resample);

struct Fold {
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t blocks_h = 0, blocks_w = 0;
  int64_t out_h = 0, out_w = 0;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t padding_h = 0, padding_w = 0;
};
// x [batch][channels][kernel][blocks], y [batch][channels][out_h][out_w]; contributions in ascending kernel position.
void fold(std::span<const float> x, std::span<float> y, const Fold& fold);

}  // namespace int8
