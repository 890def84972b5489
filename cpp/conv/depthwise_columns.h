// The columns of a square depthwise kernel's lines, one after the other. The text that instruction sets share; only
// their files include it, after the macros that it is written with.
#pragma once

#include "conv/depthwise.h"

namespace int8 {
namespace {

// kLines lines from `line` on, `tap_step` from one to the next.
template <int kLines>
class DepthwiseColumns {
 public:
  const uint8_t* at[kLines];  // a column is at these plus its distance

  INT8_INLINE DepthwiseColumns(const DepthwiseSquare& s, int64_t line, int64_t first)
      : column_(s.column), left_(s.left), square_(&s), lines_(s.lines + line), first_(first) {
    INT8_UNROLL for (int t = 0; t < kLines; t++) at[t] = lines_[t * s.tap_step].left + first;
    distance_ = 0;
  }

  // The distance of the next column.
  INT8_INLINE int64_t next() {
    if (left_ == 0) [[unlikely]] {
      turn();
    }
    left_--;
    const int64_t distance = distance_;
    distance_ += column_;
    return distance;
  }

 private:
  // From one part of the lines to the next that has columns.
  INT8_INLINE void turn() {
    const DepthwiseSquare& s = *square_;
    const bool to_body = !in_body_ && s.body > 0;
    in_body_ = true;
    left_ = to_body ? s.body : INT64_MAX;
    distance_ = 0;
    INT8_UNROLL for (int t = 0; t < kLines; t++) {
      const DepthwiseLine& line = lines_[t * s.tap_step];
      at[t] = (to_body ? line.body : line.right) + first_;
    }
  }

  int64_t distance_;
  int64_t column_;
  int64_t left_;
  const DepthwiseSquare* square_;
  const DepthwiseLine* lines_;
  int64_t first_;
  bool in_body_ = false;
};

}  // namespace
}  // namespace int8
