// Codes to codes, portable: the plain loops of numerics.md 5 and 6.
#include "elementwise/kernels.h"
#include "elementwise/math.h"

namespace int8 {
namespace {

struct Bounds {  // relative to the zero point; small integers, exact
  float lo, hi;
  template <class Params>
  explicit Bounds(const Params& p)
      : lo(static_cast<float>(p.lo - p.y_zero_point)), hi(static_cast<float>(p.hi - p.y_zero_point)) {}
};

template <class Code>
void requantize_run(const uint8_t* x, uint8_t* y, int64_t n, const RequantizeParams& p) {
  const Bounds bounds(p);
  for (int64_t i = 0; i < n; ++i) {
    const float v = static_cast<float>(static_cast<Code>(x[i]) - p.x_zero_point) * p.multiplier;
    y[i] = to_code(v, bounds.lo, bounds.hi, p.y_zero_point);
  }
}

template <class Code>
void qclamp_run(const uint8_t* x, uint8_t* y, int64_t n, int32_t lo, int32_t hi) {
  const auto low = static_cast<Code>(lo), high = static_cast<Code>(hi);
  for (int64_t i = 0; i < n; ++i) {
    auto q = static_cast<Code>(x[i]);
    q = q > low ? q : low;
    y[i] = static_cast<uint8_t>(q < high ? q : high);
  }
}

void lookup(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* table) {
  for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

template <class Code>
void qadd_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QAddParams& p) {
  const Bounds bounds(p);
  for (int64_t i = 0; i < n; ++i) {
    const float va = static_cast<float>(static_cast<Code>(a.p[i * a.step]) - p.a_zero_point) * p.a_multiplier;
    const float vb = static_cast<float>(static_cast<Code>(b.p[i * b.step]) - p.b_zero_point) * p.b_multiplier;
    y[i] = to_code(va + vb, bounds.lo, bounds.hi, p.y_zero_point);
  }
}

template <class Code>
void qmul_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QMulParams& p) {
  const Bounds bounds(p);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t va = static_cast<Code>(a.p[i * a.step]) - p.a_zero_point;
    const int32_t vb = static_cast<Code>(b.p[i * b.step]) - p.b_zero_point;
    y[i] = to_code(static_cast<float>(va * vb) * p.multiplier, bounds.lo, bounds.hi, p.y_zero_point);
  }
}

void requantize(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, const RequantizeParams& p) {
  type == CodeType::kU8 ? requantize_run<uint8_t>(x, y, n, p) : requantize_run<int8_t>(x, y, n, p);
}
void qclamp(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, int32_t lo, int32_t hi) {
  type == CodeType::kU8 ? qclamp_run<uint8_t>(x, y, n, lo, hi) : qclamp_run<int8_t>(x, y, n, lo, hi);
}
void qadd(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QAddParams& p) {
  type == CodeType::kU8 ? qadd_run<uint8_t>(a, b, y, n, p) : qadd_run<int8_t>(a, b, y, n, p);
}
void qmul(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QMulParams& p) {
  type == CodeType::kU8 ? qmul_run<uint8_t>(a, b, y, n, p) : qmul_run<int8_t>(a, b, y, n, p);
}

}  // namespace

extern const CodeKernels kCodesPortable{requantize, qclamp, lookup, qadd, qmul};

}  // namespace int8
