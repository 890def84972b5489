// What an instruction set provides for float32 convolution and linear, and the packed weights that it reads.
//
// Y[m, n] = clamp(fma(x_K, w_K, ... fma(x_2, w_2, fma(x_1, w_1, bias_n)) ...), lo, hi): one accumulator for each output
// element, K ascending over (kernel depth, row, column, input channel), never split into partial sums (numerics.md 7).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "conv/phases.h"
#include "core/aligned_buffer.h"
#include "int8/cpu.h"
#include "int8/fconv.h"

namespace int8 {

// Most rows of a tile whose weights may stand apart: taller tiles have no register for the distance.
inline constexpr int kSteppedRows = 8;

// One tile: `rows` pixels times the channels of one panel, over some of K. Input is read through row pointers: run r of
// pixel m is x[r * mr + m], `length` floats; the panel's next runs * length rows of weights belong to them.
struct FloatTile {
  const float* const* x;  // [runs][mr]
  int mr;
  int64_t runs;
  int64_t length;
  const float* w;  // [runs * length][width], width a multiple of the row's `lanes`, zero padded
  // Floats from a row of w to the next where these do not follow each other: at most kSteppedRows rows. 0: width.
  int64_t w_step = 0;
  // Where the weights lie that come next: a cache line of them is fetched for each row of w. Null: none.
  const float* ahead = nullptr;
  const float* bias;  // [width], the accumulators' start; null: they continue from y
  float* y;           // pixel m at y + m * y_stride
  int64_t y_stride;
  int64_t channels;  // written, at most width
  bool last;         // add the residual, clamp to [lo, hi]
  float lo, hi;
  const float* residual = nullptr;  // pixel m at residual + m * y_stride; null: none
};

// `pixels` neighbouring pixels of a depthwise convolution's output row, all channels, over some of the taps. Tap t of
// pixel p reads x[t] + p * step[t], one float per channel. So does a convolution of groups of a few channels, as many
// out as in: there each channel takes all floats of its group, one after the other.
struct DepthwiseTile {
  const float* const* x;
  const int64_t* step;
  int64_t taps;
  const float* w;     // [taps][group][channels]
  const float* bias;  // [channels]; null: continue from y
  float* y;           // pixel p at y + p * channels
  int64_t channels;
  int group;  // 1, or a power of two up to the row's `group`
  int64_t pixels;
  bool last;
  float lo, hi;
};

inline constexpr int kMaxFloatMr = 16;

struct FloatRow {
  Isa isa;
  int mr;     // most pixels of a tile
  int nr;     // channels of a full panel
  int lanes;  // the last panel of a group is padded to a multiple of this
  // rows 1..mr, width nr or a multiple of lanes below it
  void (*tile)(const FloatTile& tile, int rows, int width);
  void (*depthwise)(const DepthwiseTile& tile);
  // A row of fewer pixels and wider panels, which is faster where `is_wide` holds; null: none.
  const FloatRow* wide = nullptr;
  int group = 1;  // most channels of a group that `depthwise` takes: larger ones fill tiles better
};

// From here on a panel is too much for the second cache, where it has to stay while tiles pass by: shorter ones read it
// more often. 640 KB of 64 channels.
inline constexpr int64_t kMostWideK = 2560;

// Whether weights of k rows and so many channels fill panels of `nr` channels, and stay in the second cache.
constexpr bool is_wide(int64_t k, int64_t channels, int nr) {
  const int64_t rest = channels % nr;
  return k <= kMostWideK && (rest == 0 || rest > nr / 2 || channels > 3 * nr);
}

// The row for these weights.
inline const FloatRow& row_for(const FloatRow& row, int64_t k, int64_t channels) {
  return row.wide != nullptr && is_wide(k, channels, row.wide->nr) ? *row.wide : row;
}

// All rows, best first; portable is last.
std::span<const FloatRow> float_rows();

void float_tile_portable(const FloatTile& tile, int rows, int width);
void float_depthwise_portable(const DepthwiseTile& tile);
void float_tile_avx512vnni(const FloatTile& tile, int rows, int width);
void float_wide_tile_avx512vnni(const FloatTile& tile, int rows, int width);
void float_depthwise_avx512vnni(const DepthwiseTile& tile);
void float_tile_avx2(const FloatTile& tile, int rows, int width);
void float_depthwise_avx2(const DepthwiseTile& tile);
void float_tile_neon(const FloatTile& tile, int rows, int width);
void float_depthwise_neon(const DepthwiseTile& tile);

// Weights in panels. Group g, panel p: K rows of `width` channels, one after another; a panel is nr wide, the last of a
// group what remains, padded. Depthwise weights (as many output as input channels per group, and few): [k][channels].
class PackedFloat {
 public:
  const FloatRow* row = nullptr;
  PackedFacts shape;
  int64_t k = 0;  // kernel.count() * in_per_group
  int64_t out_per_group = 0;
  int64_t padded = 0;  // out_per_group rounded up to lanes
  bool depthwise = false;
  AlignedBuffer<float> weights;
  AlignedBuffer<float> bias;   // [groups][padded], or [channels] if depthwise; +0 where there is none
  AlignedBuffer<float> zeros;  // what row pointers into padding point at
  // Transposed: phases, each with its weights. Of the rest only shape and bias ([channels]) count then.
  std::vector<Phase> phases;
  std::vector<std::shared_ptr<const PackedFloat>> parts;

  int64_t panels() const { return (padded + row->nr - 1) / row->nr; }
  const float* panel(int64_t group, int64_t p) const { return weights.data() + (group * padded + p * row->nr) * k; }
  const float* panel_bias(int64_t group, int64_t p) const { return bias.data() + group * padded + p * row->nr; }
};

// fmatmul on a given row of the table.
Status fmatmul_for(const FloatRow& row, std::span<const float> a, std::span<const float> b, std::span<float> y,
                   const FloatMatmul& shape);

// fconv of a depthwise operator (depthwise.cc).
void run_depthwise(const PackedFloat& op, const float* x, float* y, const ConvGeometry& geometry, float lo, float hi);

// Packing for tiles, whatever the weights' shape, and phase by phase (transposed.cc). Null if memory ran out.
std::shared_ptr<const PackedFloat> pack_float_tiles(const FloatRow& row, const FloatWeights& weights);
std::shared_ptr<const PackedFloat> pack_transposed_float(const FloatRow& row, const FloatWeights& weights);

// pack_float for a given row of the table. Null if memory ran out.
std::shared_ptr<const PackedFloat> pack_float_for(const FloatRow& row, const FloatWeights& weights) noexcept;

}  // namespace int8
