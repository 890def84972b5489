// Copies between strided views. Axes are merged where both sides allow it; what is left is a loop over planes of the
// two innermost interesting axes: the one in which y is dense, and the one in which x is. A plane is moved as rows
// where both are the same axis, and otherwise transposed in tiles that stay in the first cache.
#include <algorithm>
#include <cstring>
#include <utility>

#include "int8/movement.h"
#include "int8/thread_pool.h"
#include "movement/interleave_block.h"
#include "movement/transpose_block.h"

namespace int8 {
namespace {

constexpr size_t kMaxRank = 8;
// A grain (parallel_for): bytes of elements moved one by one, and of rows.
constexpr int64_t kGrainElements = int64_t{1} << 15;
constexpr int64_t kGrainRows = int64_t{1} << 16;
constexpr int64_t kTile = 32;
// What is larger than this does not lie in a second cache, and is fetched ahead.
constexpr int64_t kCachedBytes = int64_t{1} << 20;

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

// Element (r, c) of a plane: x dense along rows, y along columns. Tile by tile, the longer side innermost.
template <class T>
void transpose_tile(const T* x, const Axis& rows, T* y, const Axis& columns) {
  if (columns.length < 8) {
    for (int64_t c = 0; c < columns.length; c++) {
      for (int64_t r = 0; r < rows.length; r++) y[r * rows.y_stride + c] = x[c * columns.x_stride + r];
    }
    return;
  }
  for (int64_t r = 0; r < rows.length; r++) {
    T* to = y + r * rows.y_stride;
    const T* from = x + r;
    for (int64_t c = 0; c < columns.length; c++) to[c] = from[c * columns.x_stride];
  }
}

// Blocks of words go by squares of a cache line's elements, so that every line of either side is done with before it
// leaves the first cache. Large ones fetch a square of the rows that come next: a line here and a line there, which the
// CPU does not see coming. Returns the rows and columns that whole blocks cover, as transpose_bytes does.
std::pair<int64_t, int64_t> transpose_words(const uint32_t* x, const Axis& rows, uint32_t* y, const Axis& columns,
                                            bool fetches) {
  constexpr int64_t kLine = 16, kSide = kBlock<uint32_t>;
  if (!kHasBlocks) return {0, 0};
  const int64_t r_end = rows.length / kSide * kSide, c_end = columns.length / kSide * kSide;
  if (r_end == 0 || c_end == 0) return {0, 0};
  for (int64_t r0 = 0; r0 < r_end; r0 += kLine) {
    const int64_t r1 = std::min(r0 + kLine, r_end), r2 = std::min(r1 + kLine, r_end);
    for (int64_t c0 = 0; c0 < c_end; c0 += kLine) {
      const int64_t c1 = std::min(c0 + kLine, c_end);
      if (fetches) {
        for (int64_t c = c0; c < c1; c++) __builtin_prefetch(x + r1 + c * columns.x_stride, 0, 2);
        for (int64_t r = r1; r < r2; r++) __builtin_prefetch(y + r * rows.y_stride + c0, 1, 2);
      }
      for (int64_t r = r0; r < r1; r += kSide) {
        for (int64_t c = c0; c < c1; c += kSide) {
          // y's rows run along x's columns: c is the row of x's block.
          transpose_block(x + r + c * columns.x_stride, columns.x_stride, y + r * rows.y_stride + c, rows.y_stride);
        }
      }
    }
  }
  return {r_end, c_end};
}

// Lines that are read and written soon, fetched a few at a time.
class Ahead {
 public:
  Ahead(const uint8_t* x, int64_t x_stride, int64_t x_lines, uint8_t* y, int64_t y_stride, int64_t y_lines)
      : x_(x), x_stride_(x_stride), x_lines_(x_lines), y_(y), y_stride_(y_stride), y_lines_(y_lines) {}
  void fetch(int64_t lines) {
    for (int64_t i = 0; i < lines && x_lines_ > 0; i++, x_lines_--, x_ += x_stride_) __builtin_prefetch(x_, 0, 2);
    for (int64_t i = 0; i < lines && y_lines_ > 0; i++, y_lines_--, y_ += y_stride_) __builtin_prefetch(y_, 1, 2);
  }

