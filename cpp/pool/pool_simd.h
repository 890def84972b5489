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

template <class Code>
WordSums sum_of(int64_t count, const Code& code) {
  PairSums sums = no_pairs();
  for (int64_t i = 0; i < count; i++) sums = add(sums, code(i));
  return words_of(sums);
}

// Windows of nine, or at most kWordSum, pixels; the channels that fill whole vectors of kBytes.
template <CodeType kType, bool kNine>
void average_whole(const PoolRun<uint8_t>& run, uint8_t* y, const AveragePixel& p) {
  const F32x16 offset = splat(8388608.0f + static_cast<float>((p.x_zero_point + kFlip<kType>)*run.count));
  const F32x16 multiplier = splat(p.multiplier);
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  for (int64_t pixel = 0; pixel < run.pixels; pixel++, y += run.channels) {
    for (int64_t c = 0; c + kBytes <= run.channels; c += kBytes) {
      const int64_t at = pixel * run.step + c;
      const auto code = [&](int64_t i) {
        const Bytes codes = load(fetched(run.rows[i] + at), ByteLanes(kBytes));
        return kFlip<kType> != 0 ? flipped(codes, kFlip<kType>) : codes;
      };
      WordSums sums;
      if constexpr (kNine) {
        sums = sum_of_nine(code);
      } else {
        sums = sum_of(run.count, code);
      }
      Floats v = less(sums, offset);
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
  if (whole > 0) {
    const auto average = [&]<CodeType kType>() {
      if (kSumsNine && run.count == 9) return average_whole<kType, kSumsNine>(run, y, p);
      average_whole<kType, false>(run, y, p);
    };
    x_type == CodeType::kU8 ? average.template operator()<CodeType::kU8>()
                            : average.template operator()<CodeType::kS8>();
  }
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
      Largest largest;
      for (int64_t i = 0; i < run.count; i++) largest.add(load(fetched(run.rows[i] + at), lanes));
      store(y + c, largest.get(), lanes);
    }
  }
}

// Lane kLane of the tree of numerics.md 7 once lane j has taken j + 8, and so on down to j + kHalf. Lanes from kLanes
// on hold +0, which changes no sum (none is -0). Depth first, so that few sums are at hand at once.
template <int kLanes, int kLane = 0, int kHalf = 1, class Lane>
F32x16 tree(const Lane& lane) {
  if constexpr (kHalf == 16) {
    return lane(kLane);
  } else if constexpr (kLane + kHalf < kLanes) {
    const F32x16 lower = tree<kLanes, kLane, 2 * kHalf>(lane);
    return lower + tree<kLanes, kLane + kHalf, 2 * kHalf>(lane);
  } else {
    return tree<kLanes, kLane, 2 * kHalf>(lane);
  }
}

// Windows of kCount <= 16 pixels, a lane for each of them.
template <int kCount>
F32x16 sum_few(const PoolRun<float>& run, int64_t at, Lanes lanes) {
  const F32x16 zero = splat(0.0f);
  return tree<kCount>([&](int i) { return zero + load(fetched(run.rows[i] + at), lanes); });
}

F32x16 sum_many(const PoolRun<float>& run, int64_t at, Lanes lanes) {
  return tree<16>([&](int64_t lane) {
    F32x16 sum = splat(0.0f);
    for (int64_t i = lane; i < run.count; i += 16) sum = sum + load(fetched(run.rows[i] + at), lanes);
    return sum;
  });
}

template <F32x16 (*kSum)(const PoolRun<float>&, int64_t, Lanes)>
void average_floats(const PoolRun<float>& run, float* y, float divisor) {
  const F32x16 by = splat(divisor);
  for (int64_t p = 0; p < run.pixels; p++, y += run.channels) {
    for (int64_t c = 0; c < run.channels; c += 16) {
      const Lanes lanes(run.channels - c);
      store(y + c, kSum(run, p * run.step + c, lanes) / by, lanes);
    }
  }
}

void favg(const PoolRun<float>& run, float* y, float divisor) {
  if (run.count == 4) {
    average_floats<sum_few<4>>(run, y, divisor);
  } else if (run.count == 9) {
    average_floats<sum_few<9>>(run, y, divisor);
  } else {
    average_floats<sum_many>(run, y, divisor);
  }
}

}  // namespace
}  // namespace int8
