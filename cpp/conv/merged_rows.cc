// Few input channels, the first layer of most networks: kernel rows as taps.
#include <algorithm>
#include <cstring>

#include "conv/gemm_driver.h"
#include "conv/qconv_strips.h"
#include "conv/row_sources.h"
#include "conv/strip.h"

namespace int8 {
namespace {

// Pixels whose row pointers are made at once.
constexpr int64_t kPixels = 336;

// Pointers to the kernel rows of `count` output pixels from (row, column) on, all in one output row of the strip.
void point(const ConvGeometry& g, const Strip& s, const uint8_t* strip, int64_t row, int64_t column, int64_t count,
           int64_t pitch, const uint8_t** out) {
  const int64_t step = g.stride.w * s.pixel_bytes;
  for (int64_t kd = 0; kd < g.kernel.d; kd++) {
    for (int64_t kh = 0; kh < g.kernel.h; kh++, out += pitch) {
      const uint8_t* line =
          strip + kd * s.slice_bytes() + (row * g.stride.h + kh * g.dilation.h) * s.row_bytes() + column * step;
      ascend(line, step, count, out);
    }
  }
}

// A dilated kernel row is not contiguous: its pixels are gathered, and the pointers turned to the copies.
void gather(const ConvGeometry& g, const Strip& s, int64_t count, int64_t pitch, int64_t k, const uint8_t** rows,
            uint8_t* out) {
  const int64_t taps = g.kernel.d * g.kernel.h;
  for (int64_t t = 0; t < taps; t++) {
    for (int64_t i = 0; i < count; i++, out += k) {
      const uint8_t* from = rows[t * pitch + i];
      for (int64_t kw = 0; kw < g.kernel.w; kw++) {
        std::memcpy(out + kw * s.pixel_bytes, from + kw * g.dilation.w * s.pixel_bytes,
                    static_cast<size_t>(s.pixel_bytes));
      }
      rows[t * pitch + i] = out;
    }
  }
}

}  // namespace

Status run_merged_rows(const BoundQuantized& op, const uint8_t* x, uint8_t* y, const ConvGeometry& g) {
  const PackedQuantized& p = *op.packed;
  const int64_t taps = p.panels.taps;
  const int64_t readable = p.panels.joined() ? p.panels.k : round_up(p.panels.k, p.panels.kr);
  const bool gathers = g.dilation.w != 1;
  const int64_t y_pixel = g.out_channels * element_size(op.scalars.kind);
  const int64_t results = g.batch * g.output.count() * g.out_channels;
  const bool threads = worth_threads({results * taps * p.panels.k, results}, p.gemm->macs_per_ns);
  const StripPlan plan = plan_strips(g, g.in_channels, threads);
  const int64_t strip_size = strip_bytes(g, plan, g.in_channels);
  const int64_t pixels = std::min(kPixels, plan.rows * plan.columns);
  const int64_t pitch = pixels + p.gemm->mr;
  return for_strips(plan, threads, [&](int64_t begin, int64_t end) {
    // Bytes that are read beyond the last row meet zero weights, but they must exist and be initialised.
    const int64_t slack = readable - p.panels.k;
    uint8_t* copy = scratch<uint8_t>(Scratch::kStrip, strip_size + slack);
    const uint8_t** rows = scratch<const uint8_t*>(Scratch::kPointers, taps * pitch);
    uint8_t* gathered = gathers ? scratch<uint8_t>(Scratch::kGather, taps * pixels * readable) : nullptr;
    bool failed = copy == nullptr || rows == nullptr || (gathers && gathered == nullptr);
    if (!failed && gathers) std::memset(gathered, 0, static_cast<size_t>(taps * pixels * readable));
    // Blocks at the same columns of strips of one width differ by a distance alone: their pointers are made once.
    struct Pointed {
      int64_t row_bytes, slice_bytes, column, width, lines;
      bool operator==(const Pointed&) const = default;
    } pointed{};
    for (int64_t i = begin; i < end && !failed; i++) {
      const Strip s = strip_at(g, plan, i, g.in_channels);
      copy_strip(g, s, {.flip = op.x_flip, .zero = op.x_zero}, x, copy);
      std::memset(copy + g.kernel.d * s.slice_bytes(), 0, static_cast<size_t>(slack));
      // Rows of y follow each other where the strip has the output's whole width: several make one block.
      const int64_t lines = s.columns == g.output.w ? std::max<int64_t>(1, pixels / s.columns) : 1;
      for (int64_t r = 0; r < s.rows && !failed; r += lines) {
        const int64_t together = std::min(lines, s.rows - r);
        for (int64_t c = 0; c < s.columns && !failed; c += pixels) {
          const int64_t width = std::min(pixels, s.columns - c);
          const int64_t count = together * width;
          const Pointed here{s.row_bytes(), s.slice_bytes(), c, width, together};
          if (gathers || here != pointed) {
            const int64_t first = gathers ? r : 0;
            for (int64_t l = 0; l < together; l++) point(g, s, copy, first + l, c, width, pitch, rows + l * width);
            if (gathers) gather(g, s, count, pitch, readable, rows, gathered);
            repeat_last_row(rows, pitch, taps, count, p.gemm->mr);
            pointed = here;
          }
          const GemmRows block{.rows = rows,
                               .pitch = pitch,
                               .m = count,
                               .readable = readable,
                               .y = y + (s.output_pixel(g) + r * g.output.w + c) * y_pixel,
                               .x_offset = gathers ? 0 : r * g.stride.h * s.row_bytes()};
          failed = !run_panels(op, block, 0, p.panels.panels());
        }
      }
    }
    return !failed;
  });
}

}  // namespace int8
