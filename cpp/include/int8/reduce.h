// Reductions over rows: numerics.md 7 (16 lanes). Twins of softmax, fmean and minMax in src/backend/contract.ts.
#pragma once

#include "int8/types.h"

namespace int8 {

void softmax(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);
void fmean(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);

// Softmax on codes (numerics.md 6), rows of `length` codes; x and y do not overlap.
struct SoftmaxCodes {
  std::span<const int32_t> table;  // [256] rne(2^23 * exp(-d*sx)), the first 2^23, none negative
  float scale = 0;                 // of y: a normal float32
  int32_t zero_point = 0;
  int32_t lo = 0;
  int32_t hi = 255;
};
void softmax_codes(const CodesIn& x, const CodesOut& y, int64_t rows, int64_t length, const SoftmaxCodes& parameters);

struct MinMax {
  float min;
  float max;
};
// Over the finite values; {+infinity, -infinity} where there is none.
MinMax min_max(std::span<const float> x);

}  // namespace int8
