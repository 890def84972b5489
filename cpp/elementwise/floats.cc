// Drivers of the float32 elementwise kernels: runs and rows, shared among threads.
#include "elementwise/broadcast.h"
#include "elementwise/kernels.h"
#include "elementwise/runs.h"
#include "int8/thread_pool.h"

namespace int8 {

void fbinary(Binary op, std::span<const float> a, std::span<const float> b, std::span<float> y,
             const Broadcast& broadcast) {
  const auto kernel = elementwise_kernels().floats->fbinary;
  for_rows(
      broadcast, a.data(), b.data(), y.data(),
      [&](Stepped<float> pa, Stepped<float> pb, float* py, int64_t n) { kernel(op, pa, pb, py, n); },
      op == Binary::kPow ? kGrainDivision : kGrain<float>);
}

void fclamp(std::span<const float> x, std::span<float> y, float lo, float hi) {
  const auto kernel = elementwise_kernels().floats->fclamp;
  auto task = [&](int64_t begin, int64_t end) { kernel(x.data() + begin, y.data() + begin, end - begin, lo, hi); };
  parallel_for(static_cast<int64_t>(y.size()), kGrain<float>, task);
}

void funary(Unary op, std::span<const float> x, std::span<float> y, float alpha, float beta) {
  const auto kernel = elementwise_kernels().floats->funary;
  auto task = [&](int64_t begin, int64_t end) {
    kernel(op, x.data() + begin, y.data() + begin, end - begin, alpha, beta);
  };
  parallel_for(static_cast<int64_t>(y.size()), kGrainDivision, task);
}

void faffine(std::span<const float> x, std::span<float> y, const ChannelSplit& split, std::span<const float> scales,
             std::span<const float> shifts) {
  const auto kernel = elementwise_kernels().floats->faffine;
  const ChannelParams<float, float> params(split, scales.data(), shifts.data());
  auto task = [&](int64_t begin, int64_t end) {
    params.for_runs(begin, end, [&](int64_t i, int64_t n, const float* scale, const float* shift, bool varying) {
      const int64_t step = varying ? 1 : 0;
      kernel(x.data() + i, y.data() + i, n, {scale, step}, {shift, step});
    });
  };
  parallel_for(split_size(split), kGrain<float>, task);
}

}  // namespace int8
