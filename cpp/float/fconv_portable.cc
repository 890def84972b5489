// Float32 tiles, portable: the plain loops of kernels.h with the exact fma of elementwise/math.h. Any tile size.
#include "elementwise/math.h"
#include "float/kernels.h"

namespace int8 {

void float_tile_portable(const FloatTile& tile, int rows, int width) {
  constexpr int kBlock = 16;
  for (int m = 0; m < rows; ++m) {
    float* y = tile.y + m * tile.y_stride;
    for (int n0 = 0; n0 < tile.channels; n0 += kBlock) {
      const int n = tile.channels - n0 < kBlock ? static_cast<int>(tile.channels - n0) : kBlock;
      const float* start = tile.bias != nullptr ? tile.bias + n0 : y + n0;
      float acc[kBlock];
      for (int j = 0; j < n; ++j) acc[j] = start[j];
      const float* w = tile.w + n0;
      const int64_t step = rows <= kSteppedRows && tile.w_step != 0 ? tile.w_step : width;
      const float* const* x = tile.x + m;
      for (int64_t r = 0; r < tile.runs; ++r, x += tile.mr) {
        for (int64_t k = 0; k < tile.length; ++k, w += step) {
          const float v = (*x)[k];
          for (int j = 0; j < n; ++j) acc[j] = fma_once(v, w[j], acc[j]);
        }
      }
      if (tile.last && tile.residual != nullptr) {
        for (int j = 0; j < n; ++j) acc[j] += tile.residual[m * tile.y_stride + n0 + j];
      }
      for (int j = 0; j < n; ++j) y[n0 + j] = tile.last ? minimum(maximum(acc[j], tile.lo), tile.hi) : acc[j];
    }
  }
}

void float_depthwise_portable(const DepthwiseTile& tile) {
  for (int64_t p = 0; p < tile.pixels; ++p) {
    float* y = tile.y + p * tile.channels;
    for (int64_t c = 0; c < tile.channels; ++c) {
      float acc = tile.bias != nullptr ? tile.bias[c] : y[c];
      for (int64_t t = 0; t < tile.taps; ++t) {
        acc = fma_once(tile.x[t][p * tile.step[t] + c], tile.w[t * tile.channels + c], acc);
      }
      y[c] = tile.last ? minimum(maximum(acc, tile.lo), tile.hi) : acc;
    }
  }
}

}  // namespace int8
