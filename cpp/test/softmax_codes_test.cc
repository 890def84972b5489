// Softmax on codes, on every instruction set, against integers wide enough for any quotient: rows about the length from
// which a table serves, about whole vectors, of codes of both types, near and far from each other.
#include <gtest/gtest.h>

#include <cmath>

#include "core/cpu_features.h"
#include "reduce/kernels.h"
#include "support/guarded.h"
#include "support/random.h"

namespace int8::test {
namespace {

__extension__ typedef unsigned __int128 Wide;

// A float32 scale as mantissa * 2^-shift.
struct Scale {
  uint64_t mantissa;
  int shift;
};

// rne(t / (sum * scale))
int64_t quotient(uint64_t t, uint64_t sum, const Scale& scale) {
  const Wide top = static_cast<Wide>(t) << scale.shift, bottom = static_cast<Wide>(sum) * scale.mantissa;
  const auto whole = static_cast<int64_t>(top / bottom);
  const Wide rest = 2 * (top % bottom);
  return whole + (rest > bottom || (rest == bottom && whole % 2 == 1) ? 1 : 0);
}

std::vector<int32_t> table_of(double steepness) {
  std::vector<int32_t> table(256);
  for (size_t d = 0; d < table.size(); d++) {
    table[d] = static_cast<int32_t>(std::nearbyint(8388608 * std::exp(-static_cast<double>(d) * steepness)));
  }
  return table;
}

struct Case {
  CodeType type;
  Scale scale;
  int32_t zero_point, lo, hi;
};

class SoftmaxCodesRows : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!isa_supported(GetParam())) GTEST_SKIP() << "this CPU lacks " << isa_name(GetParam());
  }

  // Rows of codes that differ by less than `range`, in buffers that end with them.
  void check(int64_t rows, int64_t length, int range, const std::vector<int32_t>& table, const Case& c) {
    const auto size = static_cast<size_t>(rows * length);
    Guarded x(size, 1, Guarded::Side::kAfter), y(size, 1, Guarded::Side::kAfter);
    random.fill(x.bytes());
    for (uint8_t& code : x.bytes()) code = static_cast<uint8_t>(code % range + 256 - range);
    const auto value = [&](size_t i) {
      return c.type == CodeType::kS8 ? static_cast<int8_t>(x.bytes()[i]) : static_cast<int>(x.bytes()[i]);
    };
    const float scale = std::ldexp(static_cast<float>(c.scale.mantissa), -c.scale.shift);
    select_row(reduce_rows(), GetParam())
        .kernels->softmax_codes_rows(x.bytes().data(), c.type, y.bytes().data(), rows, length,
                                     {table, scale, c.zero_point, c.lo, c.hi});
    for (size_t begin = 0; begin < size; begin += static_cast<size_t>(length)) {
      const size_t end = begin + static_cast<size_t>(length);
      int largest = -128;
      for (size_t i = begin; i < end; i++) largest = std::max(largest, value(i));
      const auto t = [&](size_t i) { return static_cast<uint64_t>(table[static_cast<size_t>(largest - value(i))]); };
      uint64_t sum = 0;
      for (size_t i = begin; i < end; i++) sum += t(i);
      for (size_t i = begin; i < end; i++) {
        const int64_t want = std::clamp<int64_t>(c.zero_point + quotient(t(i), sum, c.scale), c.lo, c.hi);
        ASSERT_EQ(y.bytes()[i], static_cast<uint8_t>(want)) << "length " << length << ", element " << i;
      }
    }
    EXPECT_TRUE(y.untouched());
  }

  Random random{5};
};

std::vector<Isa> isas() {
  std::vector<Isa> all;
  for (const auto& row : reduce_rows()) all.push_back(row.isa);
  return all;
}
INSTANTIATE_TEST_SUITE_P(Isas, SoftmaxCodesRows, ::testing::ValuesIn(isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

TEST_P(SoftmaxCodesRows, RoundTheExactQuotientHalfToEven) {
  // 1/256, 1/2, 1/255, 2/3 and 2^-20 as float32.
  const Case cases[] = {{CodeType::kU8, {1, 8}, 0, 0, 255},
                        {CodeType::kS8, {1, 1}, 0, 0, 255},
                        {CodeType::kS8, {8421505, 31}, -128, -128, 127},
                        {CodeType::kU8, {11184811, 24}, 3, 2, 200},
                        {CodeType::kU8, {1, 20}, 0, 0, 255}};
  for (const double steepness : {0.0, 0.003, 0.05, std::log(2.0)}) {
    const std::vector<int32_t> table = table_of(steepness);
    for (const Case& c : cases) {
      for (const int64_t length : {1, 2, 3, 4, 7, 32, 159, 160, 161, 191, 192, 193, 255, 256, 512, 1000}) {
        for (const int range : {1, 2, 40, 256}) check(2, length, range, table, c);
      }
    }
  }
}

TEST_P(SoftmaxCodesRows, AddEntriesUpWithoutLoss) {
  // A sum above 2^32, of entries that use all of their three bytes.
  std::vector<int32_t> table(256, 0x7fffff);
  table[0] = 1 << 23;
  check(1, 70001, 256, table, {CodeType::kS8, {1, 24}, 0, 0, 255});
}

}  // namespace
}  // namespace int8::test
