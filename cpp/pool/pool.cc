// Drivers of the pools: find the pixels under each window, join windows that are alike into runs, and share the output
// pixels among threads.
#include <algorithm>
#include <atomic>

#include "core/cpu_features.h"
#include "core/scratch.h"
#include "int8/thread_pool.h"
#include "pool/kernels.h"

namespace int8 {
namespace {

constexpr PoolRow kRows[] = {
#ifdef INT8_ARCH_X64
    {Isa::kAvx512Vnni, &kPoolAvx512Vnni},
    {Isa::kAvx2, &kPoolAvx2},
#endif
#ifdef INT8_ARCH_ARM64
    {Isa::kNeon, &kPoolNeon},
#endif
    {Isa::kPortable, &kPoolPortable},
};

// What is read in a grain (parallel_for).
constexpr int64_t kGrainBytes = int64_t{1} << 15;

int64_t largest(std::span<const int32_t> counts) {
  return counts.empty() ? 0 : *std::ranges::max_element(counts);
}

// Writes the pixels under the window of output pixel (n, od, oh, ow); returns how many there are.
template <class T>
int64_t find_pixels(const PoolWindows& w, const T* x, int64_t n, int64_t od, int64_t oh, int64_t ow, const T** rows) {
  int64_t count = 0;
  for (int32_t d = 0; d < w.d.counts[static_cast<size_t>(od)]; d++) {
    const int64_t depth = n * w.input.d + w.d.starts[static_cast<size_t>(od)] + d * w.d.step;
    for (int32_t h = 0; h < w.h.counts[static_cast<size_t>(oh)]; h++) {
      const int64_t row = depth * w.input.h + w.h.starts[static_cast<size_t>(oh)] + h * w.h.step;
      const T* pixel = x + (row * w.input.w + w.w.starts[static_cast<size_t>(ow)]) * w.channels;
      for (int32_t i = 0; i < w.w.counts[static_cast<size_t>(ow)]; i++)
        rows[count++] = pixel + i * w.w.step * w.channels;
    }
  }
  return count;
}

// Output columns from `first` on, up to `end`, whose windows are alike and at one distance from each other.
int64_t alike(const PoolAxis& w, int64_t first, int64_t end) {
  const auto start = [&](int64_t i) { return w.starts[static_cast<size_t>(i)]; };
  int64_t next = first + 1;
  while (next < end && w.counts[static_cast<size_t>(next)] == w.counts[static_cast<size_t>(first)] &&
         start(next) - start(next - 1) == start(first + 1) - start(first)) {
    next++;
  }
  return next - first;
}

// Calls pool(run, y, position) for all output pixels; position is the first one's within the image. Pixels of a run
// have the same of `each`, which holds something for every position, or is empty.
template <class T, class Pool>
Status for_runs(const PoolWindows& w, const T* x, T* y, std::span<const float> each, Pool pool) {
  const int64_t capacity = largest(w.d.counts) * largest(w.h.counts) * largest(w.w.counts);
  const int64_t pixels = w.output.count();
  if (w.batch * pixels * w.channels == 0) return Status::kOk;
  std::atomic<bool> failed{false};
  auto task = [&](int64_t begin, int64_t end) {
    const T** rows = scratch<const T*>(Scratch::kPointers, std::max<int64_t>(capacity, 1));
    if (rows == nullptr) {
      failed = true;
      return;
    }
    while (begin < end) {
      const int64_t image = begin / pixels, position = begin % pixels;
      const int64_t ow = position % w.output.w;
      const int64_t oh = position / w.output.w % w.output.h;
      const int64_t od = position / w.output.w / w.output.h;
      int64_t count = alike(w.w, ow, std::min(w.output.w, ow + end - begin));
      for (int64_t i = 1; i < count && !each.empty(); i++) {
        if (each[static_cast<size_t>(position + i)] != each[static_cast<size_t>(position)]) count = i;
      }
      const auto start = [&](int64_t i) { return w.w.starts[static_cast<size_t>(i)]; };
      pool(PoolRun<T>{.rows = rows,
                      .count = find_pixels(w, x, image, od, oh, ow, rows),
                      .channels = w.channels,
                      .pixels = count,
                      .step = count > 1 ? (start(ow + 1) - start(ow)) * w.channels : 0},
           y + begin * w.channels, position);
      begin += count;
    }
  };
  const int64_t bytes_of_one = std::max<int64_t>(capacity * w.channels, 1) * static_cast<int64_t>(sizeof(T));
  parallel_for(w.batch * pixels, std::max<int64_t>(kGrainBytes / bytes_of_one, 1), task);
  return failed ? Status::kOutOfMemory : Status::kOk;
}

const PoolKernels& kernels() {
  return *select_row(kRows, active_isa()).kernels;
}

}  // namespace

std::span<const PoolRow> pool_rows() {
  return kRows;
}

Status qmax_pool(CodesIn x, CodesOut y, const PoolWindows& windows) {
  const auto kernel = kernels().qmax;
  return for_runs(windows, x.bytes.data(), y.bytes.data(), {},
                  [&](const PoolRun<uint8_t>& run, uint8_t* pixel, int64_t) { kernel(run, x.type, pixel); });
}

Status qavg_pool(CodesIn x, CodesOut y, const PoolWindows& windows, const QAvgPoolParams& p) {
  const auto kernel = kernels().qavg;
  return for_runs(windows, x.bytes.data(), y.bytes.data(), p.multipliers,
                  [&](const PoolRun<uint8_t>& run, uint8_t* pixel, int64_t position) {
                    kernel(run, x.type, pixel,
                           {.x_zero_point = p.x_zero_point,
                            .y_zero_point = p.y_zero_point,
                            .lo = p.lo,
                            .hi = p.hi,
                            .multiplier = p.multipliers[static_cast<size_t>(position)]});
                  });
}

Status fmax_pool(std::span<const float> x, std::span<float> y, const PoolWindows& windows) {
  const auto kernel = kernels().fmax;
  return for_runs(windows, x.data(), y.data(), {},
                  [&](const PoolRun<float>& run, float* pixel, int64_t) { kernel(run, pixel); });
}

Status favg_pool(std::span<const float> x, std::span<float> y, const PoolWindows& windows,
                 std::span<const float> divisors) {
  const auto kernel = kernels().favg;
  return for_runs(windows, x.data(), y.data(), divisors,
                  [&](const PoolRun<float>& run, float* pixel, int64_t position) {
                    kernel(run, pixel, divisors[static_cast<size_t>(position)]);
                  });
}

}  // namespace int8
