// Codes to codes on NEON (codes_simd.h).
#include "simd/lanes_neon.h"
// The text below is written with the lanes above.
#include "elementwise/codes_simd.h"

namespace int8 {

extern const CodeKernels kCodesNeon{requantize, qclamp, lookup, qadd, qmul};

}  // namespace int8
