// Elementwise kernels: numerics.md 2, 5 (8 bit to 8 bit), 6 and 7. Twins of the kernels of the same names in
// src/backend/contract.ts. Lengths: x and y hold the same number of elements unless a shape says otherwise. x and y may
// be the same memory where their elements have one size; otherwise they do not overlap.
#pragma once

#include "int8/types.h"

namespace int8 {

// A dense tensor seen as [outer][channels][inner], one parameter per channel.
struct ChannelSplit {
  int64_t outer = 1;
  int64_t channels = 1;
  int64_t inner = 1;
};

struct QuantizeParams {
  ChannelSplit split;
  std::span<const float> scales;         // [channels]
  std::span<const int32_t> zero_points;  // [channels]
  int32_t qmin = 0;
  int32_t qmax = 255;
  bool divide = false;  // f(x/scale) instead of f(x*f(1/scale))
};
void quantize(std::span<const float> x, CodesOut y, const QuantizeParams& p);
void quantize_s32(std::span<const float> x, std::span<int32_t> y, const QuantizeParams& p);

// Run-time parameters: scale and zero point of quint8, any floats (a zero point is rounded and clamped to 0..255, NaN
// is 0).
using DynamicParams = std::span<const float, 2>;
// ONNX's form of quantize, to quint8.
void quantize_by(std::span<const float> x, std::span<uint8_t> y, DynamicParams params);

// [rows][channels] accumulators of codes with run-time parameters, to float32:
// y = clamp(f(f(f(wrap(x - zero_point*sums_c)) * f(scale*scales_c)) + bias_c), lo, hi)
struct DynamicRescale {
  std::span<const int32_t> sums;  // [channels]
  std::span<const float> scales;  // [channels]
  std::span<const float> bias;    // empty (no addition) or [channels]
  float lo = 0;
  float hi = 0;
};
void dynamic_rescale(std::span<const int32_t> x, std::span<float> y, int64_t rows, int64_t channels,
                     DynamicParams params, const DynamicRescale& p);

struct DequantizeParams {
  ChannelSplit split;
  std::span<const float> scales;
  std::span<const int32_t> zero_points;
};
void dequantize(CodesIn x, std::span<float> y, const DequantizeParams& p);
void dequantize_s32(std::span<const int32_t> x, std::span<float> y, const DequantizeParams& p);

struct RequantizeParams {
  int32_t x_zero_point = 0;
  int32_t y_zero_point = 0;
  float multiplier = 1;
  int32_t lo = 0;
  int32_t hi = 255;
};
void requantize(CodesIn x, CodesOut y, const RequantizeParams& p);

void qclamp(CodesIn x, CodesOut y, int32_t lo, int32_t hi);  // one type

void lookup(std::span<const uint8_t> x, std::span<uint8_t> y, std::span<const uint8_t, 256> table);

// y is dense over shape; element i reads a[sum i_d*a_strides_d] and b[sum i_d*b_strides_d]. Rank 1 to 8.
struct Broadcast {
  std::span<const int64_t> shape;
  std::span<const int64_t> a_strides;
  std::span<const int64_t> b_strides;
};
struct QAddParams {
  int32_t a_zero_point = 0;
  int32_t b_zero_point = 0;
  int32_t y_zero_point = 0;
  float a_multiplier = 1;
  float b_multiplier = 1;
  int32_t lo = 0;
  int32_t hi = 255;
};
void qadd(CodesIn a, CodesIn b, CodesOut y, const Broadcast& broadcast, const QAddParams& p);
struct QMulParams {
  int32_t a_zero_point = 0;
  int32_t b_zero_point = 0;
  int32_t y_zero_point = 0;
  float multiplier = 1;
  int32_t lo = 0;
  int32_t hi = 255;
};
void qmul(CodesIn a, CodesIn b, CodesOut y, const Broadcast& broadcast, const QMulParams& p);

enum class Binary : uint8_t { kAdd, kSub, kMul, kDiv, kMin, kMax, kPow };
void fbinary(Binary op, std::span<const float> a, std::span<const float> b, std::span<float> y,
             const Broadcast& broadcast);

// y = condition != 0 ? a : b; the condition is read as a and b are, by strides of its own.
void fwhere(std::span<const uint8_t> condition, std::span<const float> a, std::span<const float> b, std::span<float> y,
            const Broadcast& broadcast, std::span<const int64_t> condition_strides);

// min(max(x, lo), hi); NaN stays; max(-0, +0) = +0.
void fclamp(std::span<const float> x, std::span<float> y, float lo, float hi);

enum class Unary : uint8_t {
  kSigmoid,
  kTanh,
  kHardswish,
  kLeakyRelu,
  kExp,
  kNeg,
  kAbs,
  kSqrt,
  kReciprocal,
  kFloor,
  kCeil,
  kRound,
  kSign,
  kSoftsign,
  kHardsigmoid,
  kLog,
  kErf,
  kGelu,
  kGeluTanh,
  kSoftplus,
  kElu,
  kSilu,
  kMish,
  kSelu
};
void funary(Unary op, std::span<const float> x, std::span<float> y, float alpha, float beta);

// y = f(f(x*scale_c) + shift_c)
void faffine(std::span<const float> x, std::span<float> y, const ChannelSplit& split, std::span<const float> scales,
             std::span<const float> shifts);

}  // namespace int8
