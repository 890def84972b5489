// Y[m,n] = epilogue(offset[n] - zw[n]*sum(X[m]) + sum_k X[m,k] * W[k,n]), u8 x s8 -> u8/s8/s32/f32 (numerics.md 4, 5).
#include "gemm/tiles_avx512.h"

namespace int8 {

const GemmRow gemm::kAvx512Vnni{.isa = Isa::kAvx512Vnni,
                                .mr = 12,
                                .nr = 64,
                                .quantum = 16,
                                .kr = 4,
                                .run = run_tiles,
                                .row_sums = row_sums,
                                .macs_per_ns = 450};

}  // namespace int8