 private:
  const uint8_t* x_;
  int64_t x_stride_, x_lines_;
  uint8_t* y_;
  int64_t y_stride_, y_lines_;
};

// Bytes, by squares as well. A square has many lines, and those of the side that lies further apart may all fall in one
// set of the first cache: blocks have eight of these, and go along them, so that eight are done with before the next.
// The next square's lines are fetched with the blocks of this one.
template <bool kXApart>
std::pair<int64_t, int64_t> transpose_bytes(const uint8_t* x, const Axis& rows, uint8_t* y, const Axis& columns,
                                            bool fetches) {
  constexpr int64_t kLine = 64, kRows = kXApart ? 16 : 8, kColumns = kXApart ? 8 : 16;
  constexpr int64_t kLines = kRows * kColumns / kLine;  // of each side, with each block
  if (!kHasBlocks) return {0, 0};
  const int64_t r_end = rows.length / kRows * kRows, c_end = columns.length / kColumns * kColumns;
  if (r_end == 0 || c_end == 0) return {0, 0};
  const int64_t across = (c_end + kLine - 1) / kLine, squares = (r_end + kLine - 1) / kLine * across;
  for (int64_t square = 0; square < squares; square++) {
    const int64_t r0 = square / across * kLine, r1 = std::min(r0 + kLine, r_end);
    const int64_t c0 = square % across * kLine, c1 = std::min(c0 + kLine, c_end);
    const int64_t next_r = (square + 1) / across * kLine, next_c = (square + 1) % across * kLine;
    const bool more = fetches && square + 1 < squares;
    Ahead ahead(x + next_r + next_c * columns.x_stride, columns.x_stride, more ? std::min(kLine, c_end - next_c) : 0,
                y + next_r * rows.y_stride + next_c, rows.y_stride, more ? std::min(kLine, r_end - next_r) : 0);
    const auto block = [&](int64_t r, int64_t c) {
      ahead.fetch(kLines);
      const uint8_t* from = x + r + c * columns.x_stride;
      uint8_t* to = y + r * rows.y_stride + c;
      kXApart ? transpose_8x16(from, columns.x_stride, to, rows.y_stride)
              : transpose_16x8(from, columns.x_stride, to, rows.y_stride);
    };
    if (kXApart) {
      for (int64_t c = c0; c < c1; c += kColumns) {
        for (int64_t r = r0; r < r1; r += kRows) block(r, c);
      }
    } else {
      for (int64_t r = r0; r < r1; r += kRows) {
        for (int64_t c = c0; c < c1; c += kColumns) block(r, c);
      }
    }
  }
  return {r_end, c_end};
}

// rows x columns elements; y is dense along columns, x along rows: a transposition, tile by tile.
template <class T>
void transpose_tiles(const T* x, const Axis& rows, T* y, const Axis& columns) {
  for (int64_t r = 0; r < rows.length; r += kTile) {
    for (int64_t c = 0; c < columns.length; c += kTile) {
      transpose_tile(x + r + c * columns.x_stride, {std::min(kTile, rows.length - r), rows.x_stride, rows.y_stride},
                     y + r * rows.y_stride + c,
                     {std::min(kTile, columns.length - c), columns.x_stride, columns.y_stride});
    }
  }
}

template <class T>
void transpose_plane(const T* x, const Axis& rows, T* y, const Axis& columns, bool fetches) {
  if constexpr (sizeof(T) == 1 || sizeof(T) == 4) {
    if (columns.length == 3 && rows.y_stride == 3) {
      const int64_t r = interleave_three(x, columns.x_stride, y, rows.length);
      transpose_tiles(x + r, {rows.length - r, rows.x_stride, rows.y_stride}, y + r * rows.y_stride, columns);
      return;
    }
    if (rows.length == 3 && columns.x_stride == 3) {
      const int64_t c = part_three(x, rows.y_stride, y, columns.length);
      transpose_tiles(x + 3 * c, rows, y + c, {columns.length - c, columns.x_stride, columns.y_stride});
      return;
    }
    std::pair<int64_t, int64_t> done;
    if constexpr (sizeof(T) == 4) {
      done = transpose_words(x, rows, y, columns, fetches);
    } else if (columns.x_stride > rows.y_stride) {
      done = transpose_bytes<true>(x, rows, y, columns, fetches);
    } else {
      done = transpose_bytes<false>(x, rows, y, columns, fetches);
    }
    // What blocks leave over: the last columns of their rows, then the last rows.
    const auto [r, c] = done;
    transpose_tiles(x + c * columns.x_stride, {r, rows.x_stride, rows.y_stride}, y + c,
                    {columns.length - c, columns.x_stride, columns.y_stride});
    transpose_tiles(x + r, {rows.length - r, rows.x_stride, rows.y_stride}, y + r * rows.y_stride, columns);
  } else {
    transpose_tiles(x, rows, y, columns);
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
    // One large plane is work for several threads: it is cut along its rows, a row along itself.
    Axis& cut = transposed_ ? rows_ : inner_;
    const int64_t across = transposed_ ? inner_.length : 1;
    const bool rows_of_bytes = inner_.x_stride == 1 && inner_.y_stride == 1;
    grain_ = (rows_of_bytes ? kGrainRows : kGrainElements) / static_cast<int64_t>(sizeof(T));
    piece_ = std::max(grain_ / across / kTile * kTile, kTile);
    piece_ = std::min(piece_, cut.length);
    pieces_ = (cut.length + piece_ - 1) / piece_;
    fetches_ = count_ * rows_.length * inner_.length > kCachedBytes / static_cast<int64_t>(sizeof(T));
  }
  // Pieces of all planes, and how many are worth a thread.
  int64_t count() const { return count_ * pieces_; }
  int64_t grain() const { return std::max<int64_t>(grain_ / (piece_ * (transposed_ ? inner_.length : 1)), 1); }
  void copy(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; i++) {
      const Axis& cut = transposed_ ? rows_ : inner_;
      const int64_t first = i % pieces_ * piece_, length = std::min(piece_, cut.length - first);
      int64_t rest = i / pieces_, x_at = first * cut.x_stride, y_at = first * cut.y_stride;
      for (size_t d = outer_rank_; d-- > 0;) {
        const int64_t index = rest % outer_[d].length;
        rest /= outer_[d].length;
        x_at += index * outer_[d].x_stride;
        y_at += index * outer_[d].y_stride;
      }
      if (transposed_) {
        transpose_plane(x_ + x_at, {length, cut.x_stride, cut.y_stride}, y_ + y_at, inner_, fetches_);
      } else {
        copy_row(x_ + x_at, inner_.x_stride, y_ + y_at, inner_.y_stride, length);
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
  int64_t grain_ = 1, piece_ = 1, pieces_ = 1;
  bool transposed_ = false;
  bool fetches_ = false;
};

template <class T>
void copy_as(std::span<const uint8_t> x, std::span<uint8_t> y, const StridedCopy& copy) {
  const View view = merged(copy);
  const Planes<T> planes(view, reinterpret_cast<const T*>(x.data()) + copy.x_offset,
                         reinterpret_cast<T*>(y.data()) + copy.y_offset);
  auto task = [&](int64_t begin, int64_t end) { planes.copy(begin, end); };
  parallel_for(planes.count(), planes.grain(), task);
}

}  // namespace

void strided_copy(std::span<const uint8_t> x, std::span<uint8_t> y, const StridedCopy& copy) {
  for (const int64_t length : copy.shape) {
    if (length == 0) return;
  }
  switch (copy.item_size) {
    case 1:
      return copy_as<uint8_t>(x, y, copy);
    case 2:
      return copy_as<uint16_t>(x, y, copy);
    case 4:
      return copy_as<uint32_t>(x, y, copy);
    default:
      return copy_as<uint64_t>(x, y, copy);
  }
}

}  // namespace int8
