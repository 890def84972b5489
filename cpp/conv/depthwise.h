// The depthwise family: every output channel sees one input channel, or as few as the groups of kGroups have.
//
//   acc[p][c] = offset[c] + sum_t x[p, t][c] * w[c][t] - zw[c] * sum_t x[p, t][c]          (numerics.md 4)
//
// As in gemm.h, x is u8 and w is s8. Two forms of kernels: of any shape, over a strip with a border of the input zero
// point (depthwise.cc), where tap t of a pixel lies at a fixed distance; and square ones, what networks consist of,
// over the lines of the image where they lie (depthwise_square.cc).
//
// Taps are taken four at a time ("quads"): 3x3 and 5x5 kernels by their columns, three taps and an empty one, or four
// and then one, any other in order. An empty place has weight 0 and the distance of tap 0.
//
// Groups of 4 or 8 channels, as many out as in (depthwise_groups.h), go over the strip as well. Their quads are
// four neighbouring channels of one tap, and quad r of a tap meets the weights of input quad h ^ r of a group at output
// quad h: [taps][quads of a group] in all.
#pragma once

#include <array>
#include <span>

#include "gemm/gemm.h"

namespace int8 {

// One block of `block` channels over a rectangle of output pixels.
struct DepthwisePart {
  // In the order of the row's slots, 64-byte aligned.
  const int8_t* w = nullptr;             // [quads][block][4]
  const int32_t* offsets = nullptr;      // [block]
  const int32_t* zero_points = nullptr;  // null if all are 0
  const float* multipliers = nullptr;    // null for kS32
  const float* bias = nullptr;           // kF32 only, may be null

  int64_t rows = 0;
  int64_t columns = 0;
  int64_t n = 0;         // channels that exist, 1 to block
  uint8_t* y = nullptr;  // first pixel, first channel of the block
  int64_t y_row = 0;     // bytes
  int64_t y_pixel = 0;
};

// Any kernel, in a strip.
struct DepthwiseBlock : DepthwisePart {
  // First pixel, first channel of the block. Readable to `block` bytes behind every tap of every pixel.
  const uint8_t* x = nullptr;
  int64_t x_row = 0;               // bytes from an output row's taps to the next one's
  int64_t x_pixel = 0;             // bytes from an output pixel's taps to the next one's
  const int64_t* taps = nullptr;   // [quads*4] bytes from a pixel's first tap
  const uint32_t* ones = nullptr;  // [quads] a byte 1 for each tap that exists
  int64_t quads = 0;
  int64_t group_quads = 1;  // run_groups: of a tap
};

// Where the columns of a line are read, each `column` bytes behind the one before it: the first `left` of a square's
// columns from `left` on, then `body`, then those that remain from `right` on. Readable to `block` bytes behind the
// start of every column.
struct DepthwiseLine {
  const uint8_t* left;
  const uint8_t* body;
  const uint8_t* right;
};

// A kernel of 3x3 or 5x5 whose columns are neighbours, codes out, weight zero points 0.
struct DepthwiseSquare : DepthwisePart {
  int64_t size = 0;                      // 3 or 5
  int64_t step = 0;                      // columns from an output pixel to the next: 1 or 2
  const DepthwiseLine* lines = nullptr;  // tap t of output row r is in lines[r*line_step + t*tap_step]
  int64_t line_step = 0;
  int64_t tap_step = 0;
  int64_t first = 0;   // bytes from where lines are read to the block's first channel
  int64_t column = 0;  // bytes
  int64_t left = 0;    // columns of each of the three parts; `right` has those that remain
  int64_t body = 0;
};

using DepthwiseFn = void(const DepthwiseBlock& block, const EpilogueScalars& epilogue);
using DepthwiseSquareFn = void(const DepthwiseSquare& square, const EpilogueScalars& epilogue);

struct DepthwiseRow {
  Isa isa;
  int block;                 // channels at a time; drivers leave that many readable bytes behind what they hand over
  int (*slot)(int channel);  // where a channel of the block stands in packed weights and parameters
  DepthwiseFn* run;
  int macs_per_ns;                          // as in gemm.h
  DepthwiseSquareFn* run_square = nullptr;  // may be null: `run` takes everything
  DepthwiseFn* run_groups = nullptr;        // may be null: groups are left to GEMM
};

// Where a channel of the block stands in weights of kGroups: vector j of four has channel j of each output quad.
constexpr int64_t group_slot(int channel, int64_t block) {
  return channel % 4 * (block / 4) + channel / 4;
}

// Best first; portable is last.
std::span<const DepthwiseRow> depthwise_rows();

namespace depthwise {

extern const DepthwiseRow kPortable;
#ifdef INT8_ARCH_X64
extern const DepthwiseRow kAvx512Vnni;
extern const DepthwiseRow kAvxVnni;
extern const DepthwiseRow kAvx2;
#endif
#ifdef INT8_ARCH_ARM64
extern const DepthwiseRow kNeon;
#endif

}  // namespace depthwise

}  // namespace int8
