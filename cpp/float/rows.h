// Row pointers: where a tile's input lies. Nothing is copied; what lies in padding points at a row of zeros.
#pragma once

#include <algorithm>

#include "float/kernels.h"

namespace int8 {

// The runs of one tile: `count` runs of `length` floats.
struct Runs {
  int64_t count;
  int64_t length;
};

// Pixels first..first+n-1 (over batch, depth, height, width) of a convolution's output.
//
// A run is one tap's input channels. Where the columns of a kernel row lie next to each other in memory and no pixel of
// the tile touches padding to the left or right, a run is a whole kernel row: k stays in the same order, and layers of
// few channels get loops of a useful length.
class ConvRows {
 public:
  ConvRows(const PackedFloat& op, const float* x, const ConvGeometry& geometry)
      : geometry_(geometry), x_(x), zeros_(op.zeros.data()), in_per_group_(op.shape.in_per_group) {}

  // Whether each tile has one run.
  bool single_run() const { return geometry_.kernel.count() == 1; }

  Runs start(int64_t first, int n) {
    const ConvGeometry& g = geometry_;
    n_ = n;
    int64_t ow = first % g.output.w, oh = first / g.output.w % g.output.h;
    int64_t od = first / (g.output.w * g.output.h) % g.output.d;
    int64_t image = first / g.output.count();
    const Dims3 span{(g.kernel.d - 1) * g.dilation.d, (g.kernel.h - 1) * g.dilation.h, (g.kernel.w - 1) * g.dilation.w};
    bool rows_inside = true, columns_inside = true;
    for (int m = 0; m < n; ++m) {
      Pixel& p = pixels_[m];
      p.d = od * g.stride.d - g.padding.d;
      p.h = oh * g.stride.h - g.padding.h;
      p.w = ow * g.stride.w - g.padding.w;
      p.offset = (((image * g.input.d + p.d) * g.input.h + p.h) * g.input.w + p.w) * g.in_channels;
      rows_inside = rows_inside && p.d >= 0 && p.d + span.d < g.input.d && p.h >= 0 && p.h + span.h < g.input.h;
      columns_inside = columns_inside && p.w >= 0 && p.w + span.w < g.input.w;
      if (++ow < g.output.w) continue;
      ow = 0;
      if (++oh < g.output.h) continue;
      oh = 0;
      if (++od < g.output.d) continue;
      od = 0;
      ++image;
    }
    inside_ = rows_inside && columns_inside;
    const bool whole_rows = columns_inside && g.groups == 1 && g.dilation.w == 1;
    columns_ = whole_rows ? 1 : g.kernel.w;
    return {g.kernel.d * g.kernel.h * columns_, whole_rows ? g.kernel.w * in_per_group_ : in_per_group_};
  }

  // Pointers of runs begin..end-1 to rows[(r - begin) * mr + m].
  void fill(int64_t group, int64_t begin, int64_t end, int mr, const float** rows) const {
    const ConvGeometry& g = geometry_;
    const float* x = x_ + group * in_per_group_;
    int64_t kw = begin % columns_, kh = begin / columns_ % g.kernel.h, kd = begin / columns_ / g.kernel.h;
    for (int64_t r = begin; r < end; ++r, rows += mr) {
      const Dims3 at{kd * g.dilation.d, kh * g.dilation.h, kw * g.dilation.w};
      const int64_t step = ((at.d * g.input.h + at.h) * g.input.w + at.w) * g.in_channels;
      for (int m = 0; m < n_; ++m) {
        const Pixel& p = pixels_[m];
        const bool read = inside_ || (within(p.d + at.d, g.input.d) && within(p.h + at.h, g.input.h) &&
                                      within(p.w + at.w, g.input.w));
        rows[m] = read ? x + p.offset + step : zeros_;
      }
      if (++kw < columns_) continue;
      kw = 0;
      if (++kh < g.kernel.h) continue;
      kh = 0;
      ++kd;
    }
  }

 private:
  struct Pixel {
    int64_t offset;   // of the window's first tap, in x; in padding it points nowhere
    int64_t d, h, w;  // of that tap; may be negative
  };
  static bool within(int64_t i, int64_t size) { return static_cast<uint64_t>(i) < static_cast<uint64_t>(size); }

  const ConvGeometry& geometry_;
  const float* x_;
  const float* zeros_;
  int64_t in_per_group_;
  int64_t columns_ = 1;  // runs of one kernel row
  bool inside_ = false;  // no pixel of the tile touches padding
  int n_ = 0;
  Pixel pixels_[kMaxFloatMr];
};

// Rows of a matrix of k columns.
class LinearRows {
 public:
  LinearRows(const PackedFloat& op, const float* x) : x_(x), k_(op.k) {}
  bool single_run() const { return true; }
  Runs start(int64_t first, int n) {
    first_ = first;
    n_ = n;
    return {1, k_};
  }
  void fill(int64_t, int64_t, int64_t, int, const float** rows) const {
    for (int m = 0; m < n_; ++m) rows[m] = x_ + (first_ + m) * k_;
  }

 private:
  const float* x_;
  int64_t k_;
  int64_t first_ = 0;
  int n_ = 0;
};

}  // namespace int8
