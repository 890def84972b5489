// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
//
// Exact  vpdpbusd does not saturate; sums wrap.
#include "gemm/tiles_ymm.h"

namespace int8 {
namespace {

struct Vpdpbusd {
  static constexpr bool kLongLatency = true;  // 5 cycles
  static INT8_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

}  // namespace

const GemmRow gemm::kAvxVnni{.isa = Isa::kAvxVnni,
                             .mr = 6,
                             .nr = 16,
                             .quantum = 8,
                             .kr = 4,
                             .run = run_tiles<Vpdpbusd>,
                             .row_sums = row_sums,
                             .macs_per_ns = 220};

}  // namespace int8
