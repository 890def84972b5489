// Driver of depthwise float32 convolution: output rows shared among threads, each cut into tiles of neighbouring
// pixels.
//
// A pixel whose window touches padding to the left or right is a tile of its own, with such taps pointing at zeros. All
// other pixels of the row differ by one step in x, so a tile of many needs one pointer per tap.
#include <algorithm>

#include "float/kernels.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

constexpr int64_t kMaxTaps = 256;  // taps of one kernel call; the accumulators wait in y between calls
constexpr int64_t kMaxPixels = 64;

// One output row: its place in y, and its window's first row in x.
struct OutputRow {
  const PackedFloat& op;
  const ConvGeometry& g;
  const float* image;
  int64_t d, h;  // of the first tap; may be negative
  float* y;

  // Pixels first..first+n-1; n is 1 where a column lies in padding.
  void run(int64_t first, int64_t n, float lo, float hi) const {
    const float* x[kMaxTaps];
    int64_t step[kMaxTaps];
    const int64_t channels = op.shape.out_channels, group = op.shape.in_per_group,
                  w0 = first * g.stride.w - g.padding.w;
    int64_t kd = 0, kh = 0, kw = 0;
    const int64_t all = g.kernel.count();
    for (int64_t begin = 0; begin < all; begin += kMaxTaps) {
      const int64_t taps = std::min(kMaxTaps, all - begin);
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t dz = d + kd * g.dilation.d, hy = h + kh * g.dilation.h, wx = w0 + kw * g.dilation.w;
        const bool inside = dz >= 0 && dz < g.input.d && hy >= 0 && hy < g.input.h && wx >= 0 && wx < g.input.w;
        x[t] = inside ? image + ((dz * g.input.h + hy) * g.input.w + wx) * channels : op.zeros.data();
        step[t] = inside ? g.stride.w * channels : 0;
        if (++kw < g.kernel.w) continue;
        kw = 0;
        if (++kh < g.kernel.h) continue;
        kh = 0;
        ++kd;
      }
      op.row->depthwise({.x = x,
                         .step = step,
                         .taps = taps,
                         .w = op.weights.data() + begin * group * channels,
                         .bias = begin == 0 ? op.bias.data() : nullptr,
                         .y = y + first * channels,
                         .channels = channels,
                         .group = static_cast<int>(group),
                         .pixels = n,
                         .last = begin + taps == all,
                         .lo = lo,
                         .hi = hi});
    }
  }
};

}  // namespace

void run_depthwise(const PackedFloat& op, const float* x, float* y, const ConvGeometry& g, float lo, float hi) {
  const int64_t channels = op.shape.out_channels;
  const int64_t rows = g.batch * g.output.d * g.output.h;
  if (g.output.w == 0) return;
  // Pixels [inner, border) have all their columns inside the input.
  const int64_t span = (g.kernel.w - 1) * g.dilation.w, slack = g.input.w + g.padding.w - span - 1;
  const int64_t inner = std::min(g.output.w, (g.padding.w + g.stride.w - 1) / g.stride.w);
  const int64_t border = slack < 0 ? inner : std::clamp(slack / g.stride.w + 1, inner, g.output.w);
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t oh = r % g.output.h, od = r / g.output.h % g.output.d, image = r / (g.output.h * g.output.d);
      const OutputRow row{op,
                          g,
                          x + image * g.input.count() * channels,
                          od * g.stride.d - g.padding.d,
                          oh * g.stride.h - g.padding.h,
                          y + r * g.output.w * channels};
      for (int64_t w = 0; w < inner; ++w) row.run(w, 1, lo, hi);
      for (int64_t w = inner; w < border; w += kMaxPixels) row.run(w, std::min(kMaxPixels, border - w), lo, hi);
      for (int64_t w = border; w < g.output.w; ++w) row.run(w, 1, lo, hi);
    }
  };
  constexpr int64_t kGrain = int64_t{1} << 16;  // multiply-adds; they wait for loads here
  parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, g.output.w * channels * op.k)), task);
}

}  // namespace int8
