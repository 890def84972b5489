// Float32 elementwise on AVX-512, 16 at a time; the bytes of floats_portable.cc (numerics.md 7). Tails are masked:
// lanes past n are neither read nor written.
#include "elementwise/kernels.h"
#include "elementwise/math_avx512vnni.h"
#include "elementwise/vector_avx512vnni.h"

namespace int8 {
namespace {

class Operand {
 public:
  explicit Operand(Stepped<float> values) : values_(values), value_(_mm512_set1_ps(values.p[0])) {}
  __m512 load(int64_t i, __mmask16 lanes) const {
    return values_.step == 0 ? value_ : _mm512_maskz_loadu_ps(lanes, values_.p + i);
  }

 private:
  Stepped<float> values_;
  __m512 value_;
};

// y[i] = fn(i, lanes) for vectors of 16.
template <class Fn>
void map(float* y, int64_t n, Fn fn) {
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 lanes = lanes16(n - i);
    _mm512_mask_storeu_ps(y + i, lanes, fn(i, lanes));
  }
}

void fadd(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  if (n == 0) return;
  const Operand oa(a), ob(b);
  map(y, n, [&](int64_t i, __mmask16 lanes) { return _mm512_add_ps(oa.load(i, lanes), ob.load(i, lanes)); });
}

void fmul(Stepped<float> a, Stepped<float> b, float* y, int64_t n) {
  if (n == 0) return;
  const Operand oa(a), ob(b);
  map(y, n, [&](int64_t i, __mmask16 lanes) { return _mm512_mul_ps(oa.load(i, lanes), ob.load(i, lanes)); });
}

void fclamp(const float* x, float* y, int64_t n, float lo, float hi) {
  const ClampFloat clamp(lo, hi);
  map(y, n, [&](int64_t i, __mmask16 lanes) { return clamp(_mm512_maskz_loadu_ps(lanes, x + i)); });
}

template <class Fn>
void unary(const float* x, float* y, int64_t n, Fn fn) {
  map(y, n, [&](int64_t i, __mmask16 lanes) { return fn(_mm512_maskz_loadu_ps(lanes, x + i)); });
}

void funary(Unary op, const float* x, float* y, int64_t n, float alpha) {
  switch (op) {
    case Unary::kSigmoid:
      return unary(x, y, n, [](__m512 v) { return sigmoid16(v); });
    case Unary::kTanh:
      return unary(x, y, n, [](__m512 v) { return tanh16(v); });
    case Unary::kHardswish:
      return unary(x, y, n, [](__m512 v) { return hardswish16(v); });
    case Unary::kLeakyRelu:
      return unary(x, y, n, [slope = splat(alpha)](__m512 v) { return leaky_relu16(v, slope); });
    case Unary::kExp:
      return unary(x, y, n, [](__m512 v) { return exp16(v); });
  }
}

void faffine(const float* x, float* y, int64_t n, Stepped<float> scales, Stepped<float> shifts) {
  if (n == 0) return;
  const Operand scale(scales), shift(shifts);
  map(y, n, [&](int64_t i, __mmask16 lanes) {
    const __m512 product = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), scale.load(i, lanes));
    return _mm512_add_ps(product, shift.load(i, lanes));
  });
}

}  // namespace

extern const FloatKernels kFloatsAvx512Vnni{fadd, fmul, fclamp, funary, faffine};

}  // namespace int8
