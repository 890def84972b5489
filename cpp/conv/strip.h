// Strips: a rectangle of output pixels with the input under it, copied once into working memory with a border of the
// input's zero point. Kernels that read a strip know no padding, and may read past a row's end.
#pragma once

#include <atomic>

#include "int8/thread_pool.h"
#include "int8/types.h"

namespace int8 {

// Output pixels of one strip, and how many strips cover an image.
struct StripPlan {
  int64_t rows, columns;        // output pixels of a strip; the last ones have fewer
  int64_t across_rows, across;  // strips along the height; strips of one output slice
  int64_t total;                // strips in all: images * output depth * across
};
// pixel_bytes: bytes of a pixel in the strip. macs decides whether it is cut for several threads.
StripPlan plan_strips(const ConvGeometry& geometry, int64_t pixel_bytes, bool threads);

// One strip of the plan: where it lies in the output, and the layout of its copy
// [kernel.d][height][width][pixel_bytes].
struct Strip {
  int64_t image, od;
  int64_t oh, ow;         // first output pixel
  int64_t rows, columns;  // output pixels
  int64_t height, width;  // input pixels
  int64_t pixel_bytes;
  int64_t row_bytes() const { return width * pixel_bytes; }
  int64_t slice_bytes() const { return height * row_bytes(); }
  // Index of the strip's first output pixel among all of them.
  int64_t output_pixel(const ConvGeometry& g) const {
    return ((image * g.output.d + od) * g.output.h + oh) * g.output.w + ow;
  }
};
Strip strip_at(const ConvGeometry& geometry, const StripPlan& plan, int64_t index, int64_t pixel_bytes);

// The largest copy of a plan's strips, in bytes.
int64_t strip_bytes(const ConvGeometry& geometry, const StripPlan& plan, int64_t pixel_bytes);

// How input bytes become strip bytes: every channel `repeat` times, each byte xor `flip`, `zero` outside.
struct StripCopy {
  int64_t repeat = 1;
  uint8_t flip = 0;
  uint8_t zero = 0;
};
void copy_strip(const ConvGeometry& geometry, const Strip& strip, const StripCopy& copy, const uint8_t* x,
                uint8_t* out);

// The same for `pixels` pixels of `channels` input channels each.
void copy_line(const uint8_t* x, int64_t pixels, int64_t channels, const StripCopy& copy, uint8_t* out);

// Has task(begin, end) work on all strips, on the pool's threads or on this one. A task returns false where memory ran
// out.
template <class Task>
Status for_strips(const StripPlan& plan, bool threads, Task&& task) {
  std::atomic<bool> out_of_memory{false};
  auto part = [&](int64_t begin, int64_t end) {
    if (!task(begin, end)) out_of_memory.store(true, std::memory_order_relaxed);
  };
  if (threads) {
    share_among_threads(plan.total, part);
  } else {
    part(0, plan.total);
  }
  return out_of_memory.load(std::memory_order_relaxed) ? Status::kOutOfMemory : Status::kOk;
}

// y[i] = x[i] ^ flip
void copy_flipped(const uint8_t* x, uint8_t* y, int64_t count, uint8_t flip);

}  // namespace int8
