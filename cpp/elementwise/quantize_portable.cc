// Quantize and dequantize, portable: the plain loops of numerics.md 2.
//
// Eight bit:  q = rne(clamp(v, f(qmin - zp), f(qmax - zp))) + zp with v = f(x*f(1/scale)) or f(x/scale), NaN as +0.
// qint32:     q = clamp(rne(clamp(v, -2^33, 2^33)) + zp, qmin, qmax): qmax - zp need not be a float32, so the clamp
// stands
//             behind the addition, in exact arithmetic. Clamping with integer bounds and rounding commute.
#include "elementwise/kernels.h"
#include "elementwise/math.h"

namespace int8 {
namespace {

template <bool kDivide>
float scaled(float x, float scale, float reciprocal) {
  const float v = kDivide ? x / scale : x * reciprocal;
  return v == v ? v : 0.0f;
}

template <bool kDivide>
void quantize_run(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  const AffineRun& a = run.affine;
  if (!a.varying) {
    const float scale = a.scales[0], reciprocal = 1.0f / scale;
    const int32_t zp = a.zero_points[0];
    const auto lo = static_cast<float>(run.qmin - zp), hi = static_cast<float>(run.qmax - zp);
    for (int64_t i = 0; i < n; ++i) y[i] = to_code(scaled<kDivide>(x[i], scale, reciprocal), lo, hi, zp);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const int32_t zp = a.zero_points[i];
    y[i] = to_code(scaled<kDivide>(x[i], a.scales[i], 1.0f / a.scales[i]), static_cast<float>(run.qmin - zp),
                   static_cast<float>(run.qmax - zp), zp);
  }
}

void quantize(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  run.divide ? quantize_run<true>(x, y, n, run) : quantize_run<false>(x, y, n, run);
}

void quantize_s32(const float* x, int32_t* y, int64_t n, const QuantizeRun& run) {
  constexpr float kBeyond = 8589934592.0f;  // 2^33
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = run.affine.varying ? i : 0;
    const float scale = run.affine.scales[c];
    const float v = run.divide ? scaled<true>(x[i], scale, 0) : scaled<false>(x[i], 0, 1.0f / scale);
    int64_t q = rne_wide(clamp_number(v, -kBeyond, kBeyond)) + run.affine.zero_points[c];
    if (q < run.qmin) q = run.qmin;
    if (q > run.qmax) q = run.qmax;
    y[i] = static_cast<int32_t>(q);
  }
}

template <class Code>
void dequantize_run(const uint8_t* x, float* y, int64_t n, const AffineRun& run) {
  if (!run.varying) {
    const float scale = run.scales[0];
    const int32_t zp = run.zero_points[0];
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(static_cast<Code>(x[i]) - zp) * scale;
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<float>(static_cast<Code>(x[i]) - run.zero_points[i]) * run.scales[i];
  }
}

void dequantize(const uint8_t* x, CodeType type, float* y, int64_t n, const AffineRun& run) {
  type == CodeType::kU8 ? dequantize_run<uint8_t>(x, y, n, run) : dequantize_run<int8_t>(x, y, n, run);
}

// q - zp takes 33 bits; it is rounded to float32 once.
void dequantize_s32(const int32_t* x, float* y, int64_t n, const AffineRun& run) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = run.varying ? i : 0;
    y[i] = static_cast<float>(static_cast<int64_t>(x[i]) - run.zero_points[c]) * run.scales[c];
  }
}

void rescale(const int32_t* x, float* y, int64_t n, const RescaleRun& run) {
  const auto zero_point = static_cast<uint32_t>(run.zero_point);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t sum = static_cast<uint32_t>(x[i]) - zero_point * static_cast<uint32_t>(run.sums[i]);
    float v = static_cast<float>(static_cast<int32_t>(sum)) * (run.scale * run.scales[i]);
    if (run.bias != nullptr) v = v + run.bias[i];
    y[i] = minimum(maximum(v, run.lo), run.hi);
  }
}

}  // namespace

extern const QuantizeKernels kQuantizePortable{quantize, quantize_s32, dequantize, dequantize_s32, rescale};

}  // namespace int8
