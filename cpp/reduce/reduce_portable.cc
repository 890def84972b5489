// Reductions in plain C++: numerics.md 7, the twin of src/backend/js/reduce.ts.
#include <limits>

#include "elementwise/math.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float sum(const float* x, int64_t length) {
  float lanes[16] = {};
  for (int64_t i = 0; i < length; i++) lanes[i % 16] += x[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

void softmax_row(const float* x, float* y, int64_t length) {
  float largest = -kInfinity;
  for (int64_t i = 0; i < length; i++) largest = maximum(largest, x[i]);
  for (int64_t i = 0; i < length; i++) y[i] = exp_float(x[i] - largest);
  const float total = sum(y, length);
  for (int64_t i = 0; i < length; i++) y[i] = y[i] / total;
}

MinMax min_max(const float* x, int64_t length) {
  MinMax found{kInfinity, -kInfinity};
  for (int64_t i = 0; i < length; i++) {
    if (!(std::fabs(x[i]) < kInfinity)) continue;
    found.min = x[i] < found.min ? x[i] : found.min;
    found.max = x[i] > found.max ? x[i] : found.max;
  }
  return found;
}

}  // namespace

const ReduceKernels kReducePortable = {softmax_row, sum, min_max};

}  // namespace int8
