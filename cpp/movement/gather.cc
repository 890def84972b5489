// Picks rows by index. Indices may be data: they are checked before anything is written.
#include <algorithm>
#include <cstring>

#include "int8/movement.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// A grain (parallel_for): bytes, and rows that are copied one by one.
constexpr int64_t kGrainBytes = int64_t{1} << 16;
constexpr int64_t kGrainRows = int64_t{1} << 12;

// Rows begin to end - 1 of y, kSize bytes each (0: `size`).
template <size_t kSize>
void copy_rows(const uint8_t* x, uint8_t* y, std::span<const int32_t> indices, int64_t axis, size_t size, int64_t begin,
               int64_t end) {
  const size_t bytes = kSize == 0 ? size : kSize;
  const auto count = static_cast<int64_t>(indices.size());
  int64_t outer = begin / count, i = begin % count;
  for (int64_t row = begin; row < end; row++) {
    const int64_t index = indices[static_cast<size_t>(i)];
    const int64_t from = outer * axis + (index < 0 ? index + axis : index);
    std::memcpy(y + static_cast<size_t>(row) * bytes, x + static_cast<size_t>(from) * bytes, bytes);
    if (++i < count) continue;
    i = 0;
    outer++;
  }
}

}  // namespace

Status gather(std::span<const uint8_t> x, std::span<uint8_t> y, std::span<const int32_t> indices, const Gather& g) {
  for (const int64_t index : indices) {
    if (index < -g.axis || index >= g.axis) return Status::kIndexOutside;
  }
  if (y.empty()) return Status::kOk;
  const auto size = static_cast<size_t>(g.inner * g.item_size);
  const auto kernel = size == 1   ? copy_rows<1>
                      : size == 2 ? copy_rows<2>
                      : size == 4 ? copy_rows<4>
                      : size == 8 ? copy_rows<8>
                                  : copy_rows<0>;
  auto task = [&](int64_t begin, int64_t end) { kernel(x.data(), y.data(), indices, g.axis, size, begin, end); };
  const int64_t grain = std::clamp<int64_t>(kGrainBytes / static_cast<int64_t>(size), 1, kGrainRows);
  parallel_for(g.outer * static_cast<int64_t>(indices.size()), grain, task);
  return Status::kOk;
}

}  // namespace int8
