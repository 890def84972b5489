// Packing of transposed weights phase by phase, and the driver: each phase runs as a GEMM over windows of the input,
// and its rows go to every stride-th pixel of an output line.
#include "conv/transposed.h"

#include <algorithm>
#include <cstring>

#include "conv/gemm_driver.h"
#include "conv/row_sources.h"

namespace int8 {
namespace {

// The convolution of a pixel without kernel positions: one weight of value 0 for each output channel.
std::shared_ptr<const PackedQuantized> pack_gap(const QuantizedWeights& weights, const GemmRow& gemm) {
  std::vector<uint8_t> codes(weights.zero_points.size());
  std::ranges::transform(weights.zero_points, codes.begin(), [](int32_t zero) { return static_cast<uint8_t>(zero); });
  return pack_taps({.codes = codes,
                    .type = weights.type,
                    .zero_points = weights.zero_points,
                    .groups = 1,
                    .out_channels = weights.out_channels,
                    .in_per_group = 1},
                   gemm);
}

// Output lines of a phase, cut into blocks: several whole lines, or a piece of one.
struct LineBlocks {
  int64_t line;    // pixels of a line
  int64_t lines;   // in all
  int64_t piece;   // most pixels of a line in one block
  int64_t pieces;  // of a line
  int64_t height;  // most lines of a block
  int64_t count() const { return ceil_div(lines, height) * pieces; }
};
LineBlocks cut_lines(const ConvGeometry& g, int64_t rows) {
  LineBlocks b;
  b.line = g.output.w;
  b.lines = g.batch * g.output.d * g.output.h;
  b.piece = std::min(b.line, rows);
  b.pieces = ceil_div(b.line, b.piece);
  b.height = b.pieces == 1 ? std::max<int64_t>(1, rows / b.line) : 1;
  return b;
}

// Where the lines of a phase lie in y.
struct PhaseLines {
  const PlacedPhase& phase;
  const ConvGeometry& whole;
  int64_t pixel(int64_t line) const {
    const Dims3& out = phase.geometry.output;
    const int64_t h = phase.first.h + line % out.h * whole.stride.h;
    const int64_t d = phase.first.d + line / out.h % out.d * whole.stride.d;
    const int64_t image = line / out.h / out.d;
    return ((image * whole.output.d + d) * whole.output.h + h) * whole.output.w + phase.first.w;
  }
};

Status run_phase(const BoundQuantized& op, const PlacedPhase& phase, const uint8_t* x, uint8_t* y,
                 const ConvGeometry& whole) {
  const PackedQuantized& p = *op.packed;
  const ConvGeometry& g = phase.geometry;
  const int64_t rows = g.batch * g.output.count();
  if (rows == 0) return Status::kOk;
  const WindowRows source{x, op.padding_row.data(), &g};
  const int64_t row_bytes = ceil_div(g.batch * g.input.count() * g.in_channels, rows);
  // A phase of stride 1 is all of the output, line after line.
  if (whole.stride == Dims3{1, 1, 1}) return run_gemm(op, source, rows, row_bytes, y);

  const int64_t taps = p.panels.taps;
  const int64_t mr = p.gemm->mr;
  const int64_t pixel_bytes = g.out_channels * element_size(op.scalars.kind);
  const int64_t panels = p.panels.groups * p.panels.panels();
  const int64_t results = rows * g.out_channels;
  const BlockPlan plan = plan_blocks(p, rows, row_bytes, {results * taps * p.panels.k, results});
  const LineBlocks blocks = cut_lines(g, plan.rows);
  const int64_t columns = ceil_div(panels, plan.panels);
  const PhaseLines place{phase, whole};
  std::atomic<bool> out_of_memory{false};
  auto task = [&](int64_t begin, int64_t end) {
    const int64_t pitch = blocks.height * (blocks.piece + mr);
    const uint8_t** pointers = scratch<const uint8_t*>(Scratch::kPointers, taps * pitch);
    bool failed = pointers == nullptr;
    int64_t filled = -1;
    for (int64_t i = begin; i < end && !failed; i++) {
      const int64_t block = i / columns;
      const int64_t line = block / blocks.pieces * blocks.height;
      const int64_t height = std::min(blocks.height, blocks.lines - line);
      const int64_t column = block % blocks.pieces * blocks.piece;
      const int64_t width = std::min(blocks.piece, blocks.line - column);
      if (block != filled) {
        for (int64_t l = 0; l < height; l++) {
          const uint8_t** rows_of_line = pointers + l * (width + mr);
          source.fill((line + l) * blocks.line + column, width, pitch, rows_of_line);
          repeat_last_row(rows_of_line, pitch, taps, width, mr);
        }
        filled = block;
      }
      const int64_t first = i % columns * plan.panels;
      const int64_t last = std::min(first + plan.panels, panels);
      for (int64_t l = 0; l < height && !failed; l++) {
        const GemmRows part{.rows = pointers + l * (width + mr),
                            .pitch = pitch,
                            .m = width,
                            .readable = p.panels.k,
                            .y = y + (place.pixel(line + l) + column * whole.stride.w) * pixel_bytes,
                            .y_pitch = whole.stride.w * pixel_bytes};
        failed = !run_panels(op, part, first, last);
      }
    }
    if (failed) out_of_memory.store(true, std::memory_order_relaxed);
  };
  const int64_t tasks = blocks.count() * columns;
  if (plan.threads) {
    share_among_threads(tasks, task);
  } else {
    task(0, tasks);
  }
  return out_of_memory.load(std::memory_order_relaxed) ? Status::kOutOfMemory : Status::kOk;
}

// Pixels that no input pixel reaches: one is computed, and copied to all of them.
Status fill_gaps(const BoundQuantized& gap, uint8_t* y, const ConvGeometry& g) {
  const PackedQuantized& p = *gap.packed;
  const int64_t pixel_bytes = g.out_channels * element_size(gap.scalars.kind);
  const int64_t mr = p.gemm->mr;
  const uint8_t** rows = scratch<const uint8_t*>(Scratch::kPointers, mr);
  uint8_t* pixel = scratch<uint8_t>(Scratch::kGather, pixel_bytes);
  if (rows == nullptr || pixel == nullptr) return Status::kOutOfMemory;
  rows[0] = gap.padding_row.data();
  repeat_last_row(rows, mr, 1, 1, mr);
  if (!run_panels(gap, {.rows = rows, .pitch = mr, .m = 1, .readable = 1, .y = pixel}, 0, p.panels.panels())) {
    return Status::kOutOfMemory;
  }
  for (int64_t image = 0; image < g.batch; image++, y += g.output.count() * pixel_bytes) {
    each_gap(g, [&](int64_t at) { std::memcpy(y + at * pixel_bytes, pixel, static_cast<size_t>(pixel_bytes)); });
  }
  return Status::kOk;
}

}  // namespace

std::shared_ptr<const PackedQuantized> pack_transposed(const QuantizedWeights& weights, const GemmRow& gemm) {
  auto p = std::make_shared<PackedQuantized>();
  p->method = Method::kTransposed;
  p->gemm = &gemm;
  p->facts = {.groups = weights.groups,
              .out_channels = weights.out_channels,
              .in_per_group = weights.in_per_group,
              .kernel = weights.kernel,
              .bytes = sizeof(PackedQuantized),
              .transposed = weights.transposed};
  p->phases = phases_of(weights.kernel, *weights.transposed);
  for (const Phase& phase : p->phases) {
    QuantizedWeights part = weights;
    part.transposed.reset();
    part.kernel = phase.count;
    std::vector<uint8_t> codes(static_cast<size_t>(weights.out_channels * phase.count.count() * weights.in_per_group));
    gather_phase(phase, weights.kernel, weights.in_per_group, weights.out_channels, weights.codes.data(), codes.data());
    part.codes = codes;
    p->parts.push_back(pack_taps(part, gemm));
  }
  if (leaves_gaps(p->phases, weights.transposed->stride)) p->parts.push_back(pack_gap(weights, gemm));
  for (const auto& part : p->parts) {
    if (part == nullptr) return nullptr;
    p->facts.bytes += part->facts.bytes;
  }
  return p;
}

Status run_transposed(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& g) {
  const std::vector<Phase>& phases = op.packed->phases;
  for (size_t i = 0; i < phases.size(); i++) {
    const Status status = run_phase(*op.parts[i], place_phase(phases[i], g), x, y, g);
    if (status != Status::kOk) return status;
  }
  return op.parts.size() > phases.size() ? fill_gaps(*op.parts.back(), y, g) : Status::kOk;
}

}  // namespace int8
