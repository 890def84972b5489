// Float32 tiles on any vector registers: clamp(fma chain over K from the bias), one accumulator per output (kernels.h,
// numerics.md 7). The text that instruction sets share; only their files include it.
//
// Simd gives the registers: Vec of kLanes floats, splat, load, fma(a, b, c) = a*b + c, add; Part, the lanes that exist,
// made of their number, with load and store that touch no other; Clamp(lo, hi), IEEE min(max(v, lo), hi): a NaN stays,
// +0 is above -0.
#pragma once

#include <algorithm>

#include "float/kernels.h"

namespace int8 {
namespace {

constexpr int64_t kLineFloats = 16;  // of a cache line

// Brings a line into the second cache.
inline void fetch_ahead(const float* p) {
#ifdef __GNUC__
  __builtin_prefetch(p, 0, 2);
#else
  (void)p;
#endif
}

// Up to kRows pixels x kVectors vectors of channels; K one by one: kVectors loads of W, each pixel's x broadcast.
// kAhead a line of the weights to come is fetched with each k; apart, because its pointer would take a row's register.
// Tails  pixels: a kernel for each number of rows up to 6, so none is computed twice, and what is left of a taller tile
//        goes as 6 and the rest; channels: W is padded, the store partial.
template <class Simd, int kRows, int kVectors, bool kAhead>
void tile_kernel(const FloatTile& tile) {
  using Vec = typename Simd::Vec;
  using Part = typename Simd::Part;
  constexpr int kLanes = Simd::kLanes;
  Vec acc[kRows][kVectors];
  const auto part = [&tile](int v) { return Part(tile.channels - kLanes * v); };
  if (tile.bias != nullptr) {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[m][v] = Simd::load(tile.bias + kLanes * v);
    }
  } else {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[m][v] = Simd::load(tile.y + m * tile.y_stride + kLanes * v, part(v));
      }
    }
  }
  if (tile.last && tile.residual != nullptr) {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      for (int v = 0; v < kLanes * kVectors; v += kLineFloats) fetch_ahead(tile.residual + m * tile.y_stride + v);
    }
  }
  const float* w = tile.w;
  const int64_t w_step = kRows <= kSteppedRows && tile.w_step != 0 ? tile.w_step : kLanes * kVectors;
  const float* const* x = tile.x;
  const float* ahead = tile.ahead;
  for (int64_t r = 0; r < tile.runs; ++r, x += tile.mr) {
    const float* p[kRows];
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) p[m] = x[m] + tile.length;
    for (int64_t k = -tile.length; k != 0; ++k, w += w_step) {  // up to 0: no register holds the end
      if constexpr (kAhead) {
        fetch_ahead(ahead);
        ahead += kLineFloats;
      }
      Vec wv[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) wv[v] = Simd::load(w + kLanes * v);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const Vec xv = Simd::splat(p[m][k]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) acc[m][v] = Simd::fma(xv, wv[v], acc[m][v]);
      }
    }
  }
  if (tile.last && tile.residual != nullptr) {
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        acc[m][v] = Simd::add(acc[m][v], Simd::load(tile.residual + m * tile.y_stride + kLanes * v, part(v)));
      }
    }
  }
  if (tile.last) {
    const typename Simd::Clamp clamp(tile.lo, tile.hi);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[m][v] = clamp(acc[m][v]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Simd::store(tile.y + m * tile.y_stride + kLanes * v, acc[m][v], part(v));
  }
}

constexpr int kSmallRows = 6;

// The kernel for so many rows, up to kRows.
template <class Simd, int kVectors, int kRows>
void tile_of_few_rows(const FloatTile& tile, int rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return tile_of_few_rows<Simd, kVectors, kRows - 1>(tile, rows);
  }
  tile_kernel<Simd, kRows, kVectors, false>(tile);
}

// The kernel for so many rows, up to kMr.
template <class Simd, int kMr, int kVectors>
void tile_of_rows(const FloatTile& tile, int rows) {
  if (rows == kMr) {
    // Smaller tiles are the last: what they would fetch is left to the next range.
    if (tile.ahead != nullptr) return tile_kernel<Simd, kMr, kVectors, true>(tile);
    return tile_kernel<Simd, kMr, kVectors, false>(tile);
  }
  if (rows <= kSmallRows) return tile_of_few_rows<Simd, kVectors, std::min(kMr, kSmallRows)>(tile, rows);
  FloatTile rest = tile;
  rest.x += kSmallRows;
  rest.y += kSmallRows * tile.y_stride;
  if (rest.residual != nullptr) rest.residual += kSmallRows * tile.y_stride;
  tile_of_few_rows<Simd, kVectors, kSmallRows>(tile, kSmallRows);
  tile_of_few_rows<Simd, kVectors, kSmallRows>(rest, rows - kSmallRows);
}

// The kernel for so many vectors of channels.
template <class Simd, int kMr, int kVectors>
void tile_of_width(const FloatTile& tile, int rows, int vectors) {
  if constexpr (kVectors > 1) {
    if (vectors < kVectors) return tile_of_width<Simd, kMr, kVectors - 1>(tile, rows, vectors);
  }
  tile_of_rows<Simd, kMr, kVectors>(tile, rows);
}

}  // namespace
}  // namespace int8
