// Drivers of quantize and dequantize: runs of one channel's elements, shared among threads.
#include "elementwise/kernels.h"
#include "elementwise/runs.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

// Calls fn(first element, elements, AffineRun) for runs that cover the tensor.
template <class Fn>
void for_affine_runs(const ChannelSplit& split, const float* scales, const int32_t* zero_points, Fn fn) {
  const ChannelParams<float, int32_t> params(split, scales, zero_points);
  auto task = [&](int64_t begin, int64_t end) {
    params.for_runs(begin, end, [&](int64_t i, int64_t n, const float* s, const int32_t* z, bool varying) {
      fn(i, n, AffineRun{s, z, varying});
    });
  };
  parallel_for(split_size(split), kGrainBytesBound, task);
}

}  // namespace

void quantize(std::span<const float> x, CodesOut y, const QuantizeParams& p) {
  const auto kernel = elementwise_kernels().quantize->quantize;
  for_affine_runs(p.split, p.scales.data(), p.zero_points.data(), [&](int64_t i, int64_t n, const AffineRun& run) {
    kernel(x.data() + i, y.bytes.data() + i, n, {run, p.qmin, p.qmax, p.divide});
  });
}

void quantize_s32(std::span<const float> x, std::span<int32_t> y, const QuantizeParams& p) {
  const auto kernel = elementwise_kernels().quantize->quantize_s32;
  for_affine_runs(p.split, p.scales.data(), p.zero_points.data(), [&](int64_t i, int64_t n, const AffineRun& run) {
    kernel(x.data() + i, y.data() + i, n, {run, p.qmin, p.qmax, p.divide});
  });
}

void dequantize(CodesIn x, std::span<float> y, const DequantizeParams& p) {
  const auto kernel = elementwise_kernels().quantize->dequantize;
  for_affine_runs(p.split, p.scales.data(), p.zero_points.data(), [&](int64_t i, int64_t n, const AffineRun& run) {
    kernel(x.bytes.data() + i, x.type, y.data() + i, n, run);
  });
}

void dequantize_s32(std::span<const int32_t> x, std::span<float> y, const DequantizeParams& p) {
  const auto kernel = elementwise_kernels().quantize->dequantize_s32;
  for_affine_runs(p.split, p.scales.data(), p.zero_points.data(),
                  [&](int64_t i, int64_t n, const AffineRun& run) { kernel(x.data() + i, y.data() + i, n, run); });
}

}  // namespace int8
