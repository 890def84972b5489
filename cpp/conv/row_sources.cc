#include "conv/row_sources.h"

#include <algorithm>
#include <cstring>

namespace int8 {
namespace {

// Of outputs [first, last), those whose input o*stride + offset lies in [0, size) are [lo, hi).
struct Inside {
  int64_t lo, hi;
};
Inside inside(int64_t first, int64_t last, int64_t stride, int64_t offset, int64_t size) {
  int64_t from = std::max<int64_t>(0, -offset);
  int64_t to = std::max<int64_t>(0, size - offset);
  if (stride != 1) {  // divisions would be half of the time
    from = (from + stride - 1) / stride;
    to = (to + stride - 1) / stride;
  }
  const int64_t lo = std::clamp(from, first, last);
  return {lo, std::clamp(to, lo, last)};
}

}  // namespace

void WindowRows::fill(int64_t first, int64_t count, int64_t pitch, const uint8_t** rows) const {
  const ConvGeometry& g = *geometry;
  const int64_t channels = g.in_channels;
  // Output pixels of one output row at a time.
  for (int64_t done = 0; done < count;) {
    int64_t rest = first + done;
    const int64_t ow = rest % g.output.w;
    rest /= g.output.w;
    const int64_t oh = rest % g.output.h;
    rest /= g.output.h;
    const int64_t od = rest % g.output.d;
    const int64_t image = rest / g.output.d;
    const int64_t end = std::min(g.output.w, ow + count - done);
    const uint8_t** out = rows + done - ow;  // out[o] is the pointer of output column o
    // An output row's pointers are those of the row above, one kernel row on, where that is in the block.
    const bool above = g.stride.h == g.dilation.h && oh > 0 && done >= g.output.w;
    for (int64_t kd = 0; kd < g.kernel.d; kd++) {
      const int64_t id = od * g.stride.d - g.padding.d + kd * g.dilation.d;
      for (int64_t kh = 0; kh < g.kernel.h; kh++) {
        const int64_t ih = oh * g.stride.h - g.padding.h + kh * g.dilation.h;
        const bool outside = id < 0 || id >= g.input.d || ih < 0 || ih >= g.input.h;
        if (above && kh + 1 < g.kernel.h) {
          const int64_t shift = g.kernel.w * pitch - g.output.w;
          for (int64_t kw = 0; kw < g.kernel.w; kw++, out += pitch) {
            std::memcpy(out + ow, out + ow + shift, static_cast<size_t>(end - ow) * sizeof(*out));
          }
          continue;
        }
        const int64_t line = ((image * g.input.d + id) * g.input.h + ih) * g.input.w;
        for (int64_t kw = 0; kw < g.kernel.w; kw++, out += pitch) {
          const int64_t offset = kw * g.dilation.w - g.padding.w;
          const Inside in = outside ? Inside{end, end} : inside(ow, end, g.stride.w, offset, g.input.w);
          for (int64_t o = ow; o < in.lo; o++) out[o] = padding;
          ascend(x + (line + in.lo * g.stride.w + offset) * channels, g.stride.w * channels, in.hi - in.lo,
                 out + in.lo);
          for (int64_t o = in.hi; o < end; o++) out[o] = padding;
        }
      }
    }
    done += end - ow;
  }
}

}  // namespace int8
