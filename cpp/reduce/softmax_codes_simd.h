// Softmax on codes as they lie; the bytes of reduce_portable.cc (numerics.md 6). Only for files of instruction
// sets, behind their simd/lanes_<set>.h.
#pragma once

#include "elementwise/float64.h"
#include "elementwise/to_codes_simd.h"
#include "reduce/kernels.h"
#include "reduce/softmax_codes.h"

namespace int8 {
namespace {

// clamp(zero_point + rne(t[i] / divisor), lo, hi) for n <= 256 entries; up to 15 more of them are read.
__attribute__((noinline)) void quotients(const int32_t* t, int64_t n, const SoftmaxDivisor& divisor,
                                         const SoftmaxCodes& p, uint8_t* y) {
  typedef int32_t I32 __attribute__((vector_size(4 * kF64Lanes)));
  float rounded[256 + 16];
  const F64 inverse = splat64(divisor.inverse());
  I64 near_half{};
  for (int64_t i = 0; i < n; i += kF64Lanes) {
    I32 entries;
    __builtin_memcpy(&entries, t + i, sizeof entries);
    const F64 exact = __builtin_convertvector(entries, F64) * inverse;
    const F64 value = select64(exact < 1024.0, exact, splat64(1024));
    const F64 whole = (value + kMagic64) - kMagic64;
    near_half |= abs64(abs64(value - whole) - 0.5) < kNearHalf;
    const F32 narrow = __builtin_convertvector(whole, F32);
    __builtin_memcpy(rounded + i, &narrow, sizeof narrow);
  }
  bool settle = false;
  for (int64_t lane = 0; lane < kF64Lanes; lane++) settle |= near_half[lane] != 0;
  for (int64_t i = 0; settle && i < n; i++) rounded[i] = static_cast<float>(divisor.quotient(t[i]));
  const ToCodes to_codes(p.lo, p.hi, p.zero_point);
  for (int64_t i = 0; i < n; i += 16) {
    const Lanes lanes(n - i);
    store_codes(y + i, to_codes(load(rounded + i, lanes)), lanes);
  }
}

// The table of entries as the rows use it.
class Entries {
 public:
  __attribute__((noinline)) explicit Entries(const int32_t* table) {
    for (int d = 0; d < 256; d++) {
      reversed_[255 - d] = table[d];
      for (int k = 0; k < 3; k++) bytes_[k][d] = static_cast<uint8_t>(table[d] >> (8 * k));
    }
  }
  // The entries of codes from `smallest` on in a row whose largest is `largest`: 16 more may be read.
  const int32_t* from(int smallest, int largest) const { return reversed_ + 255 - largest + smallest; }
  const uint8_t* bytes(int k) const { return bytes_[k]; }

 private:
  int32_t reversed_[256 + 16] = {};
  uint8_t bytes_[3][256];
};

struct Ends {
  int smallest, largest;
};
// Of n >= kBytes codes; the last vector may overlap the one before.
__attribute__((noinline)) Ends ends_of(const uint8_t* x, int64_t n, uint8_t flip) {
  Bytes low = flipped(load(x, ByteLanes(kBytes)), flip), high = low;
  for (int64_t i = kBytes; i < n; i += kBytes) {
    const Bytes codes = flipped(load(x + std::min(i, n - kBytes), ByteLanes(kBytes)), flip);
    low = smaller<CodeType::kU8>(low, codes);
    high = larger<CodeType::kU8>(high, codes);
  }
  return {255 - largest_of(flipped(low, 255)), largest_of(high)};
}

// Of n < kBytes codes.
int largest_of_few(const uint8_t* x, int64_t n, uint8_t flip) {
  uint8_t exists[kBytes];
  store(exists, splat_byte(255), ByteLanes(kBytes));
  const ByteLanes lanes(n);
  return largest_of(smaller<CodeType::kU8>(flipped(load(x, lanes), flip), load(exists, lanes)));
}

// A row of at least kLongRow codes: entries are added up byte by byte, looked up as bytes are, and each code's result
// is worked out once.
__attribute__((noinline)) void long_row(const uint8_t* x, uint8_t* y, int64_t n, uint8_t flip, const Entries& entries,
                                        const Table (&bytes)[3], const SoftmaxCodes& p) {
  const auto [smallest, largest] = ends_of(x, n, flip);
  const Bytes from = splat_byte(largest ^ flip);
  ByteTotal totals[3] = {};
  for (int64_t i = 0; i < n; i += kBytes) {
    // The order of codes turns with the flip, differences do not: q - m of u8 is (q ^ 128) - (m ^ 128).
    const Bytes distance = from - load(x + i, ByteLanes(n - i));
    for (int k = 0; k < 3; k++) totals[k] = add(totals[k], bytes[k](distance));
  }
  uint64_t sum = 0;
  // Lanes beyond the row were looked up as codes 0.
  const auto beyond = static_cast<uint64_t>((kBytes - n % kBytes) % kBytes);
  for (int k = 0; k < 3; k++) {
    sum += (total_of(totals[k]) - beyond * entries.bytes(k)[largest ^ flip]) << (8 * k);
  }
  uint8_t results[256] = {};
  quotients(entries.from(smallest, largest), largest - smallest + 1, {sum, p.scale}, p, results + smallest);
  const Table table(results);
  for (int64_t i = 0; i < n; i += kBytes) {
    const ByteLanes lanes(n - i);
    store(y + i, table(flipped(load(x + i, lanes), flip)), lanes);
  }
}

__attribute__((noinline)) void short_row(const uint8_t* x, uint8_t* y, int64_t n, uint8_t flip, const SoftmaxCodes& p) {
  const int largest = n < kBytes ? largest_of_few(x, n, flip) : ends_of(x, n, flip).largest;
  int32_t t[kLongRow + 16];
  int64_t sum = 0;
  // It never ends early. Where it might, compilers make no vectors of a loop: of this one they are slow, and large.
  for (int64_t i = 0; i < n && sum >= 0; i++) {
    t[i] = p.table[largest - (x[i] ^ flip)];
    sum += t[i];
  }
  std::fill_n(t + n, 16, 0);
  quotients(t, n, {static_cast<uint64_t>(sum), p.scale}, p, y);
}

void softmax_codes_rows(const uint8_t* x, CodeType type, uint8_t* y, int64_t rows, int64_t length,
                        const SoftmaxCodes& p) {
  const uint8_t flip = softmax_flip(type);
  if (length < kLongRow) {
    for (int64_t row = 0; row < rows; row++) short_row(x + row * length, y + row * length, length, flip, p);
    return;
  }
  const Entries entries(p.table.data());
  const Table bytes[3] = {Table(entries.bytes(0)), Table(entries.bytes(1)), Table(entries.bytes(2))};
  for (int64_t row = 0; row < rows; row++) {
    long_row(x + row * length, y + row * length, length, flip, entries, bytes, p);
  }
}

}  // namespace
}  // namespace int8
