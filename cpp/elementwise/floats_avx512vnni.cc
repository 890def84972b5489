// Float32 elementwise on AVX-512 (floats_simd.h).
#include "simd/lanes_avx512.h"
// The text below is written with the lanes above.
#include "elementwise/floats_simd.h"

namespace int8 {

extern const FloatKernels kFloatsAvx512Vnni{fbinary, fclamp, funary, faffine};

}  // namespace int8
