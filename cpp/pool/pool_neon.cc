// Pools on NEON (pool_simd.h).
#include "simd/lanes_neon.h"
// The text below is written with the lanes above.
#include "pool/pool_simd.h"

namespace int8 {

extern const PoolKernels kPoolNeon{qmax, qavg, fmax, favg};

}  // namespace int8
