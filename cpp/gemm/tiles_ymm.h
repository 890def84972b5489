// Register tiles of four products at once on ymm registers: the text that gemm_avxvnni.cc and gemm_pairs_avx2.cc share.
// Only they include it.
//
// Tile   6 rows x 16 channels, K by 4. A last panel of up to 8 channels takes 6x8 with two chains of K.
// Regs   6x16: 12 accumulators + 2 of W + 1 broadcast of X = 15 of 16 ymm.
// Loads  8 for 12 times four products, of two a cycle each: the multipliers are the limit, not the loads.
// X      row pointers, k bytes readable each, not one more.
// W      panels of pack_panels: [taps][ceil(k/4)][width][4], zero padded.
// Tails  k: the last 1-3 bytes of a row, put together in memory; n: epilogue_ymm.h; m: smaller tiles of the same
//        template; chains of K hide the latency of the products in the smallest.
#pragma once

#include "gemm/epilogue_ymm.h"

namespace int8 {
namespace {

// W is fetched so many bytes before it is used: the loads in flight of a tile of several rows do not keep memory busy.
// With it, up to 6 rows cost the time of one where W comes from memory. Behind the last panel the fetch is idle. It
// also makes the loop 24 micro-operations, which Intel's cores hand to their ports six by six: 23 or 25 take 5 %
// longer.
constexpr int64_t kAhead = 2048;

INT8_INLINE __m256i broadcast4(const uint8_t* p) {
  int32_t v;
  __builtin_memcpy(&v, p, 4);
  return _mm256_set1_epi32(v);
}

// The last `rest` (1 to 3) of k bytes at p, zeros above them. Nothing beyond p + k is read.
INT8_INLINE uint32_t tail_of(const uint8_t* p, int64_t k, int rest) {
  if (k >= 4) {
    uint32_t v;
    __builtin_memcpy(&v, p + k - 4, 4);
    return v >> (8 * (4 - rest));
  }
  uint32_t v = p[0];
  if (rest > 1) v |= static_cast<uint32_t>(p[1]) << 8;
  if (rest > 2) v |= static_cast<uint32_t>(p[2]) << 16;
  return v;
}

// Four k of MR rows at p[r] + k. Dot::add(acc, x, w) adds the four products of each dword;
// Dot::kLongLatency says whether one such sum waits long for the one before.
template <class Dot, int MR, int NV>
INT8_INLINE void add4(const uint8_t* const (&p)[MR], int64_t k, const int8_t* w, __m256i (&acc)[MR][NV]) {
  __m256i wv[NV];
  INT8_UNROLL for (int j = 0; j < NV; j++) wv[j] = load_ymm(w + 32 * j);
  _mm_prefetch(reinterpret_cast<const char*>(w + kAhead), _MM_HINT_T0);
  INT8_UNROLL for (int r = 0; r < MR; r++) {
    const __m256i x = broadcast4(p[r] + k);
    INT8_UNROLL for (int j = 0; j < NV; j++) acc[r][j] = Dot::add(acc[r][j], x, wv[j]);
  }
}

// Adds all taps of MR rows from `first` on. Where k is no multiple of 4, each tap is followed by a second part of one
// step whose rows are the last bytes, put together in memory. Both parts take the same loop, so that accumulators stay
// in registers.
template <class Dot, int MR, int NV, int kSplit>
INT8_INLINE void add_taps(const GemmBlock& b, int64_t first, __m256i (&acc)[kSplit][MR][NV]) {
  const int rest = static_cast<int>(b.k % 4);
  const int64_t parts = rest == 0 ? 1 : 2;
  const uint8_t* const* rows = b.rows + first;
  const int8_t* w = b.w;
  for (int64_t i = 0; i < b.taps * parts; i++) {
    const bool last_bytes = (i & (parts - 1)) != 0;
    int64_t end = b.k - rest;
    uint32_t tails[MR];
    const uint8_t* p[MR];
    INT8_UNROLL for (int r = 0; r < MR; r++) p[r] = rows[r] + b.x_offset;
    if (last_bytes) {
      INT8_UNROLL for (int r = 0; r < MR; r++) {
        tails[r] = tail_of(p[r], b.k, rest);
        p[r] = reinterpret_cast<const uint8_t*>(&tails[r]);
      }
      end = 4;
    }
    if (last_bytes || parts == 1) rows += b.row_pitch;
    int64_t k = 0;
    if (kSplit > 1) {
      for (; k + 4 * kSplit <= end; k += 4 * kSplit) {
        INT8_UNROLL for (int s = 0; s < kSplit; s++, w += 32 * NV) add4<Dot>(p, k + 4 * s, w, acc[s]);
      }
    }
    for (; k < end; k += 4, w += 32 * NV) add4<Dot>(p, k, w, acc[0]);
  }
}

// Rows first to first+MR-1 of the block.
template <class Dot, int MR, int NV, int kSplit>
__attribute__((noinline)) void tile(const GemmBlock& b, const EpilogueScalars& e, const CodeConstants& c,
                                    int64_t first) {
  __m256i acc[kSplit][MR][NV];
  start(b, first, acc[0]);
  INT8_UNROLL for (int s = 1; s < kSplit; s++) {
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[s][r][j] = _mm256_setzero_si256();
    }
  }
  add_taps<Dot>(b, first, acc);
  INT8_UNROLL for (int s = 1; s < kSplit; s++) {
    INT8_UNROLL for (int r = 0; r < MR; r++) {
      INT8_UNROLL for (int j = 0; j < NV; j++) acc[0][r][j] = _mm256_add_epi32(acc[0][r][j], acc[s][r][j]);
    }
  }
  finish(b, e, c, first, acc[0]);
}

// Chains of K in a tile too small to hide the latency of its products.
template <class Dot>
constexpr int chains(int n) {
  return Dot::kLongLatency ? n : 1;
}

// All rows of a panel whose width is NV vectors: full tiles, then one for the rest.
template <class Dot, int NV>
void panel(const GemmBlock& b, const EpilogueScalars& e) {
  constexpr int kMr = 6;
  const CodeConstants c = code_constants(e);
  int64_t r = 0;
  for (; r + kMr <= b.m; r += kMr) tile<Dot, kMr, NV, chains<Dot>(2 / NV)>(b, e, c, r);
  switch (b.m - r) {
    case 1:
      return tile<Dot, 1, NV, chains<Dot>(4)>(b, e, c, r);
    case 2:
      return tile<Dot, 2, NV, chains<Dot>(3)>(b, e, c, r);
    case 3:
      return tile<Dot, 3, NV, chains<Dot>(2)>(b, e, c, r);
    case 4:
      return tile<Dot, 4, NV, chains<Dot>(2 / NV)>(b, e, c, r);
    case 5:
      return tile<Dot, 5, NV, chains<Dot>(2 / NV)>(b, e, c, r);
    default:
      return;
  }
}

template <class Dot>
void run_tiles(const GemmBlock& b, const EpilogueScalars& e) {
  if (b.n > 8) {
    panel<Dot, 2>(b, e);
  } else {
    panel<Dot, 1>(b, e);
  }
}

}  // namespace
}  // namespace int8
