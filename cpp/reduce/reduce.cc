// Drivers of the reductions: rows, or pieces of a tensor, shared among threads.
#include <algorithm>

#include "core/cpu_features.h"
#include "elementwise/math.h"
#include "int8/thread_pool.h"
#include "reduce/kernels.h"

namespace int8 {
namespace {

constexpr ReduceRow kRows[] = {
#ifdef INT8_ARCH_X64
    {Isa::kAvx512Vnni, &kReduceAvx512Vnni},
    {Isa::kAvx2, &kReduceAvx2},
#endif
#ifdef INT8_ARCH_ARM64
    {Isa::kNeon, &kReduceNeon},
#endif
    {Isa::kPortable, &kReducePortable},
};

const ReduceKernels& kernels() {
  return *select_row(kRows, active_isa()).kernels;
}

// Rows of a grain (parallel_for), which is so many elements.
int64_t row_grain(int64_t elements, int64_t length) {
  return std::max<int64_t>(elements / std::max<int64_t>(length, 1), 1);
}

}  // namespace

std::span<const ReduceRow> reduce_rows() {
  return kRows;
}

void softmax(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length) {
  const auto kernel = kernels().softmax_row;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) kernel(x.data() + row * length, y.data() + row * length, length);
  };
  parallel_for(rows, row_grain(int64_t{1} << 12, length), task);
}

void softmax_codes(const CodesIn& x, const CodesOut& y, int64_t rows, int64_t length, const SoftmaxCodes& p) {
  const auto kernel = kernels().softmax_codes_rows;
  auto task = [&](int64_t begin, int64_t end) {
    kernel(x.bytes.data() + begin * length, x.type, y.bytes.data() + begin * length, end - begin, length, p);
  };
  parallel_for(rows, row_grain(int64_t{1} << 13, length), task);
}

void freduce(Reduce op, std::span<const float> x, std::span<float> y, int64_t rows, int64_t length) {
  const auto kernel = kernels().reduce;
  const float divisor = op == Reduce::kMean ? static_cast<float>(length) : 1.0f;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float all = kernel(op, x.data() + row * length, length);
      y[static_cast<size_t>(row)] = op == Reduce::kMean ? all / divisor : all;
    }
  };
  parallel_for(rows, row_grain(int64_t{1} << 14, length), task);
}

void layer_norm(std::span<const float> x, std::span<float> y, int64_t rows, int64_t length, const LayerNorm& norm) {
  const auto kernel = kernels().layer_norm_row;
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) kernel(x.data() + row * length, y.data() + row * length, length, norm);
  };
  parallel_for(rows, row_grain(int64_t{1} << 13, length), task);
}

MinMax min_max(std::span<const float> x) {
  constexpr int64_t kPieces = 64;
  constexpr int64_t kLeast = int64_t{1} << 14;
  const auto kernel = kernels().min_max;
  const auto size = static_cast<int64_t>(x.size());
  const int64_t piece = std::max((size + kPieces - 1) / kPieces, kLeast);
  MinMax found[kPieces];
  std::ranges::fill(found, kernel(nullptr, 0));
  auto task = [&](int64_t begin, int64_t end) { found[begin / piece] = kernel(x.data() + begin, end - begin); };
  parallel_for(size, piece, task);
  MinMax all = found[0];
  for (const MinMax& part : found) all = {std::min(all.min, part.min), std::max(all.max, part.max)};
  // A zero comes back as +0, whatever the signs of the zeros seen.
  return {all.min + 0.0f, all.max + 0.0f};
}

ScaleAndZero dynamic_params(std::span<const float> x) {
  const MinMax range = min_max(x);
  const float lo = std::min(range.min, 0.0f), hi = std::max(range.max, 0.0f);
  const float fraction = (hi - lo) / 255.0f;
  const float scale = fraction > 0.0f ? fraction : 1.0f;
  return {scale, static_cast<float>(rne_small(std::min((0.0f - lo) / scale, 255.0f)))};
}

}  // namespace int8
