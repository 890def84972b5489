// The GEMM driver: rows of x against all panels of the weights.
//
// One block is `rows` rows against `panels` panels. Within it panels are the outer loop, so that a panel stays in the
// first cache while the block's rows, which the second holds, pass by. Blocks are the tasks of threads; a task makes
// the row pointers of its block, so that one thread's run is the same work as many threads' runs.
#pragma once

#include <atomic>

#include "conv/packed.h"
#include "core/scratch.h"
#include "int8/thread_pool.h"

namespace int8 {

struct BlockPlan {
  int64_t rows;    // of a block
  int64_t panels;  // of a block, counted over all groups
  bool threads;    // whether there is enough work for several
};
// What a layer does: where K is small its results cost more than its sums, and with few rows the weights do.
struct Work {
  int64_t macs = 0;
  int64_t results = 0;
  int64_t weight_bytes = 0;
};
// rows: in all; row_bytes: new input bytes that a row brings.
BlockPlan plan_blocks(const PackedQuantized& packed, int64_t rows, int64_t row_bytes, const Work& work);

// Whether work is worth other threads: it takes one about 20 us, or 3 where they are awake.
bool worth_threads(const Work& work, int macs_per_ns);

// Rows as the microkernels take them: row r of tap t at rows[t*pitch + r], `readable` bytes there (k, or k rounded up
// where the memory is the driver's own), completed by repeat_last_row, and where the results go.
struct GemmRows {
  const uint8_t* const* rows;
  int64_t pitch;
  int64_t m;
  int64_t readable;
  uint8_t* y;            // first row, first channel
  int64_t y_pitch = 0;   // bytes from a row of y to the next; 0: one row follows the other
  int64_t x_offset = 0;  // added to each pointer
};
// Panels [first, last), counted over all groups. False if memory ran out.
bool run_panels(const BoundQuantized& op, const GemmRows& rows, int64_t first, int64_t last);

// Runs `rows` rows; source.fill(first, count, pitch, pointers) writes the pointers of rows [first, first + count).
template <class Source>
Status run_gemm(const BoundQuantized& op, const Source& source, int64_t rows, int64_t row_bytes, uint8_t* y) {
  const PackedQuantized& p = *op.packed;
  const int64_t y_row = p.facts.out_channels * element_size(op.scalars.kind);
  const int64_t panels = p.panels.groups * p.panels.panels();
  const int64_t results = rows * p.facts.out_channels;
  const BlockPlan plan =
      plan_blocks(p, rows, row_bytes, {results * p.panels.taps * p.panels.k, results, p.panels.bytes()});
  const int64_t columns = ceil_div(panels, plan.panels);
  std::atomic<bool> out_of_memory{false};
  auto task = [&](int64_t begin, int64_t end) {
    const int64_t mr = p.gemm->mr;
    const int64_t pitch = plan.rows + mr;
    const uint8_t** pointers = scratch<const uint8_t*>(Scratch::kPointers, p.panels.taps * pitch);
    if (pointers == nullptr) {
      out_of_memory.store(true, std::memory_order_relaxed);
      return;
    }
    int64_t filled = -1;
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i / columns * plan.rows;
      const int64_t m = std::min(plan.rows, rows - first);
      if (first != filled) {
        source.fill(first, m, pitch, pointers);
        repeat_last_row(pointers, pitch, p.panels.taps, m, mr);
        filled = first;
      }
      const int64_t panel = i % columns * plan.panels;
      const GemmRows block{pointers, pitch, m, p.panels.k, y + first * y_row};
      if (!run_panels(op, block, panel, std::min(panel + plan.panels, panels))) {
        out_of_memory.store(true, std::memory_order_relaxed);
        return;
      }
    }
  };
  const int64_t tasks = ceil_div(rows, plan.rows) * columns;
  if (plan.threads) {
    share_among_threads(tasks, task);
  } else {
    task(0, tasks);
  }
  return out_of_memory.load(std::memory_order_relaxed) ? Status::kOutOfMemory : Status::kOk;
}

}  // namespace int8
