// Float32 tiles on AVX-512: clamp(fma chain over K from the bias), one accumulator per output (kernels.h, numerics.md
// 7). Tile   up to 12 pixels x 32 channels; K one by one: two vectors of W, each pixel's x broadcast. Regs   24
// accumulators + 2 of W + 1 broadcast of 32 zmm; 12 row pointers + W + k of 16 general ones. Ports  24 fma take 12
// cycles, 14 loads take 7: bound by fma. X      through row pointers, `length` floats readable each, not one more.
// Tails  pixels: a kernel for each number of rows, so none is computed twice; channels: W is padded, the store masked.
#include "elementwise/vector_avx512vnni.h"
#include "float/kernels.h"

namespace int8 {
namespace {

constexpr int kMr = 12;

template <int kRows, int kVectors>
void tile_kernel(const FloatTile& tile) {
  __m512 acc[kRows][kVectors];
  __mmask16 lanes[kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int64_t rest = tile.channels - 16 * v;
    lanes[v] = lanes16(rest > 0 ? rest : 0);
  }
  if (tile.bias != nullptr) {
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[m][v] = _mm512_loadu_ps(tile.bias + 16 * v);
    }
  } else {
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        acc[m][v] = _mm512_maskz_loadu_ps(lanes[v], tile.y + m * tile.y_stride + 16 * v);
      }
    }
  }
  const float* w = tile.w;
  const float* const* x = tile.x;
  for (int64_t r = 0; r < tile.runs; ++r, x += kMr) {
    const float* p[kRows];
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) p[m] = x[m];
    for (int64_t k = 0; k < tile.length; ++k, w += 16 * kVectors) {
      __m512 wv[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) wv[v] = _mm512_loadu_ps(w + 16 * v);
#pragma GCC unroll 12
      for (int m = 0; m < kRows; ++m) {
        const __m512 xv = _mm512_set1_ps(p[m][k]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) acc[m][v] = _mm512_fmadd_ps(xv, wv[v], acc[m][v]);
      }
    }
  }
  if (tile.last) {
    const ClampFloat clamp(tile.lo, tile.hi);
#pragma GCC unroll 12
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[m][v] = clamp(acc[m][v]);
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(tile.y + m * tile.y_stride + 16 * v, lanes[v], acc[m][v]);
    }
  }
}

using Kernel = void (*)(const FloatTile&);
template <int kVectors>
constexpr Kernel kKernels[kMr] = {
    tile_kernel<1, kVectors>, tile_kernel<2, kVectors>,  tile_kernel<3, kVectors>,  tile_kernel<4, kVectors>,
    tile_kernel<5, kVectors>, tile_kernel<6, kVectors>,  tile_kernel<7, kVectors>,  tile_kernel<8, kVectors>,
    tile_kernel<9, kVectors>, tile_kernel<10, kVectors>, tile_kernel<11, kVectors>, tile_kernel<12, kVectors>,
};

}  // namespace

void float_tile_avx512vnni(const FloatTile& tile, int rows, int width) {
  (width == 16 ? kKernels<1> : kKernels<2>)[rows - 1](tile);
}

}  // namespace int8
