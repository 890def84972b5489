// Weighted sums along one axis: resizing, one axis at a time.
#include <algorithm>

#include "int8/movement.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

constexpr int64_t kGrainProducts = int64_t{1} << 13;  // of a grain (parallel_for)

}  // namespace

Status resample(std::span<const float> x, std::span<float> y, const Resample& r) {
  for (const int64_t index : r.indices) {
    if (index < 0 || index >= r.in_length) return Status::kIndexOutside;
  }
  if (y.empty()) return Status::kOk;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t outer = row / r.out_length, j = row % r.out_length;
      const int32_t* indices = r.indices.data() + j * r.taps;
      const float* weights = r.weights.data() + j * r.taps;
      const float* from = x.data() + outer * r.in_length * r.inner;
      float* to = y.data() + row * r.inner;
      for (int64_t t = 0; t < r.taps; t++) {
        const float* line = from + indices[t] * r.inner;
        const float weight = weights[t];
        if (t == 0) {
          for (int64_t i = 0; i < r.inner; i++) to[i] = line[i] * weight;
        } else {
          for (int64_t i = 0; i < r.inner; i++) to[i] = to[i] + line[i] * weight;
        }
      }
    }
  };
  parallel_for(r.outer * r.out_length, std::max<int64_t>(kGrainProducts / (r.inner * r.taps), 1), task);
  return Status::kOk;
}

}  // namespace int8
