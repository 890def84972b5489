// Float32 elementwise kernels on sixteen lanes; the bytes of floats_portable.cc (numerics.md 7). Only for files of
// instruction sets, behind their simd/lanes_<set>.h.
#pragma once

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

void fadd(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  if (n == 0) return;
  const FloatOperand oa(a), ob(b);
  map(y, n, [&](int64_t i, Lanes lanes) { return oa.at(i, lanes) + ob.at(i, lanes); });
}

void fmul(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  if (n == 0) return;
  const FloatOperand oa(a), ob(b);
  map(y, n, [&](int64_t i, Lanes lanes) { return oa.at(i, lanes) * ob.at(i, lanes); });
}

void fclamp(const float* x, float* y, int64_t n, float lo, float hi) {
  const F32x16 low = splat(lo), high = splat(hi);
  map(y, n, [&](int64_t i, Lanes lanes) { return minimum(maximum(load(x + i, lanes), low), high); });
}

template <class Fn>
void unary(const float* x, float* y, int64_t n, Fn fn) {
  map(y, n, [&](int64_t i, Lanes lanes) { return fn(load(x + i, lanes)); });
}

void funary(Unary op, const float* x, float* y, int64_t n, float alpha) {
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
  }
}

void faffine(const float* x, float* y, int64_t n, Stepped<float> scales, Stepped<float> shifts) {
  if (n == 0) return;
  const FloatOperand scale(scales), shift(shifts);
  map(y, n, [&](int64_t i, Lanes lanes) { return load(x + i, lanes) * scale.at(i, lanes) + shift.at(i, lanes); });
}

}  // namespace
}  // namespace int8
