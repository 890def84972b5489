// Drivers of the kernels from codes to codes: pieces of the tensor, shared among threads.
#include "elementwise/broadcast.h"
#include "elementwise/kernels.h"
#include "elementwise/runs.h"
#include "int8/thread_pool.h"

namespace int8 {
namespace {

template <class Fn>
void for_pieces(size_t size, Fn fn) {
  auto task = [&](int64_t begin, int64_t end) { fn(begin, end - begin); };
  parallel_for(static_cast<int64_t>(size), kGrain<uint8_t>, task);
}

}  // namespace

void requantize(CodesIn x, CodesOut y, const RequantizeParams& p) {
  const auto kernel = elementwise_kernels().codes->requantize;
  for_pieces(y.bytes.size(),
             [&](int64_t i, int64_t n) { kernel(x.bytes.data() + i, x.type, y.bytes.data() + i, n, p); });
}

void qclamp(CodesIn x, CodesOut y, int32_t lo, int32_t hi) {
  const auto kernel = elementwise_kernels().codes->qclamp;
  for_pieces(y.bytes.size(),
             [&](int64_t i, int64_t n) { kernel(x.bytes.data() + i, x.type, y.bytes.data() + i, n, lo, hi); });
}

void lookup(std::span<const uint8_t> x, std::span<uint8_t> y, std::span<const uint8_t, 256> table) {
  const auto kernel = elementwise_kernels().codes->lookup;
  for_pieces(y.size(), [&](int64_t i, int64_t n) { kernel(x.data() + i, y.data() + i, n, table.data()); });
}

void qadd(CodesIn a, CodesIn b, CodesOut y, const Broadcast& broadcast, const QAddParams& p) {
  const auto kernel = elementwise_kernels().codes->qadd;
  for_rows(broadcast, a.bytes.data(), b.bytes.data(), y.bytes.data(),
           [&](Stepped<uint8_t> ra, Stepped<uint8_t> rb, uint8_t* ry, int64_t n) { kernel(ra, rb, a.type, ry, n, p); });
}

void qmul(CodesIn a, CodesIn b, CodesOut y, const Broadcast& broadcast, const QMulParams& p) {
  const auto kernel = elementwise_kernels().codes->qmul;
  for_rows(broadcast, a.bytes.data(), b.bytes.data(), y.bytes.data(),
           [&](Stepped<uint8_t> ra, Stepped<uint8_t> rb, uint8_t* ry, int64_t n) { kernel(ra, rb, a.type, ry, n, p); });
}

}  // namespace int8
