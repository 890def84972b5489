// Softmax on codes (numerics.md 6): the arithmetic of one result, which portable code does for each of them and vector
// code where a quotient lies so near a half that float64 does not tell the sides apart. Internal to each file that
// includes it.
#pragma once

#include <algorithm>
#include <cmath>

#include "int8/reduce.h"

namespace int8 {
namespace {

// Codes of a row from which on a table of results pays: a result depends on its code alone.
constexpr int64_t kLongRow = 160;
// Quotients that end in a half, within this, are settled in integers.
constexpr double kNearHalf = 0x1p-30;

// One row's sum of entries times the scale of y.
class SoftmaxDivisor {
 public:
  SoftmaxDivisor(uint64_t sum, float scale) : sum_(sum) {
    int exponent = 0;
    const float fraction = std::frexp(scale, &exponent);
    mantissa_ = static_cast<uint64_t>(std::ldexp(fraction, 24));
    shift_ = 24 - exponent;
    inverse_ = 1.0 / (static_cast<double>(sum) * static_cast<double>(scale));
  }
  // A quotient is about t times this; below 1024 the four roundings of float64 err by less than 2^-40.
  double inverse() const { return inverse_; }
  // rne(t / (sum*scale)), or any number from 1000 on where it is that large.
  int32_t quotient(int32_t t) const {
    const double value = t * inverse_;
    if (!(value < 1024)) return 1024;
    const auto whole = static_cast<int32_t>(value);
    const double rest = value - whole - 0.5;
    if (std::fabs(rest) >= kNearHalf) return whole + (rest > 0 ? 1 : 0);
    const int side = compare_half(static_cast<uint64_t>(t), static_cast<uint64_t>(whole));
    return whole + (side > 0 || (side == 0 && whole % 2 == 1) ? 1 : 0);
  }

 private:
  // The sign of t / (sum*scale) - (whole + 1/2), which is near 0: 2*t*2^shift against (2*whole + 1)*sum*mantissa, both
  // in two digits of base 2^27.
  int compare_half(uint64_t t, uint64_t whole) const {
    constexpr int kDigit = 27;
    constexpr uint64_t kMask = (uint64_t{1} << kDigit) - 1;
    const uint64_t factor = (2 * whole + 1) * mantissa_;  // below 2^35
    const uint64_t low = factor * (sum_ & kMask);
    const uint64_t b_high = factor * (sum_ >> kDigit) + (low >> kDigit), b_low = low & kMask;
    // Near 0 the left side is about as large as the right; its bits from `shift` down are 0.
    const uint64_t a_high = shift_ >= kDigit ? 2 * t << (shift_ - kDigit) : 2 * t << shift_ >> kDigit;
    const uint64_t a_low = shift_ >= kDigit ? 0 : 2 * t << shift_ & kMask;
    if (a_high != b_high) return a_high < b_high ? -1 : 1;
    return a_low < b_low ? -1 : a_low > b_low ? 1 : 0;
  }

  uint64_t sum_, mantissa_;
  int shift_;
  double inverse_;
};

// What turns a code of either type into u8, order kept.
inline uint8_t softmax_flip(CodeType type) {
  return type == CodeType::kS8 ? 0x80 : 0;
}

}  // namespace
}  // namespace int8
