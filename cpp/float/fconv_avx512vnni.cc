// Float32 tiles on AVX-512 (tile_simd.h).
// Tile   up to 12 pixels x 32 channels, or 6 x 64 (FloatRow::wide).
// Regs   24 accumulators + 2 of W + 1 broadcast of 32 zmm, or 4 of W; 12 row pointers + W + k of 16 general ones.
// Ports  24 fma take 12 cycles, 14 loads take 7, or 10 take 5: bound by fma. The wide tile is 5 to 15 % faster all the
//        same, most likely because its loop has 37 instructions for 24 fma where the other has 44, and two threads of
//        a core share its decoders.
// Which  the tall tile for channels that would leave most of a wide panel empty, and for weights of more than the
//        second cache holds, which it reads half as often.
#include "float/simd_avx512.h"
// The templates take Simd as an argument.
#include "float/tile_simd.h"

namespace int8 {

void float_tile_avx512vnni(const FloatTile& tile, int rows, int width) {
  tile_of_width<Simd, 12, 2>(tile, rows, width / Simd::kLanes);
}

void float_wide_tile_avx512vnni(const FloatTile& tile, int rows, int width) {
  tile_of_width<Simd, 6, 4>(tile, rows, width / Simd::kLanes);
}

}  // namespace int8
