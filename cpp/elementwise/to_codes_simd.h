// The beginning and the end of kernels on codes, on sixteen lanes and on codes as they lie. Only for files of
// instruction sets, behind their simd/lanes_<set>.h.
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

// Codes of both signs as u8, zero points and bounds with them.
template <CodeType kType>
inline constexpr uint8_t kFlip = kType == CodeType::kS8 ? 0x80 : 0;
template <CodeType kType>
F32x16 offset_of(int32_t zero_point) {
  return splat(8388608.0f + static_cast<float>(zero_point + kFlip<kType>));
}
// kBytes codes less their zero point.
template <CodeType kType>
Floats centred(const uint8_t* x, F32x16 offset) {
  return less(add(no_sums(), load(x, ByteLanes(kBytes)), kFlip<kType>), offset);
}

// Floats to codes within [lo, hi], many at a time: the clamp commutes with the rounding, so it is left to bytes. They
// are those of a signed type where a bound or the zero point is below 0; where none is, either type has the same bytes.
class ToBytes {
 public:
  ToBytes(int32_t lo, int32_t hi, int32_t zero_point)
      : flip_(lo < 0 || zero_point < 0 ? 0x80 : 0),
        zero_point_(static_cast<int16_t>(zero_point + flip_)),
        lo_(splat_byte(lo + flip_)),
        hi_(splat_byte(hi + flip_)) {}
  Bytes operator()(const Floats& x) const {
    return flipped(smaller<CodeType::kU8>(larger<CodeType::kU8>(rounded(x, zero_point_), lo_), hi_), flip_);
  }

 private:
  uint8_t flip_;
  int16_t zero_point_;
  Bytes lo_, hi_;
};

}  // namespace
}  // namespace int8
