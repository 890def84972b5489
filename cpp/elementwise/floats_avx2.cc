// Float32 elementwise on AVX2 (floats_simd.h).
#include "simd/lanes_avx2.h"
// The text below is written with the lanes above.
#include "elementwise/floats_simd.h"

namespace int8 {

extern const FloatKernels kFloatsAvx2{fbinary, fclamp, funary, faffine};

}  // namespace int8
