// Copies between strided views. Axes are merged where both sides allow it; what is left is a loop over planes of the
// two innermost interesting axes: the one in which y is dense, and the one in which x is. A plane is moved as rows
// where both are the same axis, and otherwise transposed in tiles that stay in the first cache.
#include <algorithm>
#include <cstring>

#include "int8/movement.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

constexpr size_t kMaxRank = 8;
constexpr int64_t kGrainBytes = int64_t{1} << 17;
constexpr int64_t kTile = 32;

struct Axis {
  int64_t length;
  int64_t x_stride;
  int64_t y_stride;
};

// Axes that remain after merging, outermost first; at least one.
struct View {
  Axis axes[kMaxRank];
  size_t rank = 0;
};

View merged(const StridedCopy& copy) {
  View view;
  for (size_t d = 0; d < copy.shape.size(); d++) {
    const Axis axis{copy.shape[d], copy.x_strides[d], copy.y_strides[d]};
    if (axis.length == 1) continue;
    if (view.rank > 0) {
      Axis& outer = view.axes[view.rank - 1];
      if (outer.x_stride == axis.x_stride * axis.length && outer.y_stride == axis.y_stride * axis.length) {
        outer = {outer.length * axis.length, axis.x_stride, axis.y_stride};
        continue;
      }
    }
    view.axes[view.rank++] = axis;
  }
  if (view.rank == 0) view.axes[view.rank++] = {1, 1, 1};
  return view;
}

template <class T>
void copy_row(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t n) {
  if (x_stride == 1 && y_stride == 1) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
  } else if (y_stride == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = x[i * x_stride];
  } else {
    for (int64_t i = 0; i < n; i++) y[i * y_stride] = x[i * x_stride];
  }
}

// rows x columns elements; y is dense along columns, x along rows: a transposition, tile by tile.
template <class T>
void transpose_plane(const T* x, const Axis& rows, T* y, const Axis& columns) {
  for (int64_t r0 = 0; r0 < rows.length; r0 += kTile) {
    const int64_t r1 = std::min(r0 + kTile, rows.length);
    for (int64_t c0 = 0; c0 < columns.length; c0 += kTile) {
      const int64_t c1 = std::min(c0 + kTile, columns.length);
      for (int64_t r = r0; r < r1; r++) {
        T* to = y + r * rows.y_stride;
        const T* from = x + r;
        for (int64_t c = c0; c < c1; c++) to[c] = from[c * columns.x_stride];
      }
    }
  }
}

// The planes of a view: all axes but the last, and but `rows` where the plane is transposed.
template <class T>
class Planes {
 public:
  Planes(const View& view, const T* x, T* y) : x_(x), y_(y), inner_(view.axes[view.rank - 1]) {
    size_t dense = view.rank;  // the axis in which x is dense, if it is not the last
    for (size_t d = 0; d + 1 < view.rank; d++) {
      if (view.axes[d].x_stride == 1) dense = d;
    }
    transposed_ = inner_.y_stride == 1 && inner_.x_stride != 1 && dense < view.rank;
    if (transposed_) rows_ = view.axes[dense];
    for (size_t d = 0; d + 1 < view.rank; d++) {
      if (!transposed_ || d != dense) outer_[outer_rank_++] = view.axes[d];
    }
    for (size_t d = 0; d < outer_rank_; d++) count_ *= outer_[d].length;
  }
  int64_t count() const { return count_; }
  int64_t plane_bytes() const {
    return inner_.length * (transposed_ ? rows_.length : 1) * static_cast<int64_t>(sizeof(T));
  }
  void copy(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; i++) {
      int64_t rest = i, x_at = 0, y_at = 0;
      for (size_t d = outer_rank_; d-- > 0;) {
        const int64_t index = rest % outer_[d].length;
        rest /= outer_[d].length;
        x_at += index * outer_[d].x_stride;
        y_at += index * outer_[d].y_stride;
      }
      if (transposed_) {
        transpose_plane(x_ + x_at, rows_, y_ + y_at, inner_);
      } else {
        copy_row(x_ + x_at, inner_.x_stride, y_ + y_at, inner_.y_stride, inner_.length);
      }
    }
  }

 private:
  const T* x_;
  T* y_;
  Axis inner_;
  Axis rows_{1, 1, 1};
  Axis outer_[kMaxRank] = {};
  size_t outer_rank_ = 0;
  int64_t count_ = 1;
  bool transposed_ = false;
};

template <class T>
void copy_as(std::span<const uint8_t> x, std::span<uint8_t> y, const StridedCopy& copy) {
  const View view = merged(copy);
  const Planes<T> planes(view, reinterpret_cast<const T*>(x.data()) + copy.x_offset,
                         reinterpret_cast<T*>(y.data()) + copy.y_offset);
  auto task = [&](int64_t begin, int64_t end) { planes.copy(begin, end); };
  parallel_for(planes.count(), std::max<int64_t>(kGrainBytes / std::max<int64_t>(planes.plane_bytes(), 1), 1), task);
}

}  // namespace

void strided_copy(std::span<const uint8_t> x, std::span<uint8_t> y, const StridedCopy& copy) {
  for (const int64_t length : copy.shape) {
    if (length == 0) return;
  }
  switch (copy.item_size) {
    case 1:
      return copy_as<uint8_t>(x, y, copy);
    case 4:
      return copy_as<uint32_t>(x, y, copy);
    default:
      return copy_as<uint64_t>(x, y, copy);
  }
}

}  // namespace int8
