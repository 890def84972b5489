// Float32 elementwise on NEON (floats_simd.h).
#include "simd/lanes_neon.h"
// The text below is written with the lanes above.
#include "elementwise/floats_simd.h"

namespace int8 {

extern const FloatKernels kFloatsNeon{fbinary, fclamp, funary, faffine};

}  // namespace int8
