// Where the rows of a GEMM come from: one after the other (linear, 1x1), or through the windows of a convolution.
#pragma once

#include "int8/types.h"

namespace int8 {

// out[i] = from + i*step. Making pointers is a measurable part of a 3x3 layer's time, so four go out at a time.
inline void ascend(const uint8_t* from, int64_t step, int64_t count, const uint8_t** out) {
  int64_t i = 0;
  for (; i + 4 <= count; i += 4, from += 4 * step) {
    out[i] = from;
    out[i + 1] = from + step;
    out[i + 2] = from + 2 * step;
    out[i + 3] = from + 3 * step;
  }
  for (; i < count; i++, from += step) out[i] = from;
}

// Row r is at x + r*pitch; one tap.
struct DenseRows {
  const uint8_t* x;
  int64_t pitch;
  void fill(int64_t first, int64_t count, int64_t, const uint8_t** rows) const {
    ascend(x + first * pitch, pitch, count, rows);
  }
};

// Row r is the window of output pixel r, counted over images, depth, height and width: one tap for each kernel
// position, which points at the input pixel under it, or at `padding` where that lies outside. Nothing is copied.
struct WindowRows {
  const uint8_t* x;        // channels-last
  const uint8_t* padding;  // one pixel of the input's zero point
  const ConvGeometry* geometry;
  void fill(int64_t first, int64_t count, int64_t pitch, const uint8_t** rows) const;
};

}  // namespace int8
