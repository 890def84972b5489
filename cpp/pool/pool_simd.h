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
// Bytes are fetched so many ahead of their use: they mostly come from beyond the second cache.
constexpr int64_t kAhead = 2048;

template <class T>
const T* fetched(const T* x) {
  __builtin_prefetch(reinterpret_cast<const char*>(x) + kAhead, 0, 3);
  return x;
}

template <CodeType kType>
void largest_codes(const PoolRun<uint8_t>& run, uint8_t* y) {
  for (int64_t p = 0; p < run.pixels; p++, y += run.channels) {
    for (int64_t c = 0; c < run.channels; c += kBytes) {
      const ByteLanes lanes(run.channels - c);
      const int64_t at = p * run.step + c;
      Bytes largest = splat_byte(kType == CodeType::kU8 ? 0 : -128);
      for (int64_t i = 0; i < run.count; i++) {
        largest = larger<kType>(largest, load(fetched(run.rows[i] + at), lanes));
      }
      store(y + c, largest, lanes);
    }
  }
}

void qmax(const PoolRun<uint8_t>& run, CodeType type, uint8_t* y) {
  type == CodeType::kU8 ? largest_codes<CodeType::kU8>(run, y) : largest_codes<CodeType::kS8>(run, y);
}

// Windows of at most kWordSum pixels, the channels that fill whole vectors of kBytes.
template <CodeType kType>
void average_whole(const PoolRun<uint8_t>& run, uint8_t* y, const AveragePixel& p) {
  const F32x16 offset = splat(8388608.0f + static_cast<float>((p.x_zero_point + kFlip<kType>)*run.count));
  const F32x16 multiplier = splat(p.multiplier);
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  for (int64_t pixel = 0; pixel < run.pixels; pixel++, y += run.channels) {
    for (int64_t c = 0; c + kBytes <= run.channels; c += kBytes) {
      const int64_t at = pixel * run.step + c;
      PairSums sums = no_pairs();
      for (int64_t i = 0; i < run.count; i++) {
        const Bytes codes = load(fetched(run.rows[i] + at), ByteLanes(kBytes));
        sums = add(sums, kFlip<kType> != 0 ? flipped(codes, kFlip<kType>) : codes);
      }
      Floats v = less(words_of(sums), offset);
      for (F32x16& group : v.v) group = group * multiplier;
      store(y + c, to_bytes(v), ByteLanes(kBytes));
    }
  }
}

void qavg(const PoolRun<uint8_t>& run, CodeType x_type, uint8_t* y, const AveragePixel& p) {
  if (run.count > kLargestSum) {
    kPoolPortable.qavg(run, x_type, y, p);
    return;
  }
  const uint8_t flip = x_type == CodeType::kS8 ? 0x80 : 0;
  const int64_t whole = run.count > kWordSum ? 0 : run.channels / kBytes * kBytes;
  if (whole > 0 && x_type == CodeType::kU8) average_whole<CodeType::kU8>(run, y, p);
  if (whole > 0 && x_type == CodeType::kS8) average_whole<CodeType::kS8>(run, y, p);
  if (whole == run.channels) return;
  const I32x16 start = splat(static_cast<int32_t>(-(p.x_zero_point + flip) * run.count));
  const F32x16 multiplier = splat(p.multiplier);
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  for (int64_t pixel = 0; pixel < run.pixels; pixel++, y += run.channels) {
    for (int64_t c = whole; c < run.channels; c += 16) {
      const Lanes lanes(run.channels - c);
      const int64_t at = pixel * run.step + c;
      I32x16 sum = start;
      for (int64_t i = 0; i < run.count;) {
        const int64_t end = i + kWordSum < run.count ? i + kWordSum : run.count;
        U16x16 words = no_words();
        for (; i < end; i++) words = add_codes(words, run.rows[i] + at, flip, lanes);
        sum = sum + to_int(words);
      }
      store_codes(y + c, to_codes(to_float(sum) * multiplier), lanes);
    }
  }
}

void fmax(const PoolRun<float>& run, float* y) {
  for (int64_t p = 0; p < run.pixels; p++, y += run.channels) {
    for (int64_t c = 0; c < run.channels; c += 16) {
      const Lanes lanes(run.channels - c);
      const int64_t at = p * run.step + c;
      F32x16 largest = splat(-__builtin_inff());
      for (int64_t i = 0; i < run.count; i++) largest = maximum(largest, load(fetched(run.rows[i] + at), lanes));
      store(y + c, largest, lanes);
    }
  }
}

// The tree of numerics.md 7 over kSums lanes: those behind them hold +0, which changes no sum (none is -0).
template <int kSums>
F32x16 sum_of(F32x16 (&sums)[kSums]) {
  for (int half = 8; half > 0; half /= 2) {
    for (int j = 0; j < half && j + half < kSums; j++) sums[j] = sums[j] + sums[j + half];
  }
  return sums[0];
}

// kSums is the window's size, or 16 for any.
template <int kSums>
void average_floats(const PoolRun<float>& run, float* y, float divisor) {
  const F32x16 by = splat(divisor);
  for (int64_t p = 0; p < run.pixels; p++, y += run.channels) {
    for (int64_t c = 0; c < run.channels; c += 16) {
      const Lanes lanes(run.channels - c);
      const int64_t at = p * run.step + c;
      F32x16 sums[kSums];
      for (F32x16& sum : sums) sum = splat(0.0f);
      if (kSums < 16) {
        for (int i = 0; i < kSums; i++) sums[i] = sums[i] + load(fetched(run.rows[i] + at), lanes);
      } else {
        for (int64_t i = 0; i < run.count; i++) sums[i % kSums] = sums[i % kSums] + load(fetched(run.rows[i] + at), lanes);
      }
      store(y + c, sum_of(sums) / by, lanes);
    }
  }
}

void favg(const PoolRun<float>& run, float* y, float divisor) {
  if (run.count == 4) {
    average_floats<4>(run, y, divisor);
  } else if (run.count == 9) {
    average_floats<9>(run, y, divisor);
  } else {
    average_floats<16>(run, y, divisor);
  }
}

}  // namespace
}  // namespace int8
