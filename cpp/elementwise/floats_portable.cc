// Float32 elementwise, portable: the plain loops of numerics.md 7 over the scalar steps of math.h.
#include "elementwise/kernels.h"
#include "elementwise/math.h"

namespace int8 {
namespace {

void fadd(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a.p[i * a.step] + b.p[i * b.step];
}

void fmul(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a.p[i * a.step] * b.p[i * b.step];
}

void fclamp(const float* x, float* y, int64_t n, float lo, float hi) {
  for (int64_t i = 0; i < n; ++i) y[i] = minimum(maximum(x[i], lo), hi);
}

template <class Fn>
void map(const float* x, float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; ++i) y[i] = fn(x[i]);
}

void funary(Unary op, const float* x, float* y, int64_t n, float alpha) {
  switch (op) {
    case Unary::kSigmoid:
      return map(x, y, n, sigmoid_float);
    case Unary::kTanh:
      return map(x, y, n, tanh_float);
    case Unary::kHardswish:
      return map(x, y, n, hardswish_float);
    case Unary::kLeakyRelu:
      return map(x, y, n, [alpha](float v) { return leaky_relu_float(v, alpha); });
    case Unary::kExp:
      return map(x, y, n, exp_float);
  }
}

void faffine(const float* x, float* y, int64_t n, Stepped<float> scales, Stepped<float> shifts) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scales.p[i * scales.step] + shifts.p[i * shifts.step];
}

}  // namespace

extern const FloatKernels kFloatsPortable{fadd, fmul, fclamp, funary, faffine};

}  // namespace int8
