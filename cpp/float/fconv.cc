// Drivers of float32 convolution and linear: tiles of pixels times panels of channels, shared among threads.
//
// Work is cut into items: a block of tiles times a range of panels. A range is as many panels as half an L2 holds (its
// weights are read once per tile), a block as many tiles as make an item worth a task. Threads take items; which thread
// takes which changes nothing.
#include <algorithm>
#include <limits>

#include "elementwise/math.h"
#include "float/kernels.h"
#include "float/rows.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

constexpr int64_t kRangeBytes = int64_t{1} << 19;  // half of a 1 MB L2
// Multiply-adds of an item, and of a grain (parallel_for): 12 x 32 of them take about 12 cycles.
constexpr int64_t kItemCost = int64_t{1} << 19;
// Fewer rows take as long as so many: they wait for the weights.
constexpr int64_t kWaitingRows = 6;
// With so few tiles the time that weights take to arrive counts: all tiles but the first fetch a share of the next
// range's.
constexpr int64_t kFetchingTiles = 24;
constexpr int64_t kLineFloats = 16;
constexpr int64_t kMaxRuns = 128;  // runs of one kernel call; the accumulators wait in y between calls
// A panel of up to so many bytes stays in the first cache while so many tiles pass by. Larger ones come from the second
// for each tile, one panel after the other, and the tile's rows stay.
constexpr int64_t kSmallPanel = int64_t{32} << 10;
constexpr int64_t kTogether = 8;

// Whether output pixels are input pixels: then the convolution is a linear layer over them.
bool pointwise(const ConvGeometry& g) {
  constexpr Dims3 kOnes{1, 1, 1}, kZeros{0, 0, 0};
  return g.groups == 1 && g.kernel == kOnes && g.stride == kOnes && g.padding == kZeros && g.output == g.input;
}

