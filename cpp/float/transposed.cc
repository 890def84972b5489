// Transposed float32 convolution: a packed convolution for each phase (conv/phases.h), whose pixels go to every
// stride-th one of an output line. Work is cut into items: some tiles of one line, a group, and a range of its panels.
#include <algorithm>

#include "elementwise/math.h"
#include "float/kernels.h"
#include "float/rows.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

constexpr int64_t kRangeBytes = int64_t{1} << 19;  // panels that an item reads for each of its tiles
constexpr int64_t kGrainCost = int64_t{1} << 19;   // multiply-adds of a grain (parallel_for)
constexpr int64_t kMaxRuns = 128;                  // runs of one kernel call

// One tile of `n` pixels against panels [first, last) of a group; y is its first pixel, `step` floats from one to the
// next.
void run_tile(const PackedFloat& op, const ConvRows& rows, const Runs& runs, int n, int64_t group, int64_t first,
              int64_t last, float* y, int64_t step, float lo, float hi) {
  const FloatRow& row = *op.row;
  const float* pointers[kMaxRuns * kMaxFloatMr];
  for (int64_t r = 0; r < runs.count; r += kMaxRuns) {
    const int64_t end = std::min(r + kMaxRuns, runs.count);
    rows.fill(group, r, end, row.mr, pointers);
    for (int64_t p = first; p < last; p++) {
      const int64_t channel = p * row.nr;
      const auto width = static_cast<int>(std::min<int64_t>(row.nr, op.padded - channel));
      const FloatTile tile{.x = pointers,
                           .mr = row.mr,
                           .runs = end - r,
                           .length = runs.length,
                           .w = op.panel(group, p) + r * runs.length * width,
                           .bias = r == 0 ? op.panel_bias(group, p) : nullptr,
                           .y = y + group * op.out_per_group + channel,
                           .y_stride = step,
                           .channels = std::min<int64_t>(width, op.out_per_group - channel),
                           .last = end == runs.count,
                           .lo = lo,
                           .hi = hi};
      row.tile(tile, n, width);
    }
  }
}

void run_phase(const PackedFloat& op, const PlacedPhase& phase, const float* x, float* y, const ConvGeometry& whole,
               float lo, float hi) {
  const ConvGeometry& g = phase.geometry;
  const int64_t mr = op.row->mr, channels = g.out_channels, panels = op.panels();
  const int64_t lines = g.batch * g.output.d * g.output.h, tiles = (g.output.w + mr - 1) / mr;
  if (lines * tiles == 0) return;
  const int64_t panel_floats = std::max<int64_t>(op.k * op.row->nr, 1);
  const int64_t range = std::clamp<int64_t>(kRangeBytes / (panel_floats * 4), 1, panels);
  const int64_t ranges = (panels + range - 1) / range;
  auto task = [&](int64_t begin, int64_t end) {
    ConvRows rows(op, x, g);
    for (int64_t item = begin; item < end; item++) {
      const int64_t line = item % lines, first = item / lines % ranges * range, group = item / lines / ranges;
      const int64_t h = phase.first.h + line % g.output.h * whole.stride.h;
      const int64_t d = phase.first.d + line / g.output.h % g.output.d * whole.stride.d;
      const int64_t image = line / g.output.h / g.output.d;
      const int64_t pixel = ((image * whole.output.d + d) * whole.output.h + h) * whole.output.w + phase.first.w;
      for (int64_t column = 0; column < g.output.w; column += mr) {
        const int n = static_cast<int>(std::min(mr, g.output.w - column));
        const Runs runs = rows.start(line * g.output.w + column, n);
        run_tile(op, rows, runs, n, group, first, std::min(first + range, panels),
                 y + (pixel + column * whole.stride.w) * channels, whole.stride.w * channels, lo, hi);
      }
    }
  };
  const int64_t cost = std::max<int64_t>(op.k, 16) * g.output.w * std::min<int64_t>(range * op.row->nr, op.padded);
  parallel_for(op.shape.groups * ranges * lines, std::max<int64_t>(1, kGrainCost / cost), task);
}

// Pixels that no input pixel reaches hold the bias.
void fill_gaps(const PackedFloat& op, float* y, const ConvGeometry& g, float lo, float hi) {
  for (int64_t image = 0; image < g.batch; image++, y += g.output.count() * g.out_channels) {
    each_gap(g, [&](int64_t at) {
      float* pixel = y + at * g.out_channels;
      for (int64_t c = 0; c < g.out_channels; c++) {
        pixel[c] = minimum(maximum(op.bias[static_cast<size_t>(c)], lo), hi);
      }
    });
  }
}

}  // namespace

std::shared_ptr<const PackedFloat> pack_transposed_float(const FloatRow& row, const FloatWeights& source) {
  auto packed = std::make_shared<PackedFloat>();
  packed->row = &row;
  packed->phases = phases_of(source.kernel, *source.transposed);
  const auto channels = static_cast<size_t>(source.out_channels);
  packed->bias = AlignedBuffer<float>(std::max<size_t>(channels, 1));
  if (packed->bias.data() == nullptr) return nullptr;
  for (size_t c = 0; c < channels; c++) packed->bias[c] = source.bias.empty() ? 0.0f : source.bias[c];
  packed->shape = {source.groups, source.out_channels,       source.in_per_group,
                   source.kernel, packed->bias.size_bytes(), source.transposed};
  for (const Phase& phase : packed->phases) {
    FloatWeights part = source;
    part.transposed.reset();
    part.kernel = phase.count;
    std::vector<float> values(static_cast<size_t>(source.out_channels * phase.count.count() * source.in_per_group));
    gather_phase(phase, source.kernel, source.in_per_group, source.out_channels, source.values.data(), values.data());
    part.values = values;
    packed->parts.push_back(pack_float_tiles(row, part));
    if (packed->parts.back() == nullptr) return nullptr;
    packed->shape.bytes += packed->parts.back()->shape.bytes;
  }
  return packed;
}

Status fconv_transposed(const PackedFloat& op, std::span<const float> x, std::span<float> y, const ConvGeometry& g,
                        float lo, float hi) {
  for (size_t i = 0; i < op.phases.size(); i++) {
    const PlacedPhase phase = place_phase(op.phases[i], g);
    // A phase of stride 1 is all of the output.
    if (g.stride == Dims3{1, 1, 1}) return fconv(*op.parts[i], x, {}, y, phase.geometry, lo, hi);
    run_phase(*op.parts[i], phase, x.data(), y.data(), g, lo, hi);
  }
  if (leaves_gaps(op.phases, g.stride)) fill_gaps(op, y.data(), g, lo, hi);
  return Status::kOk;
}

}  // namespace int8
