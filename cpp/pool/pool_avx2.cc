// Pools on AVX2 (pool_simd.h).
#include "simd/lanes_avx2.h"
// The text below is written with the lanes above.
#include "pool/pool_simd.h"

namespace int8 {

extern const PoolKernels kPoolAvx2{qmax, qavg, fmax, favg};

}  // namespace int8
