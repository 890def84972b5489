// Reductions over rows: numerics.md 7 (16 lanes). Twins of softmax, freduce, layerNorm and minMax in
// src/backend/contract.ts.
#pragma once

#include "int8/types.h"

namespace int8 {

void softmax(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);

enum class Reduce : uint8_t { kSum, kMean, kMax, kMin, kSumSquares, kSumAbs, kProd };
// x [rows][length], y [rows]; length is at least 1.
void freduce(Reduce op, std::span<const float> x, std::span<float> y, int64_t rows, int64_t length);

struct LayerNorm {
  std::span<const float> scale;  // [length]
  std::span<const float> bias;   // [length], or empty
  float epsilon = 0;
};
// x and y [rows][length].
void layer_norm(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length, const LayerNorm& norm);

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

// {scale, zero point} of quint8 for the values of x (numerics.md 2).
struct ScaleAndZero {
  float scale;
  float zero_point;
};
ScaleAndZero dynamic_params(std::span<const float> x);

}  // namespace int8
