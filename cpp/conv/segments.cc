// Kernels larger than 1x1 for GEMM rows that take segments: an output row is cut into segments of one length, whose
// inputs lie at one distance in a strip. Neither rows nor pointers are copied for each tap.
#include <algorithm>
#include <cstring>

#include "conv/gemm_driver.h"
#include "conv/qconv_strips.h"
#include "conv/strip.h"

namespace int8 {
namespace {

constexpr int64_t kMostPixels = 16;
// Shorter segments leave so much of a tile empty that gathering rows is cheaper.
constexpr int64_t kLeastPixels = 8;

// Pixels of the segments that cover `columns`: the last one may overlap the one before it.
int64_t segment_length(int64_t columns) {
  return ceil_div(columns, ceil_div(columns, kMostPixels));
}

// Bytes from a pixel's first tap to each; a kernel row is one tap if `merged`.
void list_taps(const ConvGeometry& g, const Strip& s, bool merged, int64_t* taps) {
  for (int64_t kd = 0; kd < g.kernel.d; kd++) {
    for (int64_t kh = 0; kh < g.kernel.h; kh++) {
      for (int64_t kw = 0; kw < (merged ? 1 : g.kernel.w); kw++) {
        *taps++ = kd * s.slice_bytes() + kh * g.dilation.h * s.row_bytes() + kw * g.dilation.w * s.pixel_bytes;
      }
    }
  }
}

// All panels against the strip's segments.
void run_panels(const BoundQuantized& op, SegmentBlock& block, const uint8_t** x, const uint8_t** group_x, uint8_t** y,
                uint8_t** panel_y) {
  const PackedQuantized& p = *op.packed;
  const PanelLayout& layout = p.panels;
  const int64_t element = element_size(op.scalars.kind);
  GemmBlock& b = block.panel;
  block.x = group_x;
  block.y = panel_y;
  for (int64_t group = 0; group < layout.groups; group++) {
    for (int64_t i = 0; i < block.count; i++) group_x[i] = x[i] + group * p.facts.in_per_group;
    for (int64_t panel = 0; panel < layout.panels(); panel++) {
      const int64_t slot = layout.slot(group, panel);
      const int64_t channel = group * layout.channels + panel * layout.nr;
      for (int64_t i = 0; i < block.count; i++) panel_y[i] = y[i] + channel * element;
      b.w = p.w.data() + layout.panel_offset(group, panel);
      b.n = layout.panel_channels(panel);
      b.offsets = op.offsets.data() + slot;
      b.multipliers = op.multipliers.data() == nullptr ? nullptr : op.multipliers.data() + slot;
      b.bias = op.bias.data() == nullptr ? nullptr : op.bias.data() + slot;
      p.gemm->run_segments(block, op.scalars);
    }
  }
}

}  // namespace

bool takes_segments(const PackedQuantized& p, const ConvGeometry& g) {
  if (p.gemm->run_segments == nullptr || p.zero_points.data() != nullptr || g.kernel.count() == 1) return false;
  if (p.panels.joined() && even_step(p.panels.k, p.panels.kr, p.panels.depth_quantum) == 0) return false;
  if (p.method == Method::kMergedRows && g.dilation.w != 1) return false;
  return segment_length(g.output.w) >= kLeastPixels;
}

Status run_segments(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& g) {
  const PackedQuantized& p = *op.packed;
  const int64_t y_pixel = g.out_channels * element_size(op.scalars.kind);
  const int64_t results = g.batch * g.output.count() * g.out_channels;
  const bool threads = worth_threads({results * p.panels.taps * p.panels.k, results}, p.gemm->macs_per_ns);
  const StripPlan plan = plan_strips(g, g.in_channels, threads);
  const int64_t strip_size = strip_bytes(g, plan, g.in_channels);
  // Bytes that are read beyond the last tap meet zero weights, but they must exist and be initialised.
  const int64_t k = p.panels.k < p.gemm->depth_quantum ? round_up(p.panels.k, p.panels.kr) : p.panels.k;
  const int64_t slack = k - p.panels.k;
  const int64_t most = plan.rows * ceil_div(plan.columns, segment_length(plan.columns));
  return for_strips(plan, threads, [&](int64_t begin, int64_t end) {
    uint8_t* copy = scratch<uint8_t>(Scratch::kStrip, strip_size + slack);
    const uint8_t** starts = scratch<const uint8_t*>(Scratch::kPointers, 2 * most);
    uint8_t** results = scratch<uint8_t*>(Scratch::kRowSums, 2 * most);  // no zero points here, so no sums
    int64_t* taps = scratch<int64_t>(Scratch::kGather, p.panels.taps);
    if (copy == nullptr || starts == nullptr || results == nullptr || taps == nullptr) {
      return false;
    }
    for (int64_t i = begin; i < end; i++) {
      const Strip s = strip_at(g, plan, i, g.in_channels);
      copy_strip(g, s, {.flip = op.x_flip, .zero = op.x_zero}, x, copy);
      std::memset(copy + g.kernel.d * s.slice_bytes(), 0, static_cast<size_t>(slack));
      list_taps(g, s, p.method == Method::kMergedRows, taps);
      SegmentBlock block;
      block.length = segment_length(s.columns);
      block.x_step = g.stride.w * s.pixel_bytes;
      block.taps = taps;
      block.tap_count = p.panels.taps;
      block.k = k;
      block.panel.y_pitch = y_pixel;
      uint8_t* first = y + s.output_pixel(g) * y_pixel;
      for (int64_t r = 0; r < s.rows; r++) {
        for (int64_t c = 0; c < s.columns; c += block.length, block.count++) {
          const int64_t column = std::min(c, s.columns - block.length);
          starts[block.count] = copy + r * g.stride.h * s.row_bytes() + column * block.x_step;
          results[block.count] = first + (r * g.output.w + column) * y_pixel;
        }
      }
      run_panels(op, block, starts, starts + most, results, results + most);
    }
    return true;
  });
}

}  // namespace int8
