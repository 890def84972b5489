// Depthwise float32 convolution on AVX-512: clamp(fma chain over the taps from the bias), one accumulator per output
// (kernels.h, numerics.md 7).
// Tile   up to 6 pixels x 32 channels: 12 accumulators, enough to hide the fma's latency on two ports.
// Loads  each tap takes two vectors of W for all pixels and two of x for each; loads bound it, not fma.
// Tails  pixels: a kernel for each number; channels: one vector, masked: lanes past the last are neither read nor
// written.
#include "elementwise/vector_avx512vnni.h"
#include "float/kernels.h"

namespace int8 {
namespace {

// kPixels pixels from pixel `first` on, times 16 * kVectors channels from channel c on; `lanes` of the last vector.
template <int kPixels, int kVectors>
void block(const DepthwiseTile& tile, int64_t first, int64_t c, __mmask16 lanes) {
  float* y = tile.y + first * tile.channels + c;
  auto lanes_of = [lanes](int v) { return v == kVectors - 1 ? lanes : __mmask16(0xffff); };
  __m512 acc[kPixels][kVectors];
#pragma GCC unroll 6
  for (int p = 0; p < kPixels; ++p) {
    const float* start = tile.bias != nullptr ? tile.bias + c : y + p * tile.channels;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[p][v] = _mm512_maskz_loadu_ps(lanes_of(v), start + 16 * v);
  }
  const float* w = tile.w + c;
  for (int64_t t = 0; t < tile.taps; ++t, w += tile.channels) {
    __m512 wv[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) wv[v] = _mm512_maskz_loadu_ps(lanes_of(v), w + 16 * v);
    const int64_t step = tile.step[t];
    const float* x = tile.x[t] + first * step + c;
#pragma GCC unroll 6
    for (int p = 0; p < kPixels; ++p, x += step) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[p][v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes_of(v), x + 16 * v), wv[v], acc[p][v]);
      }
    }
  }
  const ClampFloat clamp(tile.lo, tile.hi);
#pragma GCC unroll 6
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const __m512 value = tile.last ? clamp(acc[p][v]) : acc[p][v];
      _mm512_mask_storeu_ps(y + p * tile.channels + 16 * v, lanes_of(v), value);
    }
  }
}

template <int kPixels>
void all_channels(const DepthwiseTile& tile, int64_t first) {
  int64_t c = 0;
  if constexpr (kPixels < 3) {  // few pixels: more channels keep the fma busy
    for (; c + 64 <= tile.channels; c += 64) block<kPixels, 4>(tile, first, c, __mmask16(0xffff));
  }
  for (; c + 32 <= tile.channels; c += 32) block<kPixels, 2>(tile, first, c, __mmask16(0xffff));
  for (; c < tile.channels; c += 16) block<kPixels, 1>(tile, first, c, lanes16(tile.channels - c));
}

}  // namespace

void float_depthwise_avx512vnni(const DepthwiseTile& tile) {
  int64_t p = 0;
  for (; p + 6 <= tile.pixels; p += 6) all_channels<6>(tile, p);
  switch (tile.pixels - p) {
    case 5:
      return all_channels<5>(tile, p);
    case 4:
      return all_channels<4>(tile, p);
    case 3:
      return all_channels<3>(tile, p);
    case 2:
      return all_channels<2>(tile, p);
    case 1:
      return all_channels<1>(tile, p);
    default:
      return;
  }
}

}  // namespace int8
