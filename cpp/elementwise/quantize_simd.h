// Quantize and dequantize on sixteen lanes; the bytes of quantize_portable.cc (numerics.md 2). Only for files of
// instruction sets, behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/kernels.h"
#include "elementwise/to_codes_simd.h"

namespace int8 {
namespace {

// Scales, their reciprocals and zero points of sixteen elements: constant, or loaded for each vector.
template <bool kVarying>
class Affine16 {
 public:
  explicit Affine16(const AffineRun& run)
      : run_(run),
        scale(splat(run.scales[0])),
        reciprocal(splat(1.0f) / scale),
        zero_point(splat(run.zero_points[0])) {}
  template <bool kReciprocal>
  void at(int64_t i, Lanes lanes) {
    if (!kVarying) return;
    scale = keep(lanes, load(run_.scales + i, lanes), splat(1.0f));
    if (kReciprocal) reciprocal = splat(1.0f) / scale;
    zero_point = load(run_.zero_points + i, lanes);
  }

 private:
  const AffineRun& run_;

 public:
  F32x16 scale, reciprocal;
  I32x16 zero_point;
};

// f(x*r) or f(x/scale), NaN as +0.
template <bool kDivide, bool kVarying>
F32x16 scaled(const float* x, Lanes lanes, const Affine16<kVarying>& affine) {
  const F32x16 v = load(x, lanes);
  const F32x16 s = kDivide ? v / affine.scale : v * affine.reciprocal;
  return select(is_nan(s), splat(0.0f), s);
}

// Floats are fetched so many ahead of their use: they mostly come from beyond the second cache.
constexpr int64_t kAhead = 1024;

// Whole vectors of codes with one scale; returns how many elements were done.
template <bool kDivide>
int64_t quantize_whole(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  const Affine16<false> affine(run.affine);
  const ToBytes to_bytes(run.qmin, run.qmax, run.affine.zero_points[0]);
  int64_t i = 0;
  for (; i + kBytes <= n; i += kBytes) {
    Floats v;
    for (int64_t j = 0; j < kBytes / 16; j++) {
      __builtin_prefetch(x + i + 16 * j + kAhead, 0, 3);
      v.v[j] = scaled<kDivide, false>(x + i + 16 * j, Lanes(16), affine);
    }
    store(y + i, in_order(to_bytes(v)), ByteLanes(kBytes));
  }
  return i;
}

template <bool kDivide, bool kVarying>
void quantize_run(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  if (n == 0) return;
  if (!kVarying) {
    const int64_t done = quantize_whole<kDivide>(x, y, n, run);
    x += done;
    y += done;
    n -= done;
    if (n == 0) return;
  }
  Affine16<kVarying> affine(run.affine);
  const I32x16 qmin = splat(run.qmin), qmax = splat(run.qmax);
  F32x16 lo = to_float(qmin - affine.zero_point), hi = to_float(qmax - affine.zero_point);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    affine.template at<!kDivide>(i, lanes);
    if (kVarying) {
      lo = to_float(qmin - affine.zero_point);
      hi = to_float(qmax - affine.zero_point);
    }
    const F32x16 v = scaled<kDivide, kVarying>(x + i, lanes, affine);
    store_codes(y + i, to_int(at_most(at_least(v, lo), hi)) + affine.zero_point, lanes);
  }
}

// v is clamped to +-2^33, so that all sums stay below 2^34.
template <bool kDivide, bool kVarying>
void quantize_s32_run(const float* x, int32_t* y, int64_t n, const QuantizeRun& run) {
  if (n == 0) return;
  Affine16<kVarying> affine(run.affine);
  const F32x16 below = splat(-8589934592.0f), beyond = splat(8589934592.0f);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    affine.template at<!kDivide>(i, lanes);
    const F32x16 v = at_most(at_least(scaled<kDivide, kVarying>(x + i, lanes, affine), below), beyond);
    store(y + i, round_and_shift(v, affine.zero_point, run.qmin, run.qmax), lanes);
  }
}

template <CodeType kType, bool kVarying>
void dequantize_run(const uint8_t* x, float* y, int64_t n, const AffineRun& run) {
  if (n == 0) return;
  Affine16<kVarying> affine(run);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    affine.template at<false>(i, lanes);
    store(y + i, to_float(load_codes<kType>(x + i, lanes) - affine.zero_point) * affine.scale, lanes);
  }
}

template <bool kVarying>
void dequantize_s32_run(const int32_t* x, float* y, int64_t n, const AffineRun& run) {
  if (n == 0) return;
  Affine16<kVarying> affine(run);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    affine.template at<false>(i, lanes);
    store(y + i, wide_difference(load(x + i, lanes), affine.zero_point) * affine.scale, lanes);
  }
}

template <bool kBias, bool kBounded>
void rescale_run(const int32_t* x, float* y, int64_t n, const RescaleRun& run) {
  const I32x16 zero_point = splat(run.zero_point);
  const F32x16 scale = splat(run.scale), lo = splat(run.lo), hi = splat(run.hi);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    const I32x16 sum = load(x + i, lanes) - zero_point * load(run.sums + i, lanes);
    F32x16 v = to_float(sum) * (scale * load(run.scales + i, lanes));
    if (kBias) v = v + load(run.bias + i, lanes);
    store(y + i, kBounded ? minimum(maximum(v, lo), hi) : v, lanes);
  }
}

void rescale(const int32_t* x, float* y, int64_t n, const RescaleRun& run) {
  constexpr float kInfinity = __builtin_inff();
  if (run.lo == -kInfinity && run.hi == kInfinity) {
    run.bias != nullptr ? rescale_run<true, false>(x, y, n, run) : rescale_run<false, false>(x, y, n, run);
  } else {
    run.bias != nullptr ? rescale_run<true, true>(x, y, n, run) : rescale_run<false, true>(x, y, n, run);
  }
}

void quantize(const float* x, uint8_t* y, int64_t n, const QuantizeRun& run) {
  if (run.divide) {
    run.affine.varying ? quantize_run<true, true>(x, y, n, run) : quantize_run<true, false>(x, y, n, run);
  } else {
    run.affine.varying ? quantize_run<false, true>(x, y, n, run) : quantize_run<false, false>(x, y, n, run);
  }
}

void quantize_s32(const float* x, int32_t* y, int64_t n, const QuantizeRun& run) {
  if (run.divide) {
    run.affine.varying ? quantize_s32_run<true, true>(x, y, n, run) : quantize_s32_run<true, false>(x, y, n, run);
  } else {
    run.affine.varying ? quantize_s32_run<false, true>(x, y, n, run) : quantize_s32_run<false, false>(x, y, n, run);
  }
}

void dequantize(const uint8_t* x, CodeType type, float* y, int64_t n, const AffineRun& run) {
  if (type == CodeType::kU8) {
    run.varying ? dequantize_run<CodeType::kU8, true>(x, y, n, run)
                : dequantize_run<CodeType::kU8, false>(x, y, n, run);
  } else {
    run.varying ? dequantize_run<CodeType::kS8, true>(x, y, n, run)
                : dequantize_run<CodeType::kS8, false>(x, y, n, run);
  }
}

void dequantize_s32(const int32_t* x, float* y, int64_t n, const AffineRun& run) {
  run.varying ? dequantize_s32_run<true>(x, y, n, run) : dequantize_s32_run<false>(x, y, n, run);
}

}  // namespace
}  // namespace int8
