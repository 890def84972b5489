// Reductions in plain C++: numerics.md 6 and 7, the twin of src/backend/js/reduce.ts and softmax-codes.ts.
#include <limits>

#include "elementwise/math.h"
#include "reduce/kernels.h"
#include "reduce/softmax_codes.h"

namespace int8 {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class Step, class Join>
float in_lanes(const float* x, int64_t length, float first, Step step, Join join) {
  float lanes[16];
  for (float& lane : lanes) lane = first;
  for (int64_t i = 0; i < length; i++) lanes[i % 16] = step(lanes[i % 16], x[i]);
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half; j++) lanes[j] = join(lanes[j], lanes[j + half]);
  }
  return lanes[0];
}

float reduce(Reduce op, const float* x, int64_t length) {
  const auto add = [](float a, float b) { return a + b; };
  const auto multiply = [](float a, float b) { return a * b; };
  switch (op) {
    case Reduce::kMax:
      return in_lanes(x, length, -kInfinity, maximum, maximum);
    case Reduce::kMin:
      return in_lanes(x, length, kInfinity, minimum, minimum);
    case Reduce::kSumSquares:
      return in_lanes(
          x, length, 0.0f, [](float lane, float v) { return lane + v * v; }, add);
    case Reduce::kSumAbs:
      return in_lanes(
          x, length, 0.0f, [](float lane, float v) { return lane + std::fabs(v); }, add);
    case Reduce::kProd:
      return in_lanes(x, length, 1.0f, multiply, multiply);
    case Reduce::kSum:
    case Reduce::kMean:
      break;
  }
  return in_lanes(x, length, 0.0f, add, add);
}

void layer_norm_row(const float* x, float* y, int64_t length, const LayerNorm& norm) {
  const auto count = static_cast<float>(length);
  const float mean = reduce(Reduce::kSum, x, length) / count;
  for (int64_t i = 0; i < length; i++) y[i] = x[i] - mean;
  const float variance = reduce(Reduce::kSumSquares, y, length) / count;
  const float r = 1.0f / std::sqrt(variance + norm.epsilon);
  const float *scale = norm.scale.data(), *bias = norm.bias.empty() ? nullptr : norm.bias.data();
  for (int64_t i = 0; i < length; i++) {
    const float scaled = y[i] * r * scale[i];
    y[i] = bias == nullptr ? scaled : scaled + bias[i];
  }
}

void softmax_row(const float* x, float* y, int64_t length) {
  float largest = -kInfinity;
  for (int64_t i = 0; i < length; i++) largest = maximum(largest, x[i]);
  for (int64_t i = 0; i < length; i++) y[i] = exp_float(x[i] - largest);
  const float total = reduce(Reduce::kSum, y, length);
  for (int64_t i = 0; i < length; i++) y[i] = y[i] / total;
}

void softmax_codes_row(const uint8_t* x, uint8_t* y, int64_t length, uint8_t flip, const SoftmaxCodes& p) {
  uint8_t largest = 0;
  for (int64_t i = 0; i < length; i++) largest = std::max<uint8_t>(largest, x[i] ^ flip);
  // Four sums, so that additions do not wait for each other.
  uint64_t sums[4] = {};
  for (int64_t i = 0; i < length; i++) sums[i % 4] += static_cast<uint64_t>(p.table[largest - (x[i] ^ flip)]);
  const SoftmaxDivisor divisor(sums[0] + sums[1] + sums[2] + sums[3], p.scale);
  const auto result = [&](int distance) {
    return static_cast<uint8_t>(std::clamp(p.zero_point + divisor.quotient(p.table[distance]), p.lo, p.hi));
  };
  if (length < kLongRow) {
    for (int64_t i = 0; i < length; i++) y[i] = result(largest - (x[i] ^ flip));
    return;
  }
  uint8_t results[256];
  for (int d = 0; d <= largest; d++) results[largest - d] = result(d);
  for (int64_t i = 0; i < length; i++) y[i] = results[x[i] ^ flip];
}

void softmax_codes_rows(const uint8_t* x, CodeType type, uint8_t* y, int64_t rows, int64_t length,
                        const SoftmaxCodes& p) {
  const uint8_t flip = softmax_flip(type);
  for (int64_t row = 0; row < rows; row++) softmax_codes_row(x + row * length, y + row * length, length, flip, p);
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

const ReduceKernels kReducePortable = {softmax_row, reduce, layer_norm_row, min_max, softmax_codes_rows};

}  // namespace int8
