// Float32 tiles on NEON (tile_simd.h).
// Tile   up to 6 pixels x 16 channels.
// Regs   24 accumulators + 4 of W + 1 of x, which fmla takes by element, = 29 of 32.
// Ports  24 fma of four lanes for 4 loads of W and 6 of x.
#include "float/simd_neon.h"
// The templates take Simd as an argument.
#include "float/tile_simd.h"

namespace int8 {

void float_tile_neon(const FloatTile& tile, int rows, int width) {
  tile_of_width<Simd, 6, 4>(tile, rows, width / Simd::kLanes);
}

}  // namespace int8
