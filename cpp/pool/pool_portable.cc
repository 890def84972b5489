// Pools in plain C++: numerics.md 6 and 7, the twin of src/backend/js/pool.ts.
#include <algorithm>
#include <limits>

#include "elementwise/math.h"
#include "pool/kernels.h"

namespace int8 {
namespace {

int32_t value(uint8_t code, CodeType type) {
  return type == CodeType::kU8 ? code : static_cast<int8_t>(code);
}

// Calls fn for each channel of each output pixel: its place in the rows, and in y.
template <class T, class Fn>
void for_each(const PoolRun<T>& run, Fn fn) {
  for (int64_t p = 0; p < run.pixels; p++) {
    for (int64_t c = 0; c < run.channels; c++) fn(p * run.step + c, p * run.channels + c);
  }
}

void qmax(const PoolRun<uint8_t>& run, CodeType type, uint8_t* y) {
  for_each(run, [&](int64_t at, int64_t to) {
    int32_t largest = type == CodeType::kU8 ? 0 : -128;
    for (int64_t i = 0; i < run.count; i++) largest = std::max(largest, value(run.rows[i][at], type));
    y[to] = static_cast<uint8_t>(largest);
  });
}

void qavg(const PoolRun<uint8_t>& run, CodeType x_type, uint8_t* y, const AveragePixel& p) {
  const auto lo = static_cast<float>(p.lo - p.y_zero_point), hi = static_cast<float>(p.hi - p.y_zero_point);
  for_each(run, [&](int64_t at, int64_t to) {
    int64_t sum = 0;
    for (int64_t i = 0; i < run.count; i++) sum += value(run.rows[i][at], x_type) - p.x_zero_point;
    y[to] = to_code(static_cast<float>(sum) * p.multiplier, lo, hi, p.y_zero_point);
  });
}

void fmax(const PoolRun<float>& run, float* y) {
  for_each(run, [&](int64_t at, int64_t to) {
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < run.count; i++) largest = maximum(largest, run.rows[i][at]);
    y[to] = largest;
  });
}

void favg(const PoolRun<float>& run, float* y, float divisor) {
  for_each(run, [&](int64_t at, int64_t to) {
    float lanes[16] = {};
    for (int64_t i = 0; i < run.count; i++) lanes[i % 16] += run.rows[i][at];
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    }
    y[to] = lanes[0] / divisor;
  });
}

}  // namespace

const PoolKernels kPoolPortable = {qmax, qavg, fmax, favg};

}  // namespace int8
