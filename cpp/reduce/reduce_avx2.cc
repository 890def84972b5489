// Reductions on AVX2 (reduce_simd.h, softmax_codes_simd.h).
#include "simd/lanes_avx2.h"
// The text below is written with the lanes above.
#include "reduce/reduce_simd.h"
#include "reduce/softmax_codes_simd.h"

namespace int8 {

extern const ReduceKernels kReduceAvx2{softmax_row, reduce, layer_norm_row, min_max, softmax_codes_rows};

}  // namespace int8
