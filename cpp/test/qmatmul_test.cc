// Protects products of matrices of codes that are both data: the sum of (a - za)(b - zb) modulo 2^32, for every kernel,
// size, type, zero point and number of threads, and not a byte beyond the operands.
#include <gtest/gtest.h>

#include "conv/packed.h"
#include "int8/thread_pool.h"
#include "test/support/guarded_buffer.h"
#include "test/support/kernel_data.h"

namespace int8 {
namespace {

int32_t code(uint8_t byte, CodeType type) {
  return type == CodeType::kU8 ? byte : static_cast<int8_t>(byte);
}

std::vector<GemmRow> all_rows() {
  std::vector<GemmRow> rows;
  for (const GemmRow& row : gemm_rows()) {
    if (!isa_supported(row.isa)) continue;
    rows.push_back(row);
    if (row.small_pairs != nullptr) rows.push_back(*row.small_pairs);
  }
  return rows;
}

TEST(QuantizedMatmul, IsTheSumOfProductsForEveryKernelSizeAndType) {
  Random random(9);
  // batch, rows, inner, columns, whether one b serves all
  const int64_t sizes[][5] = {{1, 1, 1, 1, 0},    {2, 3, 0, 5, 0},    {1, 0, 3, 5, 0},    {3, 17, 64, 65, 0},
                              {2, 5, 63, 16, 1},  {1, 2, 9, 47, 0},   {4, 12, 32, 32, 0}, {2, 13, 33, 33, 1},
                              {9, 50, 40, 50, 0}, {1, 70, 129, 17, 0}};
  for (const auto& [batch, rows, k, n, same_b] : sizes) {
    for (const CodeType a_type : {CodeType::kU8, CodeType::kS8}) {
      for (const CodeType b_type : {CodeType::kU8, CodeType::kS8}) {
        const bool each = a_type == b_type;
        const GuardedBuffer<uint8_t> a(random_codes(random, batch * rows * k));
        std::vector<uint8_t> codes = random_codes(random, (same_b ? 1 : batch) * k * n);
        // Half of the cases have weights of seven bits, which the rows for small pairs need.
        for (uint8_t& c : codes) c = each ? c : static_cast<uint8_t>(c / 4 + (b_type == CodeType::kU8 ? 96 : 0));
        const GuardedBuffer<uint8_t> b(codes);
        const int32_t za = code(static_cast<uint8_t>(random()), a_type);
        std::vector<int32_t> zb(each ? static_cast<size_t>(n) : 1);
        for (int32_t& z : zb) z = code(static_cast<uint8_t>(random()), b_type);
        std::vector<int32_t> want(static_cast<size_t>(batch * rows * n));
        for (int64_t i = 0; i < batch * rows * n; i++) {
          const int64_t c = i % n;
          const uint8_t *row = a.data() + i / n * k, *matrix = b.data() + (same_b ? 0 : i / n / rows * k * n);
          int32_t sum = 0;
          for (int64_t j = 0; j < k; j++) {
            sum += (code(row[j], a_type) - za) * (code(matrix[j * n + c], b_type) - zb[each ? c : 0]);
          }
          want[static_cast<size_t>(i)] = sum;
        }
        for (const GemmRow& row : all_rows()) {
          if (each && row.isa == Isa::kAvx2 && row.small_pairs == nullptr) continue;  // takes small weights alone
          for (const int threads : {1, 5}) {
            set_num_threads(threads);
            GuardedBuffer<int32_t> y(want.size());
            const QuantizedMatmul m{batch, rows, k, n, rows * k, same_b ? 0 : k * n, za, zb};
            ASSERT_EQ(qmatmul_for(row, {a.span(), a_type}, {b.span(), b_type}, y.span(), m), Status::kOk);
            EXPECT_TRUE(same(y.values(), want))
                << batch << "x" << rows << "x" << k << "x" << n << " on " << isa_name(row.isa);
          }
        }
      }
    }
  }
  set_num_threads(default_num_threads());
}

}  // namespace
}  // namespace int8
