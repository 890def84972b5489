// Float32 elementwise kernels on sixteen lanes; the bytes of floats_portable.cc (numerics.md 7). Only for files of
// instruction sets, behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/float64.h"
#include "elementwise/kernels.h"
#include "elementwise/math_simd.h"

namespace int8 {
namespace {

class FloatOperand {
 public:
  explicit FloatOperand(Stepped<float> values) : values_(values), value_(splat(values.p[0])) {}
  F32x16 at(int64_t i, Lanes lanes) const { return values_.step == 0 ? value_ : load(values_.p + i, lanes); }

 private:
  Stepped<float> values_;
  F32x16 value_;
};

// y[i] = fn(i, lanes), sixteen at a time.
template <class Fn>
void map(float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    store(y + i, fn(i, lanes), lanes);
  }
}

template <class Fn>
void binary(Stepped<float> a, Stepped<float> b, float* y, int64_t n, Fn fn) {
  if (n == 0) return;
  const FloatOperand oa(a), ob(b);
  map(y, n, [&](int64_t i, Lanes lanes) { return fn(oa.at(i, lanes), ob.at(i, lanes)); });
}

void fbinary(Binary op, Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  switch (op) {
    case Binary::kAdd:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return u + v; });
    case Binary::kSub:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return u - v; });
    case Binary::kMul:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return u * v; });
    case Binary::kDiv:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return u / v; });
    case Binary::kMin:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return minimum(u, v); });
    case Binary::kMax:
      return binary(a, b, y, n, [](F32x16 u, F32x16 v) { return maximum(u, v); });
    case Binary::kPow:
      return pow_run(a.p, a.step, b.p, b.step, y, n);
  }
}

void fclamp(const float* x, float* y, int64_t n, float lo, float hi) {
  const F32x16 low = splat(lo), high = splat(hi);
  map(y, n, [&](int64_t i, Lanes lanes) { return minimum(maximum(load(x + i, lanes), low), high); });
}

template <class Fn>
void unary(const float* x, float* y, int64_t n, Fn fn) {
  map(y, n, [&](int64_t i, Lanes lanes) { return fn(load(x + i, lanes)); });
}

void funary(Unary op, const float* x, float* y, int64_t n, float alpha, float beta) {
  switch (op) {
    case Unary::kSigmoid:
      return unary(x, y, n, [](F32x16 v) { return sigmoid16(v); });
    case Unary::kTanh:
      return unary(x, y, n, [](F32x16 v) { return tanh16(v); });
    case Unary::kHardswish:
      return unary(x, y, n, [](F32x16 v) { return hardswish16(v); });
    case Unary::kLeakyRelu:
      return unary(x, y, n, [slope = splat(alpha)](F32x16 v) { return leaky_relu16(v, slope); });
    case Unary::kExp:
      return unary(x, y, n, [](F32x16 v) { return exp16(v); });
    case Unary::kNeg:
      return unary(x, y, n, [](F32x16 v) { return splat(-0.0f) - v; });
    case Unary::kAbs:
      return unary(x, y, n, [](F32x16 v) { return abs(v); });
    case Unary::kSqrt:
      return unary(x, y, n, [](F32x16 v) { return sqrt(v); });
    case Unary::kReciprocal:
      return unary(x, y, n, [](F32x16 v) { return splat(1.0f) / v; });
    case Unary::kFloor:
      return unary(x, y, n, [](F32x16 v) { return floor16(v); });
    case Unary::kCeil:
      return unary(x, y, n, [](F32x16 v) { return ceil16(v); });
    case Unary::kRound:
      return unary(x, y, n, [](F32x16 v) { return round_even(v); });
    case Unary::kSign:
      return unary(x, y, n, [](F32x16 v) { return sign16(v); });
    case Unary::kSoftsign:
      return unary(x, y, n, [](F32x16 v) { return v / (splat(1.0f) + abs(v)); });
    case Unary::kHardsigmoid:
      return unary(x, y, n, [slope = splat(alpha), offset = splat(beta)](F32x16 v) {
        return minimum(maximum(v * slope + offset, splat(0.0f)), splat(1.0f));
      });
    case Unary::kLog:
      return map64(x, y, n, [](F64 v) { return log64(v); });
    case Unary::kErf:
      return map64(x, y, n, [](F64 v) { return erf64(v); });
    case Unary::kGelu:
      return map64(x, y, n, [](F64 v) { return gelu64(v); });
    case Unary::kGeluTanh:
      return map64(x, y, n, [](F64 v) { return gelu_tanh64(v); });
    case Unary::kSoftplus:
      return map64(x, y, n, [](F64 v) { return softplus64(v); });
    case Unary::kElu:
      return map64(x, y, n, [alpha](F64 v) { return elu64(v, alpha); });
    case Unary::kSilu:
      return map64(x, y, n, [](F64 v) { return silu64(v); });
    case Unary::kMish:
      return map64(x, y, n, [](F64 v) { return mish64(v); });
    case Unary::kSelu:
      return map64(x, y, n, [alpha, beta](F64 v) { return beta * elu64(v, alpha); });
  }
}

void faffine(const float* x, float* y, int64_t n, Stepped<float> scales, Stepped<float> shifts) {
  if (n == 0) return;
  const FloatOperand scale(scales), shift(shifts);
  map(y, n, [&](int64_t i, Lanes lanes) { return load(x + i, lanes) * scale.at(i, lanes) + shift.at(i, lanes); });
}

}  // namespace
}  // namespace int8
