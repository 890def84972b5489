// Float32 tiles on AVX-512 (tile_simd.h).
// Tile   up to 12 pixels x 32 channels.
// Regs   24 accumulators + 2 of W + 1 broadcast of 32 zmm; 12 row pointers + W + k of 16 general ones.
// Ports  24 fma take 12 cycles, 14 loads take 7: bound by fma.
#include "float/simd_avx512.h"
// The templates take Simd as an argument.
#include "float/tile_simd.h"

namespace int8 {

void float_tile_avx512vnni(const FloatTile& tile, int rows, int width) {
  tile_of_width<Simd, 12, 2>(tile, rows, width / Simd::kLanes);
}

}  // namespace int8
