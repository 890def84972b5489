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

void qmax(const PoolWindow<uint8_t>& window, CodeType type, uint8_t* y) {
  for (int64_t c = 0; c < window.channels; c++) {
    int32_t largest = type == CodeType::kU8 ? 0 : -128;
    for (int64_t i = 0; i < window.count; i++) largest = std::max(largest, value(window.rows[i][c], type));
    y[c] = static_cast<uint8_t>(largest);
  }
}

void qavg(const PoolWindow<uint8_t>& window, CodeType x_type, uint8_t* y, const AveragePixel& p) {
  const auto lo = static_cast<float>(p.lo - p.y_zero_point), hi = static_cast<float>(p.hi - p.y_zero_point);
  for (int64_t c = 0; c < window.channels; c++) {
    int64_t sum = 0;
    for (int64_t i = 0; i < window.count; i++) sum += value(window.rows[i][c], x_type) - p.x_zero_point;
    y[c] = to_code(static_cast<float>(sum) * p.multiplier, lo, hi, p.y_zero_point);
  }
}

void fmax(const PoolWindow<float>& window, float* y) {
  for (int64_t c = 0; c < window.channels; c++) {
    float largest = -std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < window.count; i++) largest = maximum(largest, window.rows[i][c]);
    y[c] = largest;
  }
}

void favg(const PoolWindow<float>& window, float* y, float divisor) {
  for (int64_t c = 0; c < window.channels; c++) {
    float lanes[16] = {};
    for (int64_t i = 0; i < window.count; i++) lanes[i % 16] += window.rows[i][c];
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    }
    y[c] = lanes[0] / divisor;
  }
}

}  // namespace

const PoolKernels kPoolPortable = {qmax, qavg, fmax, favg};

}  // namespace int8
