// Float32 convolution and linear, fixed to the byte: one accumulator per output element, fma in ascending k
// (numerics.md 7). The twin of packFloat, fconv and flinear in src/backend/contract.ts.
#pragma once

#include <memory>

#include "int8/qconv.h"
#include "int8/types.h"

namespace int8 {

struct FloatWeights {
  std::span<const float> values;  // [out_channels][kernel.count()][in_per_group]
  std::span<const float> bias;    // empty or [out_channels]
  int64_t groups = 1;
  int64_t out_channels = 0;
  int64_t in_per_group = 0;
  Dims3 kernel;
  std::optional<TransposedSteps> transposed;  // for fconv_transposed; the values are in the same order
};

class PackedFloat;  // immutable

// Null if memory ran out.
std::shared_ptr<const PackedFloat> pack_float(const FloatWeights& weights) noexcept;
PackedFacts facts(const PackedFloat& packed);

// Channels-last in and out, as qconv. Padding is +0.0 and takes part in the sum. `residual`, which lies as y does or is
// empty, is added to the sum; that is clamped to [lo, hi].
Status fconv(const PackedFloat& op, std::span<const float> x, std::span<const float> residual, std::span<float> y,
             const ConvGeometry& geometry, float lo, float hi);
// Of weights packed with `transposed`: k ascends over the input's depth, row, column, channel.
Status fconv_transposed(const PackedFloat& op, std::span<const float> x, std::span<float> y,
                        const ConvGeometry& geometry, float lo, float hi);
Status flinear(const PackedFloat& op, std::span<const float> x, std::span<float> y, int64_t rows, float lo, float hi);

// Products of a batch of matrices that are both data: y[i] = a[i] (rows x inner) * b[i] (inner x columns, or columns x
// inner), each output one fma chain from 0. Matrices are dense; a_stride and b_stride are the elements from one of the
// batch to the next, 0 repeats.
struct FloatMatmul {
  int64_t batch = 1;
  int64_t rows = 0;
  int64_t inner = 0;
  int64_t columns = 0;
  int64_t a_stride = 0;
  int64_t b_stride = 0;
  bool transpose_b = false;
};
Status fmatmul(std::span<const float> a, std::span<const float> b, std::span<float> y, const FloatMatmul& shape);

}  // namespace int8
