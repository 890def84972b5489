// Softmax on codes against integers wide enough for any quotient, on rows about the length from which a table serves.
#include <gtest/gtest.h>

#include <cmath>

#include "int8/reduce.h"
#include "support/guarded.h"
#include "support/random.h"

namespace int8::test {
namespace {

__extension__ typedef unsigned __int128 Wide;

// rne(t / (sum * mantissa * 2^-shift))
int64_t quotient(uint64_t t, uint64_t sum, uint64_t mantissa, int shift) {
  const Wide top = static_cast<Wide>(t) << shift, bottom = static_cast<Wide>(sum) * mantissa;
  const auto whole = static_cast<int64_t>(top / bottom);
  const Wide rest = 2 * (top % bottom);
  return whole + (rest > bottom || (rest == bottom && whole % 2 == 1) ? 1 : 0);
}

TEST(SoftmaxCodes, RoundsTheExactQuotientHalfToEven) {
  Random random(5);
  // 1/256, 1/2, 1/255 and 2/3 as float32.
  const struct {
    uint64_t mantissa;
    int shift;
  } scales[] = {{1, 8}, {1, 1}, {8421505, 31}, {11184811, 24}};
  for (const auto& scale : scales) {
    for (const double steepness : {0.0, 0.003, 0.05, std::log(2.0)}) {
      std::vector<int32_t> table(256);
      for (int d = 0; d < 256; d++)
        table[static_cast<size_t>(d)] = static_cast<int32_t>(std::nearbyint(8388608 * std::exp(-d * steepness)));
      for (const int64_t length : {1, 2, 3, 4, 7, 32, 255, 256, 512, 1000}) {
        const auto size = static_cast<size_t>(length);
        Guarded x(size, 1, Guarded::Side::kAfter), y(size, 1, Guarded::Side::kAfter);
        random.fill(x.bytes());
        softmax_codes({x.bytes(), CodeType::kS8}, {y.bytes(), CodeType::kU8}, 1, length,
                      {.table = table, .scale = std::ldexp(static_cast<float>(scale.mantissa), -scale.shift)});
        int largest = -128;
        for (const uint8_t code : x.bytes()) largest = std::max<int>(largest, static_cast<int8_t>(code));
        const auto t = [&](size_t i) {
          return static_cast<uint64_t>(table[static_cast<size_t>(largest - static_cast<int8_t>(x.bytes()[i]))]);
        };
        uint64_t sum = 0;
        for (size_t i = 0; i < size; i++) sum += t(i);
        for (size_t i = 0; i < size; i++) {
          ASSERT_EQ(y.bytes()[i], std::min<int64_t>(255, quotient(t(i), sum, scale.mantissa, scale.shift)))
              << "length " << length << " steepness " << steepness << " shift " << scale.shift;
        }
        EXPECT_TRUE(y.untouched());
      }
    }
  }
}

}  // namespace
}  // namespace int8::test
