// Float32 tiles on AVX2 and FMA (tile_simd.h).
// Tile   up to 6 pixels x 16 channels.
// Regs   12 accumulators + 2 of W + 1 broadcast = 15 of 16 ymm.
// Ports  12 fma take 6 cycles, 8 loads take 4: bound by fma.
#include "float/simd_avx2.h"
// The templates take Simd as an argument.
#include "float/tile_simd.h"

namespace int8 {

void float_tile_avx2(const FloatTile& tile, int rows, int width) {
  tile_of_width<Simd, 6, 2>(tile, rows, width / Simd::kLanes);
}

}  // namespace int8
