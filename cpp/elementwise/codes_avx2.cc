// Codes to codes on AVX2 (codes_simd.h).
#include "simd/lanes_avx2.h"
// The text below is written with the lanes above.
#include "elementwise/codes_simd.h"

namespace int8 {

extern const CodeKernels kCodesAvx2{requantize, qclamp, lookup, qadd, qmul};

}  // namespace int8
