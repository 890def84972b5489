// What the drivers of depthwise convolution share: depthwise.cc for any kernel, depthwise_square.cc for square ones.
#pragma once

#include "conv/packed.h"

namespace int8 {

// Points the tile at channels [c, c + n) of `common`, whose y is at the first channel.
inline void point_at_channels(const BoundQuantized& op, int64_t c, int64_t n, DepthwisePart& tile) {
  const PackedQuantized& p = *op.packed;
  tile.w = p.w.data() + c * p.quads * 4;
  tile.offsets = op.offsets.data() + c;
  tile.zero_points = p.zero_points.data() == nullptr ? nullptr : p.zero_points.data() + c;
  tile.multipliers = op.multipliers.data() == nullptr ? nullptr : op.multipliers.data() + c;
  tile.bias = op.bias.data() == nullptr ? nullptr : op.bias.data() + c;
  tile.n = n;
  tile.y += c * element_size(op.scalars.kind);
}

// Output pixels that one block of channels holds side by side.
inline int64_t pixels_together(const PackedQuantized& p, const ConvGeometry& g) {
  return g.stride.w == 1 ? p.pixels_per_block() : 1;
}

// Whether the kernel is one that reads lines where they lie.
bool takes_lines(const BoundQuantized& op, const ConvGeometry& geometry);
Status run_square_depthwise(const BoundQuantized& op, std::span<const uint8_t> x, uint8_t* y,
                            const ConvGeometry& geometry);

}  // namespace int8
