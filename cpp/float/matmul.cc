// Product of two float32 matrices that are both data: the tiles of the float linear, on panels of b that are made on
// the way (numerics.md 7).
//
// An item is a panel of columns of one matrix of the batch against a block of its rows. Its thread packs the panel into
// working memory, where the first or second cache holds it while the rows pass. A panel that lies in memory as tiles
// take it is read there: one as wide as b, or any whole one if there are few rows, for which packing costs more than it
// saves.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "core/cpu_features.h"
#include "core/scratch.h"
#include "float/kernels.h"
#include "int8/thread_pool.h"
#include "movement/transpose_block.h"

namespace int8 {
namespace {

constexpr int64_t kMaxNr = 64;
constexpr float kZeros[kMaxNr] = {};
constexpr int64_t kGrainCost = int64_t{1} << 19;  // multiply-adds of a grain (parallel_for)
// Tiles of a block at least: the panel is packed for each block anew.
constexpr int64_t kLeastTiles = 8;

// panel[k][n] = b[k][first + n]; columns that do not exist are 0.
void pack_rows(const float* b, int64_t inner, int64_t stride, int64_t columns, int64_t width, float* panel) {
  for (int64_t k = 0; k < inner; ++k, b += stride, panel += width) {
    std::memcpy(panel, b, static_cast<size_t>(columns) * sizeof(float));
    for (int64_t n = columns; n < width; ++n) panel[n] = 0.0f;
  }
}

// The same of b transposed: panel[k][n] = b[first + n][k].
void pack_columns(const float* b, int64_t inner, int64_t columns, int64_t width, float* panel) {
  const auto* words = reinterpret_cast<const uint32_t*>(b);
  auto* to = reinterpret_cast<uint32_t*>(panel);
  constexpr int64_t kSide = kBlock<uint32_t>;
  for (int64_t n = 0; n < width; n += kSide) {
    int64_t k = 0;
    if (n + kSide <= columns) {
      for (; k + kSide <= inner; k += kSide) transpose_block(words + n * inner + k, inner, to + k * width + n, width);
    }
    const int64_t end = std::min(n + kSide, width);
    for (; k < inner; ++k) {
      for (int64_t j = n; j < end; ++j) panel[k * width + j] = j < columns ? b[j * inner + k] : 0.0f;
    }
  }
}

}  // namespace

Status fmatmul_for(const FloatRow& row, std::span<const float> a, std::span<const float> b, std::span<float> y,
                   const FloatMatmul& m) {
  const int64_t panels = (m.columns + row.nr - 1) / row.nr, tiles = (m.rows + row.mr - 1) / row.mr;
  if (m.batch * panels * tiles == 0) return Status::kOk;
  const int64_t cost = std::max<int64_t>(m.inner, 16) * std::min<int64_t>(row.mr, m.rows) * row.nr;
  // Few panels: the threads share the rows too.
  int64_t block = tiles;
  const bool threads = m.batch * panels * tiles * cost >= 2 * kGrainCost;
  while (threads && block > kLeastTiles && m.batch * panels * ((tiles + block - 1) / block) < 4 * num_threads()) {
    block = std::max(kLeastTiles, (block + 1) / 2);
  }
  const int64_t blocks = (tiles + block - 1) / block;
  std::atomic<bool> out_of_memory{false};
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first_tile = item % blocks * block, last_tile = std::min(first_tile + block, tiles);
      const int64_t first = item / blocks % panels * row.nr, index = item / blocks / panels;
      const int64_t columns = std::min<int64_t>(row.nr, m.columns - first);
      const int64_t width = (columns + row.lanes - 1) / row.lanes * row.lanes;
      const float* from = b.data() + index * m.b_stride + first * (m.transpose_b ? m.inner : 1);
      int64_t step = width;
      if (!m.transpose_b && columns == width && (m.columns == width || m.rows <= kSteppedRows)) {
        step = m.columns;
      } else {
        float* panel = scratch<float>(Scratch::kFloat, std::max<int64_t>(m.inner * width, 1));
        if (panel == nullptr) {
          out_of_memory.store(true, std::memory_order_relaxed);
          return;
        }
        m.transpose_b ? pack_columns(from, m.inner, columns, width, panel)
                      : pack_rows(from, m.inner, m.columns, columns, width, panel);
        from = panel;
      }
      const float* pointers[kMaxFloatMr];
      for (int64_t t = first_tile; t < last_tile; ++t) {
        const int64_t top = t * row.mr;
        const int n = static_cast<int>(std::min<int64_t>(row.mr, m.rows - top));
        const float* x = a.data() + index * m.a_stride + top * m.inner;
        for (int r = 0; r < n; ++r) pointers[r] = x + r * m.inner;
        row.tile({.x = pointers,
                  .mr = row.mr,
                  .runs = 1,
                  .length = m.inner,
                  .w = from,
                  .w_step = step,
                  .bias = kZeros,
                  .y = y.data() + (index * m.rows + top) * m.columns + first,
                  .y_stride = m.columns,
                  .channels = columns,
                  .last = false,
                  .lo = 0,
                  .hi = 0},
                 n, static_cast<int>(width));
      }
    }
  };
  parallel_for(m.batch * panels * blocks, std::max<int64_t>(1, kGrainCost / (cost * block)), task);
  return out_of_memory.load(std::memory_order_relaxed) ? Status::kOutOfMemory : Status::kOk;
}

Status fmatmul(std::span<const float> a, std::span<const float> b, std::span<float> y, const FloatMatmul& m) {
  return fmatmul_for(row_for(select_row(float_rows(), active_isa()), m.inner, m.columns), a, b, y, m);
}

}  // namespace int8