template <class Rows>
void run_tiles(const PackedFloat& op, const Rows& source, int64_t pixels, const float* residual, float* y, float lo,
               float hi) {
  const FloatRow& row = *op.row;
  const int64_t panels = op.panels(), groups = op.shape.groups;
  const int64_t tiles = (pixels + row.mr - 1) / row.mr;
  if (tiles == 0 || panels == 0) return;
  const int64_t k = std::max<int64_t>(op.k, 1);
  const int64_t cost = std::max<int64_t>(k, 16) * std::min<int64_t>(row.mr, std::max(pixels, kWaitingRows)) *
                       std::min<int64_t>(row.nr, op.padded);
  int64_t range = std::clamp<int64_t>(kRangeBytes / (k * row.nr * static_cast<int64_t>(sizeof(float))), 1, panels);
  if (cost * range * tiles > kItemCost) {  // few pixels: the threads share the panels
    while (range > 1 && groups * ((panels + range - 1) / range) * tiles < 4 * num_threads()) range = (range + 1) / 2;
  }
  const int64_t ranges = (panels + range - 1) / range;
  const int64_t block = std::clamp<int64_t>(kItemCost / (cost * range), 1, tiles);
  const int64_t blocks = (tiles + block - 1) / block;

  // The share of tile `t` in the panel that the next range has in the place of panel p.
  const auto ahead_of = [&](int64_t group, int64_t p, int64_t t) -> const float* {
    if (t == 0 || tiles < 2 || tiles > kFetchingTiles || p + range >= panels) return nullptr;
    const int64_t lines = k * std::min<int64_t>(row.nr, op.padded - (p + range) * row.nr) / kLineFloats;
    return op.panel(group, p + range) + (t - 1) * (lines / (tiles - 1)) * kLineFloats;
  };

  const auto rows_of = [&](int64_t t) { return static_cast<int>(std::min<int64_t>(row.mr, pixels - t * row.mr)); };
  const bool small = source.single_run() && k * row.nr * static_cast<int64_t>(sizeof(float)) <= kSmallPanel;
  const int64_t together = small ? kTogether : 1;

  auto task = [&](int64_t begin, int64_t end) {
    Rows rows = source;
    const float* pointers[kMaxRuns * kMaxFloatMr];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_tile = item % blocks * block, last_tile = std::min(first_tile + block, tiles);
      const int64_t first_panel = item / blocks % ranges * range, last_panel = std::min(first_panel + range, panels);
      const int64_t group = item / blocks / ranges;
      // Tile t against panel p: runs [r, end) of its runs.
      const auto multiply = [&](int64_t t, int64_t p, const Runs& runs, int64_t r, int64_t end_run,
                                const float* const* x) {
        const int64_t pixel = t * row.mr;
        const int64_t channel = p * row.nr;
        const auto width = static_cast<int>(std::min<int64_t>(row.nr, op.padded - channel));
        const float* ahead = ahead_of(group, p, t);
        const int64_t at = pixel * op.shape.out_channels + group * op.out_per_group + channel;
        const FloatTile tile{.x = x,
                             .mr = row.mr,
                             .runs = end_run - r,
                             .length = runs.length,
                             .w = op.panel(group, p) + r * runs.length * width,
                             .ahead = ahead == nullptr ? nullptr : ahead + r * runs.length * kLineFloats,
                             .bias = r == 0 ? op.panel_bias(group, p) : nullptr,
                             .y = y + at,
                             .y_stride = op.shape.out_channels,
                             .channels = std::min<int64_t>(width, op.out_per_group - channel),
                             .last = end_run == runs.count,
                             .lo = lo,
                             .hi = hi,
                             .residual = residual == nullptr ? nullptr : residual + at};
        row.tile(tile, rows_of(t), width);
      };
      for (int64_t t = first_tile; t < last_tile; t += together) {
        const int64_t end_tile = std::min(t + together, last_tile);
        if (end_tile - t > 1) {
          Runs runs{};  // one of the same length for each tile
          for (int64_t i = t; i < end_tile; ++i) {
            runs = rows.start(i * row.mr, rows_of(i));
            rows.fill(group, 0, 1, row.mr, pointers + (i - t) * row.mr);
          }
          for (int64_t p = first_panel; p < last_panel; ++p) {
            for (int64_t i = t; i < end_tile; ++i) multiply(i, p, runs, 0, 1, pointers + (i - t) * row.mr);
          }
          continue;
        }
        const Runs runs = rows.start(t * row.mr, rows_of(t));
        for (int64_t r = 0; r < runs.count; r += kMaxRuns) {
          const int64_t end_run = std::min(r + kMaxRuns, runs.count);
          rows.fill(group, r, end_run, row.mr, pointers);
          for (int64_t p = first_panel; p < last_panel; ++p) multiply(t, p, runs, r, end_run, pointers);
        }
      }
    }
  };
  parallel_for(groups * ranges * blocks, std::max<int64_t>(1, kItemCost / (cost * range * block)), task);
}

}  // namespace

Status fconv(const PackedFloat& op, std::span<const float> x, std::span<const float> residual, std::span<float> y,
             const ConvGeometry& geometry, float lo, float hi) {
  const int64_t pixels = geometry.batch * geometry.output.count();
  const float* add = residual.empty() ? nullptr : residual.data();
  if (op.depthwise) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    run_depthwise(op, x.data(), y.data(), geometry, add == nullptr ? lo : -kInfinity, add == nullptr ? hi : kInfinity);
    for (size_t i = 0; add != nullptr && i < y.size(); i++) y[i] = minimum(maximum(y[i] + add[i], lo), hi);
  } else if (pointwise(geometry)) {
    run_tiles(op, LinearRows(op, x.data()), pixels, add, y.data(), lo, hi);
  } else {
    run_tiles(op, ConvRows(op, x.data(), geometry), pixels, add, y.data(), lo, hi);
  }
  return Status::kOk;
}

Status flinear(const PackedFloat& op, std::span<const float> x, std::span<float> y, int64_t rows, float lo, float hi) {
  run_tiles(op, LinearRows(op, x.data()), rows, nullptr, y.data(), lo, hi);
  return Status::kOk;
}

}  // namespace int8
