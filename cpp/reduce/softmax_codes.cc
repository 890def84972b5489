// Softmax on codes: numerics.md 6, the twin of src/backend/js/softmax-codes.ts. Exact integers and one division in
// float64, whose rounding is settled in integers where it could matter.
#include <algorithm>
#include <cmath>

#include "elementwise/kernels.h"
#include "int8/reduce.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// Codes of a row from which on a table of results pays.
constexpr int64_t kLongRow = 128;

// A float32 scale as mantissa * 2^-shift.
struct Scale {
  double value;
  uint64_t mantissa;  // 24 bits
  int shift;
};
Scale scale_of(float scale) {
  int exponent = 0;
  const float fraction = std::frexp(scale, &exponent);
  return {scale, static_cast<uint64_t>(std::ldexp(fraction, 24)), 24 - exponent};
}

// The sign of t / (sum*scale) - (quotient + 1/2), which is near 0: 2*t*2^shift against (2*quotient + 1)*sum*mantissa,
// both in two digits of base 2^27.
int compare_half(uint64_t t, uint64_t sum, const Scale& scale, uint64_t quotient) {
  constexpr int kDigit = 27;
  constexpr uint64_t kMask = (uint64_t{1} << kDigit) - 1;
  const uint64_t factor = (2 * quotient + 1) * scale.mantissa;  // below 2^35
  const uint64_t low = factor * (sum & kMask);
  const uint64_t b_high = factor * (sum >> kDigit) + (low >> kDigit), b_low = low & kMask;
  // Near 0 the left side is about as large as the right; its bits from `shift` down are 0.
  const uint64_t a_high = scale.shift >= kDigit ? 2 * t << (scale.shift - kDigit) : 2 * t << scale.shift >> kDigit;
  const uint64_t a_low = scale.shift >= kDigit ? 0 : 2 * t << scale.shift & kMask;
  if (a_high != b_high) return a_high < b_high ? -1 : 1;
  return a_low < b_low ? -1 : a_low > b_low ? 1 : 0;
}

// clamp(zero_point + rne(t / (sum*scale)), lo, hi)
uint8_t divide(uint64_t t, uint64_t sum, const Scale& scale, const SoftmaxCodes& p) {
  const double value = static_cast<double>(t) / (static_cast<double>(sum) * scale.value);
  if (!(value < 1024)) return static_cast<uint8_t>(p.hi);
  const auto whole = static_cast<int32_t>(value);
  const double rest = value - whole - 0.5;
  int32_t rounded = whole + (rest > 0 ? 1 : 0);
  // Two float64 operations err by less than 2^-40 here.
  if (std::fabs(rest) < 0x1p-30) {
    const int side = compare_half(t, sum, scale, static_cast<uint64_t>(whole));
    rounded = whole + (side > 0 || (side == 0 && whole % 2 == 1) ? 1 : 0);
  }
  return static_cast<uint8_t>(std::clamp(p.zero_point + rounded, p.lo, p.hi));
}

void softmax_row(const uint8_t* x, uint8_t* y, int64_t length, uint8_t flip, const Scale& scale,
                 const SoftmaxCodes& p) {
  uint8_t largest = 0;
  for (int64_t i = 0; i < length; i++) largest = std::max<uint8_t>(largest, x[i] ^ flip);
  // Four sums, so that additions do not wait for each other.
  uint64_t sums[4] = {};
  for (int64_t i = 0; i < length; i++) sums[i % 4] += static_cast<uint64_t>(p.table[largest - (x[i] ^ flip)]);
  const uint64_t sum = sums[0] + sums[1] + sums[2] + sums[3];
  if (length < kLongRow) {
    for (int64_t i = 0; i < length; i++) {
      y[i] = divide(static_cast<uint64_t>(p.table[largest - (x[i] ^ flip)]), sum, scale, p);
    }
    return;
  }
  // A result depends on its code alone: a long row has a table of them, which each instruction set looks up its own
  // way.
  uint8_t results[256] = {};
  for (int d = 0; d <= largest; d++) {
    results[(largest - d) ^ flip] = divide(static_cast<uint64_t>(p.table[d]), sum, scale, p);
  }
  elementwise_kernels().codes->lookup(x, y, length, results);
}

}  // namespace

void softmax_codes(const CodesIn& x, const CodesOut& y, int64_t rows, int64_t length, const SoftmaxCodes& p) {
  const Scale scale = scale_of(p.scale);
  const uint8_t flip = x.type == CodeType::kS8 ? 0x80 : 0;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      softmax_row(x.bytes.data() + row * length, y.bytes.data() + row * length, length, flip, scale, p);
    }
  };
  parallel_for(rows, std::max<int64_t>(1, (int64_t{1} << 13) / std::max<int64_t>(length, 1)), task);
}

}  // namespace int8
