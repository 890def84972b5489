// A choice between two operands by a third, all broadcast: rows of the innermost axis.
#include <algorithm>

#include "elementwise/runs.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// Where nothing repeats or all of an operand does, the compiler's vectors do it.
void choose(const uint8_t* c, int64_t c_step, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y,
            int64_t n) {
  if (c_step == 1 && a_step == 1 && b_step == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = c[i] != 0 ? a[i] : b[i];
  } else if (c_step == 1 && a_step == 0 && b_step == 1) {
    for (int64_t i = 0; i < n; i++) y[i] = c[i] != 0 ? a[0] : b[i];
  } else if (c_step == 1 && a_step == 1 && b_step == 0) {
    for (int64_t i = 0; i < n; i++) y[i] = c[i] != 0 ? a[i] : b[0];
  } else {
    for (int64_t i = 0; i < n; i++) y[i] = c[i * c_step] != 0 ? a[i * a_step] : b[i * b_step];
  }
}

}  // namespace

void fwhere(std::span<const uint8_t> condition, std::span<const float> a, std::span<const float> b, std::span<float> y,
            const Broadcast& broadcast, std::span<const int64_t> condition_strides) {
  const size_t last = broadcast.shape.size() - 1;
  const int64_t inner = broadcast.shape[last];
  const int64_t c_step = condition_strides[last], a_step = broadcast.a_strides[last],
                b_step = broadcast.b_strides[last];
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t column = i % inner, n = std::min(inner - column, end - i);
      int64_t rest = i / inner, c_at = column * c_step, a_at = column * a_step, b_at = column * b_step;
      for (size_t d = last; d-- > 0;) {
        const int64_t index = rest % broadcast.shape[d];
        rest /= broadcast.shape[d];
        c_at += index * condition_strides[d];
        a_at += index * broadcast.a_strides[d];
        b_at += index * broadcast.b_strides[d];
      }
      choose(condition.data() + c_at, c_step, a.data() + a_at, a_step, b.data() + b_at, b_step, y.data() + i, n);
      i += n;
    }
  };
  parallel_for(static_cast<int64_t>(y.size()), kGrain<float>, task);
}

}  // namespace int8
