// Codes to codes on AVX-512 (codes_simd.h).
#include "simd/lanes_avx512.h"
// The text below is written with the lanes above.
#include "elementwise/codes_simd.h"

namespace int8 {

extern const CodeKernels kCodesAvx512Vnni{requantize, qclamp, lookup, qadd, qmul};

}  // namespace int8
