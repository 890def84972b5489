// The end of every kernel that makes codes, on sixteen lanes. Only for files of instruction sets, behind their
// simd/lanes_<set>.h.
#pragma once

namespace int8 {
namespace {

// zero_point + rne(clamp(v, lo, hi)), bounds relative to the zero point. No lane is NaN.
class ToCodes {
 public:
  ToCodes(int32_t low, int32_t high, int32_t zero_point)
      : lo_(splat(static_cast<float>(low - zero_point))),
        hi_(splat(static_cast<float>(high - zero_point))),
        zero_point_(splat(zero_point)) {}
  I32x16 operator()(F32x16 v) const { return to_int(at_most(at_least(v, lo_), hi_)) + zero_point_; }

 private:
  F32x16 lo_, hi_;
  I32x16 zero_point_;
};

}  // namespace
}  // namespace int8
