// The driver of depthwise kernels of any shape: strip by strip, and in each strip block by block of channels.
#include <algorithm>
#include <cstring>

#include "conv/depthwise_driver.h"
#include "conv/gemm_driver.h"
#include "conv/qconv_strips.h"
#include "conv/strip.h"

namespace int8 {
namespace {

// Distances of the quads' taps from a pixel's first tap, in a strip of this layout.
void tap_distances(const PackedQuantized& p, const ConvGeometry& g, const Strip& s, int64_t* out) {
  for (int64_t i = 0; i < p.quads * 4; i++) {
    const int64_t tap = std::max(p.quad_taps[i], 0);
    const int64_t kw = tap % g.kernel.w;
    const int64_t kh = tap / g.kernel.w % g.kernel.h;
    const int64_t kd = tap / g.kernel.w / g.kernel.h;
    out[i] = kd * s.slice_bytes() + kh * g.dilation.h * s.row_bytes() + kw * g.dilation.w * s.pixel_bytes;
  }
}

// Channels [c, c + n) of all pixels; `common` holds what is the same for each block.
void run_block(const BoundQuantized& op, const DepthwiseBlock& common, const uint8_t* x, int64_t c, int64_t n) {
  DepthwiseBlock b = common;
  b.x = x + c;
  point_at_channels(op, c, n, b);
  const PackedQuantized& p = *op.packed;
  p.method == Method::kGroups ? p.depthwise->run_groups(b, op.scalars) : p.depthwise->run(b, op.scalars);
}

// Few channels, stride 1: `together` neighbouring pixels are one block, and what is left of a row goes one by one.
void run_together(const BoundQuantized& op, const DepthwiseBlock& common, const uint8_t* x, int64_t together) {
  const int64_t channels = op.packed->facts.out_channels;
  DepthwiseBlock b = common;
  b.columns = common.columns / together;
  b.x_pixel *= together;
  b.y_pixel *= together;
  if (b.columns > 0) run_block(op, b, x, 0, channels * together);
  const int64_t done = b.columns * together;
  if (done == common.columns) return;
  b = common;
  b.columns -= done;
  b.y += done * common.y_pixel;
  run_block(op, b, x + done * common.x_pixel, 0, channels);
}

void run_strip(const BoundQuantized& op, const ConvGeometry& g, const Strip& s, const uint8_t* strip,
               const int64_t* taps, uint8_t* y) {
  const PackedQuantized& p = *op.packed;
  const int64_t block = p.depthwise->block;
  const int64_t element = element_size(op.scalars.kind);
  DepthwiseBlock b;
  b.x_row = g.stride.h * s.row_bytes();
  b.x_pixel = g.stride.w * s.pixel_bytes;
  b.taps = taps;
  b.ones = p.quad_ones.data();
  b.quads = p.quads;
  b.group_quads = p.group_quads();
  b.rows = s.rows;
  b.columns = s.columns;
  b.y_pixel = g.out_channels * element;
  b.y_row = g.output.w * b.y_pixel;
  b.y = y + s.output_pixel(g) * b.y_pixel;
  if (const int64_t together = pixels_together(p, g); together > 1) {
    run_together(op, b, strip, together);
    return;
  }
  for (int64_t c = 0; c < g.out_channels; c += block) run_block(op, b, strip, c, std::min(block, g.out_channels - c));
}

}  // namespace

Status run_depthwise(const BoundQuantized& op, std::span<const uint8_t> x, uint8_t* y, const ConvGeometry& g) {
  if (takes_lines(op, g)) return run_square_depthwise(op, x, y, g);
  const PackedQuantized& p = *op.packed;
  const int64_t results = g.batch * g.output.count() * g.out_channels;
  const bool threads =
      worth_threads({results * g.kernel.count() * p.facts.in_per_group, results}, p.depthwise->macs_per_ns);
  const StripPlan plan = plan_strips(g, g.out_channels, threads);
  const int64_t strip_size = strip_bytes(g, plan, g.out_channels);
  const StripCopy copy{.repeat = g.out_channels / g.in_channels, .flip = op.x_flip, .zero = op.x_zero};
  return for_strips(plan, threads, [&](int64_t begin, int64_t end) {
    // Whole blocks are read: the last pixel's needs bytes behind the strip.
    uint8_t* strip = scratch<uint8_t>(Scratch::kStrip, strip_size + p.depthwise->block);
    auto* taps = scratch<int64_t>(Scratch::kPointers, p.quads * 4);
    if (strip == nullptr || taps == nullptr) {
      return false;
    }
    std::memset(strip + strip_size, 0, static_cast<size_t>(p.depthwise->block));
    for (int64_t i = begin; i < end; i++) {
      const Strip s = strip_at(g, plan, i, g.out_channels);
      copy_strip(g, s, copy, x.data(), strip);
      tap_distances(p, g, s, taps);
      run_strip(op, g, s, strip, taps, y);
    }
    return true;
  });
}

}  // namespace int8
