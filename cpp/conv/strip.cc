#include "conv/strip.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "gemm/pack.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// A strip shares the second cache with the weights and the output.
constexpr int64_t kStripBytes = 256 << 10;
constexpr int64_t kStripsPerThread = 4;

// Input pixels under `count` output pixels.
int64_t extent(int64_t count, int64_t stride, int64_t kernel, int64_t dilation) {
  return (count - 1) * stride + (kernel - 1) * dilation + 1;
}

int64_t bytes_of(const ConvGeometry& g, int64_t rows, int64_t columns, int64_t pixel_bytes) {
  return g.kernel.d * extent(rows, g.stride.h, g.kernel.h, g.dilation.h) *
         extent(columns, g.stride.w, g.kernel.w, g.dilation.w) * pixel_bytes;
}

// Output rows of a strip where threads share them: the count of strips that takes the busiest thread least. More of
// them are shared out more evenly, but each copies what it has in common with the next: a row copied costs about a
// quarter of one computed.
int64_t shared_rows(const ConvGeometry& g, int64_t slices, int64_t most) {
  const int64_t threads = num_threads();
  const int64_t common = std::max<int64_t>(0, (g.kernel.h - 1) * g.dilation.h + 1 - g.stride.h);
  int64_t best = most;
  int64_t least = INT64_MAX;
  for (int64_t wanted = threads * kStripsPerThread; wanted >= threads; wanted /= 2) {
    const int64_t rows = std::min(most, std::max<int64_t>(1, ceil_div(g.output.h * slices, wanted)));
    const int64_t strips = ceil_div(slices * ceil_div(g.output.h, rows), threads);
    const int64_t cost = strips * (4 * rows + common);
    if (cost < least) {
      least = cost;
      best = rows;
    }
  }
  return best;
}

}  // namespace

void copy_flipped(const uint8_t* x, uint8_t* y, int64_t count, uint8_t flip) {
  if (flip == 0) {
    std::memcpy(y, x, static_cast<size_t>(count));
  } else {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] ^ flip;
  }
}

void copy_line(const uint8_t* x, int64_t pixels, int64_t channels, const StripCopy& copy, uint8_t* out) {
  if (copy.repeat == 1) {
    copy_flipped(x, out, pixels * channels, copy.flip);
    return;
  }
  const int64_t count = pixels * channels;
  if (copy.repeat == 2) {
    for (int64_t i = 0; i < count; i++) out[2 * i] = out[2 * i + 1] = x[i] ^ copy.flip;
    return;
  }
  int64_t i = 0;
  // Eight at a time, of which the next code takes back what is too many.
  for (; copy.repeat <= 8 && (count - i) * copy.repeat >= 8; i++, out += copy.repeat) {
    const uint64_t eight = uint64_t{0x0101010101010101} * static_cast<uint8_t>(x[i] ^ copy.flip);
    std::memcpy(out, &eight, 8);
  }
  for (; i < count; i++, out += copy.repeat) std::memset(out, x[i] ^ copy.flip, static_cast<size_t>(copy.repeat));
}

StripPlan plan_strips(const ConvGeometry& g, int64_t pixel_bytes, bool threads) {
  const int64_t slices = g.batch * g.output.d;
  int64_t columns = g.output.w;
  int64_t rows = g.output.h;
  while (columns > 16 && bytes_of(g, 1, columns, pixel_bytes) > kStripBytes) columns = ceil_div(columns, 2);
  if (bytes_of(g, rows, columns, pixel_bytes) > kStripBytes) {
    const int64_t line = bytes_of(g, 2, columns, pixel_bytes) - bytes_of(g, 1, columns, pixel_bytes);
    const int64_t fixed = bytes_of(g, 1, columns, pixel_bytes) - line;
    rows = std::clamp((kStripBytes - fixed) / line, int64_t{1}, rows);
  }
  if (threads) {
    rows = shared_rows(g, slices, rows);
    // One long row, as in one dimension.
    if (const int64_t strips = ceil_div(g.output.h, rows) * slices; strips < num_threads()) {
      const int64_t parts = ceil_div(num_threads() * kStripsPerThread, strips);
      columns = std::min(columns, std::max<int64_t>(32, ceil_div(g.output.w, parts)));
    }
  }
  StripPlan plan;
  plan.rows = rows;
  plan.columns = columns;
  plan.across_rows = ceil_div(g.output.h, rows);
  plan.across = plan.across_rows * ceil_div(g.output.w, columns);
  plan.total = slices * plan.across;
  return plan;
}

Strip strip_at(const ConvGeometry& g, const StripPlan& plan, int64_t index, int64_t pixel_bytes) {
  Strip s;
  const int64_t slice = index / plan.across;
  const int64_t within = index % plan.across;
  s.image = slice / g.output.d;
  s.od = slice % g.output.d;
  s.oh = within % plan.across_rows * plan.rows;
  s.ow = within / plan.across_rows * plan.columns;
  s.rows = std::min(plan.rows, g.output.h - s.oh);
  s.columns = std::min(plan.columns, g.output.w - s.ow);
  s.height = extent(s.rows, g.stride.h, g.kernel.h, g.dilation.h);
  s.width = extent(s.columns, g.stride.w, g.kernel.w, g.dilation.w);
  s.pixel_bytes = pixel_bytes;
  return s;
}

int64_t strip_bytes(const ConvGeometry& g, const StripPlan& plan, int64_t pixel_bytes) {
  return bytes_of(g, plan.rows, plan.columns, pixel_bytes);
}

void copy_strip(const ConvGeometry& g, const Strip& s, const StripCopy& copy, const uint8_t* x, uint8_t* out) {
  const int64_t row_bytes = s.row_bytes();
  // Input columns [left, right) of the strip exist; its column 0 is input column `first`.
  const int64_t first = s.ow * g.stride.w - g.padding.w;
  const int64_t left = std::clamp<int64_t>(-first, 0, s.width);
  const int64_t right = std::clamp<int64_t>(g.input.w - first, left, s.width);
  for (int64_t kd = 0; kd < g.kernel.d; kd++) {
    const int64_t id = s.od * g.stride.d - g.padding.d + kd * g.dilation.d;
    for (int64_t h = 0; h < s.height; h++, out += row_bytes) {
      const int64_t ih = s.oh * g.stride.h - g.padding.h + h;
      if (id < 0 || id >= g.input.d || ih < 0 || ih >= g.input.h) {
        std::memset(out, copy.zero, static_cast<size_t>(row_bytes));
        continue;
      }
      std::memset(out, copy.zero, static_cast<size_t>(left * s.pixel_bytes));
      const int64_t pixel = ((s.image * g.input.d + id) * g.input.h + ih) * g.input.w + first + left;
      copy_line(x + pixel * g.in_channels, right - left, g.in_channels, copy, out + left * s.pixel_bytes);
      std::memset(out + right * s.pixel_bytes, copy.zero, static_cast<size_t>((s.width - right) * s.pixel_bytes));
    }
  }
}

}  // namespace int8
