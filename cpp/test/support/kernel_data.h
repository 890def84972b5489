// Data and comparisons of the kernel tests: replayable random numbers, the floats that break things, exact equality.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace int8 {

using Random = std::mt19937;

// Lengths around every vector width, and one of many vectors.
inline const std::vector<int64_t>& tail_lengths() {
  static const std::vector<int64_t> lengths{0,  1,  2,  3,  4,  5,  7,  8,  9,  15,  16,  17,  23,
                                            31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 129, 1000};
  return lengths;
}

// Zeros of both signs, denormals, ties, the largest, infinities, NaN.
inline const std::vector<float>& special_floats() {
  using limits = std::numeric_limits<float>;
  static const std::vector<float> values{0.0f,
                                         -0.0f,
                                         0.5f,
                                         -0.5f,
                                         1.5f,
                                         -1.5f,
                                         2.5f,
                                         -2.5f,
                                         1.0f,
                                         -1.0f,
                                         3.0f,
                                         -3.0f,
                                         6.0f,
                                         0.625f,
                                         0.62499994f,
                                         -0.625f,
                                         limits::denorm_min(),
                                         -limits::denorm_min(),
                                         limits::min(),
                                         -limits::min(),
                                         1e-40f,
                                         limits::max(),
                                         limits::lowest(),
                                         limits::infinity(),
                                         -limits::infinity(),
                                         limits::quiet_NaN(),
                                         88.72283f,
                                         88.72284f,
                                         -87.4f,
                                         -103.97f,
                                         -103.98f,
                                         104.0f,
                                         -200.0f,
                                         2147483648.0f,
                                         -2147483648.0f,
                                         2147483520.0f,
                                         4294967296.0f,
                                         -4294967296.0f,
                                         1e10f,
                                         -1e30f};
  return values;
}

inline std::vector<uint8_t> random_codes(Random& random, int64_t n) {
  std::vector<uint8_t> codes(static_cast<size_t>(n));
  for (auto& c : codes) c = static_cast<uint8_t>(random());
  return codes;
}

inline std::vector<float> random_floats(Random& random, int64_t n, float bound = 8.0f) {
  std::uniform_real_distribution<float> in_range(-bound, bound);
  std::vector<float> values(static_cast<size_t>(n));
  for (auto& v : values) v = in_range(random);
  return values;
}

// Any bit pattern, special values and ordinary ones.
inline std::vector<float> hostile_floats(Random& random, int64_t n) {
  std::vector<float> values = random_floats(random, n, 40.0f);
  for (auto& v : values) {
    switch (random() % 4) {
      case 0:
        v = special_floats()[random() % special_floats().size()];
        break;
      case 1:
        v = std::bit_cast<float>(static_cast<uint32_t>(random()));
        break;
      default:
        break;
    }
  }
  return values;
}

// The same bits; any NaN equals any NaN.
inline bool same_bits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}
template <class T>
bool same_bits(T a, T b) {
  return a == b;
}

template <class T>
::testing::AssertionResult same(const std::vector<T>& got, const std::vector<T>& want) {
  if (got.size() != want.size()) return ::testing::AssertionFailure() << got.size() << " elements, not " << want.size();
  for (size_t i = 0; i < got.size(); ++i) {
    if (!same_bits(got[i], want[i])) {
      return ::testing::AssertionFailure()
             << "element " << i << " of " << got.size() << " is " << +got[i] << ", not " << +want[i];
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace int8
