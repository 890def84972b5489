// Reductions on sixteen lanes: element i lies in lane i mod 16 by itself (numerics.md 7). More sums at once would be
// other sums: a row is bound by the latency of one addition each 16 elements. Only for files of instruction sets,
// behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/math_simd.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr float kInfinity = __builtin_inff();

// Lanes beyond the row keep what they had. Then lane j takes lane j + 8, j + 4, j + 2, j + 1.
template <class Step, class Join>
float in_lanes(const float* x, int64_t length, float first, Step step, Join join) {
  F32x16 all = splat(first);
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    all = keep(lanes, step(all, load(x + i, lanes)), all);
  }
  float shifted[32] = {};
  for (int half = 8; half > 0; half /= 2) {
    store(shifted, all, Lanes(16));
    all = join(all, load(shifted + half, Lanes(16)));
  }
  store(shifted, all, Lanes(1));
  return shifted[0];
}

float sum(const float* x, int64_t length) {
  F32x16 sums = splat(0.0f);
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    sums = keep(lanes, sums + load(x + i, lanes), sums);
  }
  return add_lanes(sums);
}

float reduce(Reduce op, const float* x, int64_t length) {
  const auto add = [](F32x16 a, F32x16 b) { return a + b; };
  const auto multiply = [](F32x16 a, F32x16 b) { return a * b; };
  const auto larger = [](F32x16 a, F32x16 b) { return maximum(a, b); };
  const auto smaller = [](F32x16 a, F32x16 b) { return minimum(a, b); };
  switch (op) {
    case Reduce::kMax:
      return in_lanes(x, length, -kInfinity, larger, larger);
    case Reduce::kMin:
      return in_lanes(x, length, kInfinity, smaller, smaller);
    case Reduce::kSumSquares:
      return in_lanes(
          x, length, 0.0f, [](F32x16 lane, F32x16 v) { return lane + v * v; }, add);
    case Reduce::kSumAbs:
      return in_lanes(
          x, length, 0.0f, [](F32x16 lane, F32x16 v) { return lane + abs(v); }, add);
    case Reduce::kProd:
      return in_lanes(x, length, 1.0f, multiply, multiply);
    case Reduce::kSum:
    case Reduce::kMean:
      break;
  }
  return sum(x, length);
}

void layer_norm_row(const float* x, float* y, int64_t length, const LayerNorm& norm) {
  const auto count = static_cast<float>(length);
  const F32x16 mean = splat(sum(x, length) / count);
  F32x16 squares = splat(0.0f);
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    const F32x16 d = load(x + i, lanes) - mean;
    squares = keep(lanes, squares + d * d, squares);
  }
  const F32x16 r = splat(1.0f) / sqrt(splat(add_lanes(squares) / count + norm.epsilon));
  const float *scale = norm.scale.data(), *bias = norm.bias.empty() ? nullptr : norm.bias.data();
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    const F32x16 scaled = (load(x + i, lanes) - mean) * r * load(scale + i, lanes);
    store(y + i, bias == nullptr ? scaled : scaled + load(bias + i, lanes), lanes);
  }
}

// The sign of a zero does not matter to the largest: exp of +0 and of -0 is 1.
void softmax_row(const float* x, float* y, int64_t length) {
  F32x16 largest16 = splat(-kInfinity);
  bool nan = false;
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    const F32x16 v = keep(lanes, load(x + i, lanes), splat(-kInfinity));
    nan = nan || any(is_nan(v));
    largest16 = at_least(v, largest16);
  }
  const F32x16 largest = splat(nan ? __builtin_nanf("") : largest_lane(largest16));
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    store(y + i, exp16(load(x + i, lanes) - largest), lanes);
  }
  const F32x16 total = splat(sum(y, length));
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    store(y + i, load(y + i, lanes) / total, lanes);
  }
}

MinMax min_max(const float* x, int64_t length) {
  F32x16 low = splat(kInfinity), high = splat(-kInfinity);
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    const F32x16 v = keep(lanes, load(x + i, lanes), splat(kInfinity));
    const Mask16 finite = abs(v) < splat(kInfinity);
    low = at_most(select(finite, v, low), low);
    high = at_least(select(finite, v, high), high);
  }
  return {smallest_lane(low), largest_lane(high)};
}

}  // namespace
}  // namespace int8
