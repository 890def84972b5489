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

// Channels-last in and out, as qconv. Padding is +0.0 and takes part in the sum. The sum is clamped to [lo, hi].
Status fconv(const PackedFloat& op, std::span<const float> x, std::span<float> y, const ConvGeometry& geometry,
             float lo, float hi);
// Of weights packed with `transposed`: k ascends over the input's depth, row, column, channel.
Status fconv_transposed(const PackedFloat& op, std::span<const float> x, std::span<float> y,
                        const ConvGeometry& geometry, float lo, float hi);
Status flinear(const PackedFloat& op, std::span<const float> x, std::span<float> y, int64_t rows, float lo, float hi);

}  // namespace int8
