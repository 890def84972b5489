// Reductions on sixteen lanes: element i lies in lane i mod 16 by itself (numerics.md 7). More sums at once would be
// other sums: a row is bound by the latency of one addition each 16 elements. Only for files of instruction sets,
// behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/math_simd.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr float kInfinity = __builtin_inff();

// Lanes beyond the row keep their sums.
float sum(const float* x, int64_t length) {
  F32x16 sums = splat(0.0f);
  for (int64_t i = 0; i < length; i += 16) {
    const Lanes lanes(length - i);
    sums = keep(lanes, sums + load(x + i, lanes), sums);
  }
  return add_lanes(sums);
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
