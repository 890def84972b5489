// Integers from JavaScript, multiplied and added without overflow. Everything that a length is computed from goes
// through here, so a hostile size ends as "too large" and never wraps into a small buffer.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>

namespace binding {

// Dimensions, strides of windows, paddings: what an int32 holds. Products of two fit an int64.
inline constexpr int64_t kMaxDim = std::numeric_limits<int32_t>::max();
// Integers that a JavaScript number holds exactly.
inline constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;

// a * b for a, b >= 0.
inline std::optional<int64_t> multiply(int64_t a, int64_t b) {
  if (a != 0 && b > std::numeric_limits<int64_t>::max() / a) return std::nullopt;
  return a * b;
}

// Product of non-negative factors, at most kMaxInteger.
inline std::optional<int64_t> product(std::span<const int64_t> factors) {
  int64_t result = 1;
  bool overflow = false;
  for (const int64_t factor : factors) {
    if (factor == 0) return 0;
    if (result > kMaxInteger / factor) {
      overflow = true;
    } else {
      result *= factor;
    }
  }
  return overflow ? std::nullopt : std::optional<int64_t>{result};
}
inline std::optional<int64_t> product(std::initializer_list<int64_t> factors) {
  return product(std::span<const int64_t>{factors.begin(), factors.size()});
}

// The smallest and the largest index that `offset + sum i_d * strides_d` takes for 0 <= i_d < shape_d, all shape_d > 0.
struct Extent {
  int64_t first = 0;
  int64_t last = 0;
};
inline std::optional<Extent> extent(int64_t offset, std::span<const int64_t> shape, std::span<const int64_t> strides) {
  Extent e{offset, offset};
  for (size_t d = 0; d < shape.size(); d++) {
    const int64_t stride = strides[d];
    const auto reach = multiply(shape[d] - 1, stride < 0 ? -stride : stride);
    if (!reach || *reach > kMaxInteger) return std::nullopt;
    (stride < 0 ? e.first : e.last) += stride < 0 ? -*reach : *reach;
    if (e.first < -kMaxInteger || e.last > kMaxInteger) return std::nullopt;
  }
  return e;
}

}  // namespace binding
