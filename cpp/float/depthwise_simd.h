// Depthwise float32 convolution on any vector registers (tile_simd.h says what Simd gives): clamp(fma chain over the
// taps from the bias), one accumulator per output (kernels.h, numerics.md 7). Only instruction sets' files include it.
//
// Tile   up to 6 pixels x 2 vectors of channels: 12 accumulators, enough to hide the fma's latency on two ports.
// Loads  each tap takes two vectors of W for all pixels and two of x for each; loads bound it, not fma.
// Groups of a few channels: a vector holds whole groups, and each of its lanes takes the group's floats in turn. A
//        permutation and an fma for each; up to 4 pixels x 2 vectors.
// Tails  pixels: a kernel for each number; channels: one vector, in part: no lane past the last is read or written.
#pragma once

#include "float/kernels.h"

namespace int8 {
namespace {

// kPixels pixels from pixel `first` on, times kVectors vectors of channels from channel c on; one alone may be a part.
template <class Simd, int kPixels, int kVectors, bool kGroups = false>
void depthwise_block(const DepthwiseTile& tile, int64_t first, int64_t c) {
  using Vec = typename Simd::Vec;
  constexpr int kLanes = Simd::kLanes;
  const typename Simd::Part part(kVectors > 1 ? kLanes : tile.channels - c);
  float* y = tile.y + first * tile.channels + c;
  Vec acc[kPixels][kVectors];
#pragma GCC unroll 6
  for (int p = 0; p < kPixels; ++p) {
    const float* start = tile.bias != nullptr ? tile.bias + c : y + p * tile.channels;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[p][v] = Simd::load(start + kLanes * v, part);
  }
  const float* w = tile.w + c;
  const int group = kGroups ? tile.group : 1;
  for (int64_t t = 0; t < tile.taps; ++t) {
    const int64_t step = tile.step[t];
    for (int i = 0; i < group; ++i, w += tile.channels) {
      Vec wv[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) wv[v] = Simd::load(w + kLanes * v, part);
      const float* x = tile.x[t] + first * step + c;
#pragma GCC unroll 6
      for (int p = 0; p < kPixels; ++p, x += step) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          Vec xv = Simd::load(x + kLanes * v, part);
          if constexpr (kGroups) xv = Simd::from_group(xv, group, i);
          acc[p][v] = Simd::fma(xv, wv[v], acc[p][v]);
        }
      }
    }
  }
  const typename Simd::Clamp clamp(tile.lo, tile.hi);
#pragma GCC unroll 6
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec value = tile.last ? clamp(acc[p][v]) : acc[p][v];
      Simd::store(y + p * tile.channels + kLanes * v, value, part);
    }
  }
}

template <class Simd, int kPixels>
void depthwise_pixels(const DepthwiseTile& tile, int64_t first) {
  constexpr int kLanes = Simd::kLanes;
  int64_t c = 0;
  if constexpr (kPixels < 3) {  // few pixels: more channels keep the fma busy
    for (; c + 4 * kLanes <= tile.channels; c += 4 * kLanes) depthwise_block<Simd, kPixels, 4>(tile, first, c);
  }
  for (; c + 2 * kLanes <= tile.channels; c += 2 * kLanes) depthwise_block<Simd, kPixels, 2>(tile, first, c);
  for (; c < tile.channels; c += kLanes) depthwise_block<Simd, kPixels, 1>(tile, first, c);
}

template <class Simd, int kPixels>
void grouped_pixels(const DepthwiseTile& tile, int64_t first) {
  constexpr int kLanes = Simd::kLanes;
  int64_t c = 0;
  for (; c + 2 * kLanes <= tile.channels; c += 2 * kLanes) depthwise_block<Simd, kPixels, 2, true>(tile, first, c);
  for (; c < tile.channels; c += kLanes) depthwise_block<Simd, kPixels, 1, true>(tile, first, c);
}

template <class Simd>
void depthwise_tile(const DepthwiseTile& tile) {
  int64_t p = 0;
  if constexpr (Simd::kGroups) {
    if (tile.group > 1) {
      for (; p + 4 <= tile.pixels; p += 4) grouped_pixels<Simd, 4>(tile, p);
      for (; p < tile.pixels; ++p) grouped_pixels<Simd, 1>(tile, p);
      return;
    }
  }
  for (; p + 6 <= tile.pixels; p += 6) depthwise_pixels<Simd, 6>(tile, p);
  switch (tile.pixels - p) {
    case 5:
      return depthwise_pixels<Simd, 5>(tile, p);
    case 4:
      return depthwise_pixels<Simd, 4>(tile, p);
    case 3:
      return depthwise_pixels<Simd, 3>(tile, p);
    case 2:
      return depthwise_pixels<Simd, 2>(tile, p);
    case 1:
      return depthwise_pixels<Simd, 1>(tile, p);
    default:
      return;
  }
}

}  // namespace
}  // namespace int8
