// Drivers of quantize and dequantize: runs of one channel's elements, shared among threads.
#include "elementwise/kernels.h"
#include "elementwise/math.h"
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
  parallel_for(split_size(split), kGrain<float>, task);
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

namespace {

// A zero point that is data.
int32_t zero_point_of(DynamicParams params) {
  const float zero = params[1];
  return zero == zero ? rne_small(clamp_number(zero, 0.0f, 255.0f)) : 0;
}

}  // namespace

void quantize_by(std::span<const float> x, std::span<uint8_t> y, DynamicParams params) {
  const float scale = params[0];
  const int32_t zero_point = zero_point_of(params);
  quantize(x, {y, CodeType::kU8},
           {.split = {1, 1, static_cast<int64_t>(x.size())},
            .scales = {&scale, 1},
            .zero_points = {&zero_point, 1},
            .qmin = 0,
            .qmax = 255,
            .divide = true});
}

void dynamic_rescale(std::span<const int32_t> x, std::span<float> y, int64_t rows, int64_t channels,
                     DynamicParams params, const DynamicRescale& p) {
  const auto kernel = elementwise_kernels().quantize->rescale;
  const RescaleRun run{.sums = p.sums.data(),
                       .scales = p.scales.data(),
                       .bias = p.bias.empty() ? nullptr : p.bias.data(),
                       .zero_point = zero_point_of(params),
                       .scale = params[0],
                       .lo = p.lo,
                       .hi = p.hi};
  auto task = [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernel(x.data() + r * channels, y.data() + r * channels, channels, run);
  };
  parallel_for(rows, std::max<int64_t>(kGrain<float> / std::max<int64_t>(channels, 1), 1), task);
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
