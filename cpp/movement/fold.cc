// Fold (col2im): each output element starts at 0 and adds its contributions in ascending kernel position. The twin of
// fold in src/backend/js/movement.ts; images' planes are shared among threads.
#include <algorithm>

#include "int8/movement.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// Blocks b whose element at b*stride + offset lies in [0, size): [first, last).
struct Inside {
  int64_t first, last;
};
Inside blocks_inside(int64_t offset, int64_t stride, int64_t size, int64_t blocks) {
  const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t last = size - offset <= 0 ? 0 : (size - offset + stride - 1) / stride;
  return {std::min(first, blocks), std::min(last, blocks)};
}

void fold_plane(const float* x, float* y, const Fold& f) {
  std::fill_n(y, f.out_h * f.out_w, 0.0f);
  for (int64_t kh = 0; kh < f.kernel_h; kh++) {
    const int64_t oh = kh * f.dilation_h - f.padding_h;
    const Inside rows = blocks_inside(oh, f.stride_h, f.out_h, f.blocks_h);
    for (int64_t kw = 0; kw < f.kernel_w; kw++) {
      const int64_t ow = kw * f.dilation_w - f.padding_w;
      const Inside columns = blocks_inside(ow, f.stride_w, f.out_w, f.blocks_w);
      for (int64_t bh = rows.first; bh < rows.last; bh++) {
        const float* from = x + bh * f.blocks_w;
        float* to = y + (bh * f.stride_h + oh) * f.out_w + ow;
        for (int64_t bw = columns.first; bw < columns.last; bw++) to[bw * f.stride_w] += from[bw];
      }
      x += f.blocks_h * f.blocks_w;
    }
  }
}

}  // namespace

void fold(std::span<const float> x, std::span<float> y, const Fold& fold) {
  const int64_t in_plane = fold.kernel_h * fold.kernel_w * fold.blocks_h * fold.blocks_w;
  const int64_t out_plane = fold.out_h * fold.out_w;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) fold_plane(x.data() + i * in_plane, y.data() + i * out_plane, fold);
  };
  parallel_for(fold.batch * fold.channels, std::max<int64_t>((int64_t{1} << 13) / std::max<int64_t>(in_plane, 1), 1),
               task);
}

}  // namespace int8
