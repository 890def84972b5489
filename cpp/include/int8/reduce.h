// Reductions over rows: numerics.md 7 (16 lanes). Twins of softmax, fmean and minMax in src/backend/contract.ts.
#pragma once

#include "int8/types.h"

namespace int8 {

void softmax(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);
void fmean(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);

struct MinMax {
  float min;
  float max;
};
// Over the finite values; {+infinity, -infinity} where there is none.
MinMax min_max(std::span<const float> x);

}  // namespace int8
