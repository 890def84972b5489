// Product of two matrices of codes that are both data, to int32 (numerics.md 4): each matrix b is packed as the weights
// of a linear layer, then the GEMM runs on it. Threads share the entries of the batch, or the rows of each.
#include <algorithm>
#include <atomic>
#include <new>

#include "conv/gemm_driver.h"
#include "conv/packed.h"
#include "core/scratch.h"
#include "int8/thread_pool.h"
#include "movement/transpose_block.h"

namespace int8 {
namespace {

// y[c][k] = b[k][c]
void transpose(const uint8_t* b, int64_t inner, int64_t columns, uint8_t* y) {
  constexpr int64_t kSide = kBlock<uint8_t>;
  for (int64_t c = 0; c < columns; c += kSide) {
    int64_t k = 0;
    if (c + kSide <= columns) {
      for (; k + kSide <= inner; k += kSide) transpose_block(b + k * columns + c, columns, y + c * inner + k, inner);
    }
    const int64_t end = std::min(c + kSide, columns);
    for (; k < inner; k++) {
      for (int64_t j = c; j < end; j++) y[j * inner + k] = b[k * columns + j];
    }
  }
}

Status multiply(const GemmRow& row, const CodesIn& a, const uint8_t* b, CodeType b_type, int32_t* y, int64_t rows,
                const QuantizedMatmul& m, std::span<const int32_t> zero_points, std::span<const int32_t> no_bias) {
  uint8_t* codes = scratch<uint8_t>(Scratch::kMatrix, m.inner * m.columns);
  if (codes == nullptr) return Status::kOutOfMemory;
  transpose(b, m.inner, m.columns, codes);
  auto packed = pack_taps({.codes = {codes, static_cast<size_t>(m.inner * m.columns)},
                           .type = b_type,
                           .zero_points = zero_points,
                           .out_channels = m.columns,
                           .in_per_group = m.inner},
                          row);
  if (packed == nullptr) return Status::kOutOfMemory;
  const auto bound =
      bind_quantized(std::move(packed),
                     {.x_type = a.type, .x_zero_point = m.a_zero_point, .bias = no_bias, .output = OutputKind::kS32});
  if (bound == nullptr) return Status::kOutOfMemory;
  return qlinear(*bound, a.bytes, {reinterpret_cast<uint8_t*>(y), static_cast<size_t>(rows * m.columns) * 4}, rows);
}

}  // namespace

Status qmatmul_for(const GemmRow& row, const CodesIn& a, const CodesIn& b, std::span<int32_t> y,
                   const QuantizedMatmul& m) noexcept {
  if (y.empty()) return Status::kOk;
  if (m.inner == 0) {
    std::fill(y.begin(), y.end(), 0);
    return Status::kOk;
  }
  // One b for rows that follow each other is one product.
  const bool joined = m.b_stride == 0 && m.a_stride == m.rows * m.inner;
  const int64_t batch = joined ? 1 : m.batch, rows = joined ? m.batch * m.rows : m.rows;
  const auto columns = static_cast<size_t>(m.columns);
  AlignedBuffer<int32_t> zero_points(columns), no_bias(columns);
  if (zero_points.data() == nullptr || no_bias.data() == nullptr) return Status::kOutOfMemory;
  for (size_t c = 0; c < columns; c++) {
    zero_points[c] = m.b_zero_points[m.b_zero_points.size() == 1 ? 0 : c];
    no_bias[c] = 0;
  }
  std::atomic<bool> out_of_memory{false};
  auto task = [&](int64_t begin, int64_t end) {
    try {
      for (int64_t i = begin; i < end; i++) {
        const CodesIn from{a.bytes.subspan(static_cast<size_t>(i * m.a_stride), static_cast<size_t>(rows * m.inner)),
                           a.type};
        const Status status = multiply(row, from, b.bytes.data() + i * m.b_stride, b.type,
                                       y.data() + i * rows * m.columns, rows, m, zero_points.span(), no_bias.span());
        if (status != Status::kOk) out_of_memory.store(true, std::memory_order_relaxed);
      }
    } catch (const std::bad_alloc&) {
      out_of_memory.store(true, std::memory_order_relaxed);
    }
  };
  const int64_t results = rows * m.columns;
  // Of one entry; the right matrix is packed for it, which costs as reading weights does.
  const Work one{results * m.inner, results, m.inner * m.columns};
  const Work all{batch * one.macs, batch * one.results, batch * one.weight_bytes};
  // Too few entries for the threads share their rows instead, where these are worth it.
  const bool enough = batch >= num_threads() || !worth_threads(one, row.macs_per_ns);
  if (batch > 1 && enough && worth_threads(all, row.macs_per_ns)) {
    share_among_threads(batch, task);
  } else {
    task(0, batch);
  }
  return out_of_memory.load(std::memory_order_relaxed) ? Status::kOutOfMemory : Status::kOk;
}

Status qmatmul_s32(const CodesIn& a, const CodesIn& b, std::span<int32_t> y, const QuantizedMatmul& m) noexcept {
  return qmatmul_for(select_gemm_row(active_isa(), 1, m.inner), a, b, y, m);
}

}  // namespace int8
