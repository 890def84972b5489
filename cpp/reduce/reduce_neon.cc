// Reductions on NEON (reduce_simd.h, softmax_codes_simd.h).
#include "simd/lanes_neon.h"
// The text below is written with the lanes above.
#include "reduce/reduce_simd.h"
#include "reduce/softmax_codes_simd.h"

namespace int8 {

extern const ReduceKernels kReduceNeon{softmax_row, reduce, layer_norm_row, min_max, softmax_codes_rows};

}  // namespace int8
