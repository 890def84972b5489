// Codes to codes on sixteen lanes; the bytes of codes_portable.cc (numerics.md 5 and 6). Clamps and look-ups take codes
// as they lie. Only for files of instruction sets, behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/kernels.h"
#include "elementwise/to_codes_simd.h"

namespace int8 {
namespace {

// Codes are fetched so many ahead of their use: they mostly come from beyond the second cache.
constexpr int64_t kAhead = 4096;
inline void fetch_ahead(const uint8_t* x) {
  __builtin_prefetch(x + kAhead, 0, 3);
}

// The sixteen-lane loops below take what these leave: the last codes, and operands of one value.
template <CodeType kType>
int64_t requantize_whole(const uint8_t* x, uint8_t* y, int64_t n, const RequantizeParams& p) {
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  const F32x16 offset = offset_of<kType>(p.x_zero_point), multiplier = splat(p.multiplier);
  int64_t i = 0;
  for (; i + kBytes <= n; i += kBytes) {
    fetch_ahead(x + i);
    Floats v = centred<kType>(x + i, offset);
    for (F32x16& group : v.v) group = group * multiplier;
    store(y + i, to_bytes(v), ByteLanes(kBytes));
  }
  return i;
}

// y = fn(a, b) of groups of centred codes.
template <CodeType kType, class Fn>
int64_t pairs_whole(Stepped<uint8_t> a, int32_t a_zero, Stepped<uint8_t> b, int32_t b_zero, uint8_t* y, int64_t n,
                    const ToBytes& to_bytes, Fn fn) {
  if (a.step == 0 || b.step == 0) return 0;
  const F32x16 a_offset = offset_of<kType>(a_zero), b_offset = offset_of<kType>(b_zero);
  int64_t i = 0;
  for (; i + kBytes <= n; i += kBytes) {
    fetch_ahead(a.p + i);
    fetch_ahead(b.p + i);
    Floats va = centred<kType>(a.p + i, a_offset);
    const Floats vb = centred<kType>(b.p + i, b_offset);
    for (int g = 0; g < kGroups; g++) va.v[g] = fn(va.v[g], vb.v[g]);
    store(y + i, to_bytes(va), ByteLanes(kBytes));
  }
  return i;
}

template <CodeType kType>
void requantize_run(const uint8_t* x, uint8_t* y, int64_t n, const RequantizeParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const I32x16 zero_point = splat(p.x_zero_point);
  const F32x16 multiplier = splat(p.multiplier);
  for (int64_t i = requantize_whole<kType>(x, y, n, p); i < n; i += 16) {
    const Lanes lanes(n - i);
    store_codes(y + i, to_codes(to_float(load_codes<kType>(x + i, lanes) - zero_point) * multiplier), lanes);
  }
}

template <CodeType kType>
void qclamp_run(const uint8_t* x, uint8_t* y, int64_t n, int32_t lo, int32_t hi) {
  const Bytes low = splat_byte(lo), high = splat_byte(hi);
  for (int64_t i = 0; i < n; i += kBytes) {
    const ByteLanes lanes(n - i);
    store(y + i, smaller<kType>(larger<kType>(load(x + i, lanes), low), high), lanes);
  }
}

void lookup(const uint8_t* x, uint8_t* y, int64_t n, const uint8_t* entries) {
  const Table table(entries);
  for (int64_t i = 0; i < n; i += kBytes) {
    const ByteLanes lanes(n - i);
    fetch_ahead(x + i);
    store(y + i, table(load(x + i, lanes)), lanes);
  }
}

// Code minus zero point of one operand: loaded, or one value for the whole run.
template <CodeType kType>
class CodeOperand {
 public:
  CodeOperand(Stepped<uint8_t> codes, int32_t zero_point) : codes_(codes), zero_point_(splat(zero_point)) {
    const int32_t first = kType == CodeType::kU8 ? codes.p[0] : static_cast<int8_t>(codes.p[0]);
    value_ = splat(first - zero_point);
  }
  I32x16 at(int64_t i, Lanes lanes) const {
    return codes_.step == 0 ? value_ : load_codes<kType>(codes_.p + i, lanes) - zero_point_;
  }

 private:
  Stepped<uint8_t> codes_;
  I32x16 zero_point_, value_;
};

template <CodeType kType>
void qadd_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QAddParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const CodeOperand<kType> oa(a, p.a_zero_point), ob(b, p.b_zero_point);
  const F32x16 ma = splat(p.a_multiplier), mb = splat(p.b_multiplier);
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  const int64_t whole = pairs_whole<kType>(a, p.a_zero_point, b, p.b_zero_point, y, n, to_bytes,
                                           [&](F32x16 va, F32x16 vb) { return va * ma + vb * mb; });
  for (int64_t i = whole; i < n; i += 16) {
    const Lanes lanes(n - i);
    const F32x16 sum = to_float(oa.at(i, lanes)) * ma + to_float(ob.at(i, lanes)) * mb;
    store_codes(y + i, to_codes(sum), lanes);
  }
}

template <CodeType kType>
void qmul_run(Stepped<uint8_t> a, Stepped<uint8_t> b, uint8_t* y, int64_t n, const QMulParams& p) {
  const ToCodes to_codes(p.lo, p.hi, p.y_zero_point);
  const CodeOperand<kType> oa(a, p.a_zero_point), ob(b, p.b_zero_point);
  const F32x16 multiplier = splat(p.multiplier);
  const ToBytes to_bytes(p.lo, p.hi, p.y_zero_point);
  // The product of two centred codes is an exact float.
  const int64_t whole = pairs_whole<kType>(a, p.a_zero_point, b, p.b_zero_point, y, n, to_bytes,
                                           [&](F32x16 va, F32x16 vb) { return (va * vb) * multiplier; });
  for (int64_t i = whole; i < n; i += 16) {
    const Lanes lanes(n - i);
    store_codes(y + i, to_codes(to_float(oa.at(i, lanes) * ob.at(i, lanes)) * multiplier), lanes);
  }
}

void requantize(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, const RequantizeParams& p) {
  type == CodeType::kU8 ? requantize_run<CodeType::kU8>(x, y, n, p) : requantize_run<CodeType::kS8>(x, y, n, p);
}
void qclamp(const uint8_t* x, CodeType type, uint8_t* y, int64_t n, int32_t lo, int32_t hi) {
  type == CodeType::kU8 ? qclamp_run<CodeType::kU8>(x, y, n, lo, hi) : qclamp_run<CodeType::kS8>(x, y, n, lo, hi);
}
void qadd(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QAddParams& p) {
  if (n == 0) return;
  type == CodeType::kU8 ? qadd_run<CodeType::kU8>(a, b, y, n, p) : qadd_run<CodeType::kS8>(a, b, y, n, p);
}
void qmul(Stepped<uint8_t> a, Stepped<uint8_t> b, CodeType type, uint8_t* y, int64_t n, const QMulParams& p) {
  if (n == 0) return;
  type == CodeType::kU8 ? qmul_run<CodeType::kU8>(a, b, y, n, p) : qmul_run<CodeType::kS8>(a, b, y, n, p);
}

}  // namespace
}  // namespace int8
