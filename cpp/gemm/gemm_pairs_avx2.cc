// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5),
// for weights of seven bits: 1.4 times as fast as gemm_avx2.cc, which takes any.
//
// Exact  vpmaddubsw adds two products in 16 bits and saturates: packing takes this row only where pairs_fit has proven
//        that none of the sums can leave them. vpmaddwd by ones adds two of those; sums of sums wrap.
#include "gemm/tiles_ymm.h"

namespace int8 {
namespace {

struct Vpmaddubsw {
  static constexpr bool kLongLatency = false;  // only the last addition waits: 1 cycle
  static INT8_INLINE __m256i add(__m256i acc, __m256i x, __m256i w) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1)));
  }
};

}  // namespace

const GemmRow gemm::kAvx2Pairs{.isa = Isa::kAvx2,
                               .mr = 6,
                               .nr = 16,
                               .quantum = 8,
                               .kr = 4,
                               .run = run_tiles<Vpmaddubsw>,
                               .row_sums = row_sums,
                               .macs_per_ns = 150};

}  // namespace int8
