// Pools on AVX-512 (pool_simd.h).
#include "simd/lanes_avx512.h"
// The text below is written with the lanes above.
#include "pool/pool_simd.h"

namespace int8 {

extern const PoolKernels kPoolAvx512Vnni{qmax, qavg, fmax, favg};

}  // namespace int8
