// Float32 elementwise, portable: the plain loops of numerics.md 7 over the scalar steps of math.h.
#include "elementwise/float64.h"
#include "elementwise/kernels.h"
#include "elementwise/math.h"

namespace int8 {
namespace {

template <class Fn>
void binary(Stepped<float> a, Stepped<float> b, float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; ++i) y[i] = fn(a.p[i * a.step], b.p[i * b.step]);
}

void fbinary(Binary op, Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  switch (op) {
    case Binary::kAdd:
      return binary(a, b, y, n, [](float u, float v) { return u + v; });
    case Binary::kSub:
      return binary(a, b, y, n, [](float u, float v) { return u - v; });
    case Binary::kMul:
      return binary(a, b, y, n, [](float u, float v) { return u * v; });
    case Binary::kDiv:
      return binary(a, b, y, n, [](float u, float v) { return u / v; });
    case Binary::kMin:
      return binary(a, b, y, n, minimum);
    case Binary::kMax:
      return binary(a, b, y, n, maximum);
    case Binary::kPow:
      return pow_run(a.p, a.step, b.p, b.step, y, n);
  }
}

void fclamp(const float* x, float* y, int64_t n, float lo, float hi) {
  for (int64_t i = 0; i < n; ++i) y[i] = minimum(maximum(x[i], lo), hi);
}

template <class Fn>
void map(const float* x, float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; ++i) y[i] = fn(x[i]);
}

void funary(Unary op, const float* x, float* y, int64_t n, float alpha, float beta) {
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
    case Unary::kNeg:
      return map(x, y, n, [](float v) { return -v; });
    case Unary::kAbs:
      return map(x, y, n, [](float v) { return std::fabs(v); });
    case Unary::kSqrt:
      return map(x, y, n, [](float v) { return std::sqrt(v); });
    case Unary::kReciprocal:
      return map(x, y, n, [](float v) { return 1.0f / v; });
    case Unary::kFloor:
      return map(x, y, n, [](float v) { return std::floor(v); });
    case Unary::kCeil:
      return map(x, y, n, [](float v) { return std::ceil(v); });
    case Unary::kRound:
      return map(x, y, n, [](float v) { return std::nearbyint(v); });
    case Unary::kSign:
      return map(x, y, n, sign_float);
    case Unary::kSoftsign:
      return map(x, y, n, [](float v) { return v / (1.0f + std::fabs(v)); });
    case Unary::kHardsigmoid:
      return map(x, y, n, [=](float v) { return minimum(maximum(v * alpha + beta, 0.0f), 1.0f); });
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
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scales.p[i * scales.step] + shifts.p[i * shifts.step];
}

}  // namespace

extern const FloatKernels kFloatsPortable{fbinary, fclamp, funary, faffine};

}  // namespace int8
