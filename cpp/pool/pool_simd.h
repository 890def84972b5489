// Pools over channels on sixteen lanes, or more for the largest code: tails in part (numerics.md 6, 7). Only for files
// of instruction sets, behind their simd/lanes_<set>.h.
//
// Average of codes: codes as unsigned bytes add up in words, at most 256 of them, and those in int32; s8 codes are
// shifted to u8 and the shift is repaid with the zero point. Sums stay below 2^31 for windows of up to 2^22 pixels, and
// the portable kernel, which sums in 64 bits, takes larger ones. Average of floats: lane j of the 16 of numerics.md 7
// is a sum of its own for each of sixteen channels.
#pragma once

#include "elementwise/to_codes_simd.h"
#include "pool/kernels.h"

namespace int8 {
namespace {

constexpr int64_t kLargestSum = int64_t{1} << 22;
constexpr int64_t kWordSum = 256;

template <CodeType kType>
void largest_codes(const PoolWindow<uint8_t>& window, uint8_t* y) {
  for (int64_t c = 0; c < window.channels; c += kBytes) {
    const ByteLanes lanes(window.channels - c);
    Bytes largest = splat_byte(kType == CodeType::kU8 ? 0 : -128);
    for (int64_t i = 0; i < window.count; i++) largest = larger<kType>(largest, load(window.rows[i] + c, lanes));
    store(y + c, largest, lanes);
  }
}

void qmax(const PoolWindow<uint8_t>& window, CodeType type, uint8_t* y) {
  type == CodeType::kU8 ? largest_codes<CodeType::kU8>(window, y) : largest_codes<CodeType::kS8>(window, y);
}

// Windows of at most kWordSum pixels: kBytes channels at a time; returns how many were done.
int64_t average_whole(const PoolWindow<uint8_t>& window, uint8_t flip, uint8_t* y, const AveragePixel& p) {
  const F32x16 offset = splat(8388608.0f + static_cast<float>((p.x_zero_point + flip) * window.count));
  const F32x16 multiplier = splat(p.multiplier);
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  int64_t c = 0;
  for (; c + kBytes <= window.channels; c += kBytes) {
    WordSums sums = no_sums();
    for (int64_t i = 0; i < window.count; i++) sums = add(sums, load(window.rows[i] + c, ByteLanes(kBytes)), flip);
    Floats v = less(sums, offset);
    for (F32x16& group : v.v) group = group * multiplier;
    store(y + c, to_bytes(v), ByteLanes(kBytes));
  }
  return c;
}

void qavg(const PoolWindow<uint8_t>& window, CodeType x_type, uint8_t* y, const AveragePixel& p) {
  if (window.count > kLargestSum) {
    kPoolPortable.qavg(window, x_type, y, p);
    return;
  }
  const uint8_t flip = x_type == CodeType::kS8 ? 0x80 : 0;
  const I32x16 start = splat(static_cast<int32_t>(-(p.x_zero_point + flip) * window.count));
  const F32x16 multiplier = splat(p.multiplier);
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  int64_t c = window.count > kWordSum ? 0 : average_whole(window, flip, y, p);
  for (; c < window.channels; c += 16) {
    const Lanes lanes(window.channels - c);
    I32x16 sum = start;
    for (int64_t i = 0; i < window.count;) {
      const int64_t end = i + kWordSum < window.count ? i + kWordSum : window.count;
      U16x16 words = no_words();
      for (; i < end; i++) words = add_codes(words, window.rows[i] + c, flip, lanes);
      sum = sum + to_int(words);
    }
    store_codes(y + c, to_codes(to_float(sum) * multiplier), lanes);
  }
}

void fmax(const PoolWindow<float>& window, float* y) {
  for (int64_t c = 0; c < window.channels; c += 16) {
    const Lanes lanes(window.channels - c);
    F32x16 largest = splat(-__builtin_inff());
    for (int64_t i = 0; i < window.count; i++) largest = maximum(largest, load(window.rows[i] + c, lanes));
    store(y + c, largest, lanes);
  }
}

void favg(const PoolWindow<float>& window, float* y, float divisor) {
  const F32x16 by = splat(divisor);
  for (int64_t c = 0; c < window.channels; c += 16) {
    const Lanes lanes(window.channels - c);
    F32x16 sums[16];
    for (F32x16& sum : sums) sum = splat(0.0f);
    for (int64_t i = 0; i < window.count; i++) sums[i % 16] = sums[i % 16] + load(window.rows[i] + c, lanes);
    for (int half = 8; half > 0; half /= 2) {
      for (int j = 0; j < half; j++) sums[j] = sums[j] + sums[j + half];
    }
    store(y + c, sums[0] / by, lanes);
  }
}

}  // namespace
}  // namespace int8
