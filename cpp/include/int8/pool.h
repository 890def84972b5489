// Pools over channels-last data: numerics.md 6 and 7. Twins of qmaxPool, qavgPool, fmaxPool and favgPool in
// src/backend/contract.ts.
#pragma once

#include "int8/types.h"

namespace int8 {

// One axis of the windows, clipped to the input: output o reads input starts[o] + j*step, 0 <= j < counts[o].
struct PoolAxis {
  std::span<const int32_t> starts;
  std::span<const int32_t> counts;
  int64_t step = 1;
};
struct PoolWindows {
  int64_t batch = 0;
  int64_t channels = 0;
  Dims3 input;
  Dims3 output;
  PoolAxis d, h, w;
};

Status qmax_pool(CodesIn x, CodesOut y, const PoolWindows& windows);  // an empty window gives the type's minimum

struct QAvgPoolParams {
  int32_t x_zero_point = 0;
  int32_t y_zero_point = 0;
  std::span<const float> multipliers;  // [output.count()]
  int32_t lo = 0;
  int32_t hi = 255;
};
Status qavg_pool(CodesIn x, CodesOut y, const PoolWindows& windows, const QAvgPoolParams& p);

Status fmax_pool(std::span<const float> x, std::span<float> y, const PoolWindows& windows);  // empty: -infinity
Status favg_pool(std::span<const float> x, std::span<float> y, const PoolWindows& windows,
                 std::span<const float> divisors);

}  // namespace int8
