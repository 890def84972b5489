// Cuts a tensor with one parameter per channel into runs that the kernels take: the shared half of the drivers.
#pragma once

#include <algorithm>

#include "int8/elementwise.h"

namespace int8 {

// Elements of a grain (parallel_for).
template <class T>
inline constexpr int64_t kGrain = (int64_t{1} << 15) / static_cast<int64_t>(sizeof(T));  // loads, a little, stores
inline constexpr int64_t kGrainDivision = int64_t{1} << 12;                              // polynomials and divisions

inline int64_t split_size(const ChannelSplit& split) {
  return split.outer * split.channels * split.inner;
}

// Parameters of the channels, A and B of each. With few channels innermost, runs would be short: the parameters are
// then repeated up to a longer period.
template <class A, class B>
class ChannelParams {
 public:
  ChannelParams(const ChannelSplit& split, const A* a, const B* b)
      : a_(a), b_(b), period_(split.channels), inner_(split.inner) {
    if (inner_ != 1 || period_ <= 1 || period_ > kShort) return;
    const int64_t channels = period_;
    period_ = kLong / channels * channels;
    for (int64_t i = 0; i < period_; ++i) {
      repeated_a_[i] = a[i % channels];
      repeated_b_[i] = b[i % channels];
    }
    a_ = repeated_a_;
    b_ = repeated_b_;
  }
  ChannelParams(const ChannelParams&) = delete;
  ChannelParams& operator=(const ChannelParams&) = delete;

  // Calls fn(first element, elements, A*, B*, whether they vary along the run) for runs that cover [begin, end).
  template <class Fn>
  void for_runs(int64_t begin, int64_t end, Fn fn) const {
    if (period_ == 1) return fn(begin, end - begin, a_, b_, false);
    const bool varying = inner_ == 1;
    for (int64_t i = begin; i < end;) {
      const int64_t channel = i / inner_ % period_;
      const int64_t n = std::min(end - i, varying ? period_ - channel : inner_ - i % inner_);
      fn(i, n, a_ + channel, b_ + channel, varying);
      i += n;
    }
  }

 private:
  static constexpr int64_t kShort = 128, kLong = 384;
  const A* a_;
  const B* b_;
  int64_t period_;
  int64_t inner_;
  A repeated_a_[kLong];
  B repeated_b_[kLong];
};

}  // namespace int8
