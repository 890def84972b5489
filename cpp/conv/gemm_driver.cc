#include "conv/gemm_driver.h"

#include <algorithm>

namespace int8 {
namespace {

// A block's input: a quarter of a second-level cache of 2 MiB, half of one of 1 MiB; the rest is for the panel and y.
constexpr int64_t kBlockBytes = 512 << 10;
// Row pointers of a block: 512 rows of a 3x3 kernel have 36 KiB of them.
constexpr int64_t kMaxRows = 512;
// Blocks per thread, so that a slow one does not hold up the others; fewer where they would have fewer tiles than this.
constexpr int64_t kBlocksPerThread = 4;
constexpr int64_t kLeastTiles = 4;
// A sleeping thread takes longer to wake than what two would save on less; one that is awake has to be told.
constexpr int64_t kThreadedNs = 20000;
constexpr int64_t kAwakeThreadedNs = 3000;
// Of one thread, roughly: results through an epilogue, weights from the second cache or beyond.
constexpr int64_t kResultsPerNs = 8;
constexpr int64_t kWeightBytesPerNs = 32;

// Whether each row starts `pitch` bytes behind the one before it.
bool evenly_spaced(const uint8_t* const* rows, int64_t m, int64_t pitch) {
  for (int64_t r = 1; r < m; r++) {
    if (rows[r] != rows[0] + r * pitch) return false;
  }
  return true;
}

// Makes the block's rows dense: as they lie, if they are so, or in working memory. False if memory ran out.
bool arrange_rows(const GemmRow& gemm, int64_t depth, GemmBlock& b) {
  b.depth = depth;
  if (b.taps == 1 && b.k == depth) {
    const int64_t pitch = b.m > 1 ? b.rows[1] - b.rows[0] : depth;
    if (evenly_spaced(b.rows, b.m, pitch)) {
      b.x = b.rows[0] + b.x_offset;
      b.x_pitch = pitch;
      return true;
    }
  }
  uint8_t* dense = scratch<uint8_t>(Scratch::kDense, b.m * depth + kGatherSlack);
  if (dense == nullptr) return false;
  gemm.gather(b, dense);
  b.x = dense;
  b.x_pitch = depth;
  return true;
}

}  // namespace

bool worth_threads(const Work& work, int macs_per_ns) {
  if (num_threads() == 1) return false;
  if (macs_per_ns == 0) return true;  // tests
  const int64_t ns = work.macs / macs_per_ns + work.results / kResultsPerNs + work.weight_bytes / kWeightBytesPerNs;
  return ns >= (threads_are_awake() ? kAwakeThreadedNs : kThreadedNs);
}

BlockPlan plan_blocks(const PackedQuantized& packed, int64_t rows, int64_t row_bytes, const Work& work) {
  const int64_t unit = packed.gemm->mr;
  const int64_t panels = packed.panels.groups * packed.panels.panels();
  if (packed.panels.joined() && packed.panels.taps > 1) row_bytes = packed.panels.depth();
  const int64_t most = std::clamp(kBlockBytes / std::max<int64_t>(row_bytes, 1), unit, kMaxRows) / unit * unit;
  const bool threads = worth_threads(work, packed.gemm->macs_per_ns);
  if (!threads) return {.rows = most, .panels = panels, .threads = false};
  // Each thread has as many rows as the others, the same ones in each layer, so that what it reads is what it wrote.
  // Where these are few, panels are shared out too: then it is the weights that each reads a part of.
  const int64_t sharers = num_threads();
  const int64_t share = ceil_div(rows, sharers);
  const int64_t parted = std::clamp(share / (kLeastTiles * unit), int64_t{1}, kBlocksPerThread);
  int64_t blocks = share < 2 * unit ? ceil_div(rows, 2 * unit) : sharers * parted;
  if (blocks * most < rows) blocks = round_up(ceil_div(rows, most), sharers);
  const int64_t parts = std::min(panels, ceil_div(sharers * kBlocksPerThread, blocks));
  return {.rows = ceil_div(rows, blocks), .panels = ceil_div(panels, parts), .threads = true};
}

bool run_panels(const BoundQuantized& op, const GemmRows& rows, int64_t first, int64_t last) {
  const PackedQuantized& p = *op.packed;
  const PanelLayout& layout = p.panels;
  const int64_t panels = layout.panels();
  const int64_t in_per_group = p.facts.in_per_group;
  const int64_t element = element_size(op.scalars.kind);
  const bool zero_points = p.zero_points.data() != nullptr;

  GemmBlock b;
  b.rows = rows.rows;
  b.row_pitch = rows.pitch;
  b.m = rows.m;
  b.taps = layout.taps;
  b.y_pitch = rows.y_pitch != 0 ? rows.y_pitch : p.facts.out_channels * element;
  int32_t* sums = nullptr;
  if (zero_points) {
    sums = scratch<int32_t>(Scratch::kRowSums, rows.m);
    if (sums == nullptr) return false;
  }
  int64_t summed = -1;
  int64_t arranged = -1;
  for (int64_t i = first; i < last; i++) {
    const int64_t group = i / panels;
    const int64_t panel = i % panels;
    const int64_t slot = layout.slot(group, panel);
    b.x_offset = rows.x_offset + group * in_per_group;
    if (zero_points && group != summed) {
      b.k = layout.k;  // what is readable beyond k does not count
      p.gemm->row_sums(b, sums);
      summed = group;
    }
    b.k = rows.readable;
    if (layout.joined() && group != arranged) {
      if (!arrange_rows(*p.gemm, layout.depth(), b)) return false;
      arranged = group;
    }
    b.w = p.w.data() + layout.panel_offset(group, panel);
    b.n = layout.panel_channels(panel);
    b.offsets = op.offsets.data() + slot;
    b.zero_points = zero_points ? p.zero_points.data() + slot : nullptr;
    b.row_sums = sums;
    b.multipliers = op.multipliers.data() == nullptr ? nullptr : op.multipliers.data() + slot;
    b.bias = op.bias.data() == nullptr ? nullptr : op.bias.data() + slot;
    b.y = rows.y + (group * layout.channels + panel * layout.nr) * element;
    p.gemm->run(b, op.scalars);
  }
  return true;
}

}  // namespace int8
